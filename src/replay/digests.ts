/**
 * The digests of a replay, line by line: what one build says of a log, so that another can find where the two part (docs/wire.md "Digests of
 * a replay"). Every build has them from the first version on; memory holds the folded realm, never the log.
 */
import { hash } from 'node:crypto'
import { decodeTurn } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import type { Subjects } from '../../streams/subjects.ts'
import { RealmFold } from '../realm/view.ts'
import type { ReadMessages } from './group.ts'
import { LaneStarts } from './lane-start.ts'
import { canonicalText } from './canonical-text.ts'
import { type View, viewsAfter, viewsAtEnd } from './views.ts'

export const digestsFormat = 'reeve-digests'
/** That this build can say. A change of what stands in a line, or of what is digested, is another version; former ones stay. */
export const digestsVersions: readonly number[] = [1]

export interface DigestsRequest {
  readonly version: number
  /** Last position; absent: the end of the file. */
  readonly until?: number
  /** Turns from one checkpoint to the next. */
  readonly every: number
  /** Positions after this one are told turn by turn, with every view, and every group whole; absent: only checkpoints. */
  readonly after?: number
}

export interface DigestsHead {
  readonly format: typeof digestsFormat
  readonly version: number
  readonly build: string
}

/** Chained over the views of every turn up to here. */
export interface Checkpoint {
  readonly position: number
  readonly turns: number
  readonly digest: string
}

export interface TurnViews {
  readonly position: number
  readonly views: readonly View[]
}

export interface DigestsEnd {
  readonly turns: number
  readonly events: number
  readonly digest: string
  /** Position of a turn that this build cannot read: nothing after it was folded. */
  readonly stopped?: number
}

/** Stands as the only aggregate of a turn that the build cannot read, with its subject as id. */
export const unreadable = 'turn'

export type DigestLine = DigestsHead | Checkpoint | TurnViews | DigestsEnd

export class MalformedDigestsRequest extends Error {
  override readonly name = 'MalformedDigestsRequest'
  readonly retryable = false
}

/** Throws `MalformedDigestsRequest`. */
export function parseDigestsRequest(text: string): DigestsRequest {
  const value = parsed(text)
  const whole = (one: unknown, least: number) => typeof one === 'number' && Number.isSafeInteger(one) && one >= least
  const optional = (one: unknown) => one === undefined || whole(one, 0)
  if (value === undefined || !whole(value.version, 1) || !whole(value.every, 1) || !optional(value.until) || !optional(value.after)) {
    throw new MalformedDigestsRequest('--digests takes {"version","every","until"?,"after"?}: "reeve replay --compare DIR" asks for it')
  }
  if (!digestsVersions.includes(value.version as number)) {
    throw new MalformedDigestsRequest(`this build has digests of version ${digestsVersions.join(', ')}, not ${String(value.version)}: compare with the newer of the two builds`)
  }
  return value as unknown as DigestsRequest
}

function parsed(text: string): Partial<Record<keyof DigestsRequest, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Throws what the source throws; what the fold throws is a view of its turn. `build`: its version. */
export async function* digestLines(read: ReadMessages, subjects: Subjects, request: DigestsRequest, build: string): AsyncGenerator<DigestLine> {
  const { version, until, every, after } = request
  yield { format: digestsFormat, version, build }
  const fold = new RealmFold(subjects.realm)
  const starts = new LaneStarts(subjects)
  let digest = ''
  let turns = 0
  let events = 0
  for await (const batch of read({ subjects: [], from: 1, ...(until === undefined ? {} : { until }) })) {
    for (const message of batch) {
      starts.see(message)
      starts.demandAll('a comparison of builds')
      const { position } = message
      const told = after !== undefined && position > after
      const folded = foldMessage(fold, message, told)
      digest = hash('sha256', `${digest}\n${position}\n${canonicalText(folded.views)}`)
      turns += 1
      events += folded.events
      if (told) yield { position, views: folded.views }
      if (folded.failed) return yield { turns, events, digest, stopped: position }
      if (turns % every === 0) yield { position, turns, digest }
    }
    // Of a file the rest would be read too, for its digests; in the first reading it is: a file that was cut off is not compared.
    if (after !== undefined && until !== undefined && batch.at(-1)!.position >= until) break
  }
  digest = hash('sha256', `${digest}\n${canonicalText(viewsAtEnd(fold))}`)
  yield { turns, events, digest }
}

function foldMessage(fold: RealmFold, { position, subject, bytes }: StoredMessage, whole: boolean): { readonly views: readonly View[]; readonly events: number; readonly failed: boolean } {
  try {
    const turn = decodeTurn(bytes)
    const seen = { turn, subject, position }
    fold.fold(seen)
    return { views: viewsAfter(fold, seen, whole), events: turn.commits.reduce((sum, commit) => sum + commit.events.length, 0), failed: false }
  } catch (error) {
    return { views: [{ aggregate: unreadable, id: subject, view: { cannotBeRead: error instanceof Error ? error.name : String(error) } }], events: 0, failed: true }
  }
}
