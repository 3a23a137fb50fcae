/**
 * One log through two builds, and the first decision (commit) in which they part. Both say checkpoints of a chain of digests; between the last
 * one that they share and the first that they do not, both say every turn with its views.
 */
import { MalformedTurn, decodeTurn } from '../../streams/codec.ts'
import type { Turn } from '../../streams/envelope.ts'
import { type Build, type DigestsPlace, type DigestsRead, readDigests } from './builds.ts'
import { canonicalText } from './canonical-text.ts'
import { type Checkpoint, type DigestsEnd, type DigestsRequest, type TurnViews, unreadable } from './digests.ts'
import type { ReadMessages } from './group.ts'
import { type View, isLarge } from './views.ts'

export interface Difference {
  readonly position: number
  readonly subject: string
  /** Of the turn on its subject; null, as its time, where this build cannot read it. */
  readonly number: number | null
  readonly timeMs: number | null
  readonly aggregate: string
  readonly id: string
  /** Of the first event of the commit; null where the turn holds no commit of the aggregate. */
  readonly revision: number | null
  /** Types, in their order. */
  readonly events: readonly string[]
  /** Of the state, the first that differs; null where only one of the builds has the aggregate at all. */
  readonly key: string | null
  /** Absent where that build has none. */
  readonly here?: unknown
  readonly there?: unknown
  /** Further keys that differ. */
  readonly more: readonly string[]
}

export interface Compared {
  readonly turns: number
  readonly events: number
  readonly difference: Difference | null
  /** Position of a turn that neither build can read: what follows was not compared. */
  readonly stopped: number | null
}

export interface CompareOptions {
  readonly here: Build
  readonly there: Build
  readonly place: DigestsPlace
  /** The same log, for what stands at the position that was found. */
  readonly read: ReadMessages
  readonly until: number
  readonly signal?: AbortSignal
  readonly onProgress?: (step: 'comparing' | 'narrowing', turns: number, position: number) => void
}

/** Turns of which everything is said, where the builds are found to part: of a large group that is much. */
const every = 256
const version = 1

/** Throws `BuildSilent`, `CannotStart`, and what the source throws. Ends early, with what it has, when the signal comes. */
export async function compareBuilds(options: CompareOptions): Promise<Compared> {
  const { until, onProgress } = options
  const whole = await side(options, { version, every, until }, async (here, there) => {
    let agreed: Checkpoint = { position: 0, turns: 0, digest: '' }
    for (;;) {
      const [ours, theirs] = (await both(here.next(), there.next())) as [Checkpoint | DigestsEnd, Checkpoint | DigestsEnd]
      const same = canonicalText(ours) === canonicalText(theirs)
      if (same && 'position' in ours) {
        agreed = ours
        onProgress?.('comparing', ours.turns, ours.position)
      } else return { same, agreed, ours, theirs }
    }
  })
  const { same, agreed, ours } = whole
  if (same && !('position' in ours)) return { turns: ours.turns, events: ours.events, difference: null, stopped: ours.stopped ?? null }
  const last = Math.max(...[ours, whole.theirs].map((line) => ('position' in line ? line.position : (line.stopped ?? until))))
  for (let after = agreed.position, back = every; ; back *= 4) {
    onProgress?.('narrowing', agreed.turns, after)
    const parted = await firstParting(options, { version, every, until: last, after })
    // Of a large group only a part was compared at each turn before: it may have differed for longer than the chain shows.
    if (parted !== undefined && (parted.exact || after === 0)) {
      return { turns: ours.turns, events: 'events' in ours ? ours.events : 0, difference: await named(options.read, parted), stopped: null }
    }
    if (after === 0) throw new Error('two builds said different digests of the same views: one of them computes digests otherwise')
    after = Math.max(0, after - back)
  }
}

interface Parting {
  readonly left: TurnViews
  readonly right: TurnViews
  /** False where the aggregate may have differed before the first turn that was looked at. */
  readonly exact: boolean
}

/** Undefined where every turn that was looked at is the same. */
function firstParting(options: CompareOptions, request: DigestsRequest): Promise<Parting | undefined> {
  return side(options, request, async (here, there) => {
    const agreed = new Set<string>()
    for (;;) {
      const [left, right] = await both(nextTurn(here), nextTurn(there))
      if (left === undefined || right === undefined) return undefined
      if (canonicalText(left) === canonicalText(right)) {
        for (const { aggregate, id } of left.views) if (aggregate === 'group') agreed.add(id)
        continue
      }
      const { aggregate, id } = firstDifference(left.views, right.views)
      const views = [...left.views, ...right.views].filter((one) => one.aggregate === aggregate && one.id === id)
      const large = aggregate === 'group' && views.some(({ view }) => isLarge(numberOf(view['jobs']), lengthOf(view['retries'])))
      return { left, right, exact: !large || agreed.has(id) }
    }
  })
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0
}

/** Both processes are ended when it resolves or rejects. */
async function side<T>({ here, there, place, signal }: CompareOptions, request: DigestsRequest, use: (here: DigestsRead, there: DigestsRead) => Promise<T>): Promise<T> {
  const running: DigestsRead[] = []
  const end = () => running.forEach((one) => one.end())
  const begin = async (build: Build) => {
    const begun = await readDigests(build, place, request)
    running.push(begun)
    if (signal?.aborted) begun.end()
    return begun
  }
  signal?.addEventListener('abort', end)
  try {
    return await use(...(await both(begin(here), begin(there))))
  } finally {
    signal?.removeEventListener('abort', end)
    end()
  }
}

/** Where neither succeeds, this build says why: what is wrong with the log it says too. */
async function both<T>(here: Promise<T>, there: Promise<T>): Promise<[T, T]> {
  const settled = await Promise.allSettled([here, there])
  for (const one of settled) if (one.status === 'rejected') throw one.reason
  return settled.map((one) => (one as PromiseFulfilledResult<Awaited<T>>).value) as [T, T]
}

/** Checkpoints stand between turns. Undefined at the end. */
async function nextTurn(build: DigestsRead): Promise<TurnViews | undefined> {
  for (;;) {
    const line = await build.next()
    if ('views' in line) return line
    if (!('position' in line)) return undefined
  }
}

async function named(read: ReadMessages, { left, right }: Parting): Promise<Difference> {
  const position = Math.min(left.position, right.position)
  const found = firstDifference(left.views, right.views)
  for await (const batch of read({ subjects: [], from: position, until: position })) {
    const message = batch.find((one) => one.position === position)
    if (message === undefined) continue
    const turn = readable(message.bytes)
    const commit = turn?.commits.find(({ aggregate, id, command }) => (found.aggregate === 'command' ? command === found.id : aggregate === found.aggregate && id === found.id))
    const events = commit?.events.map(({ type }) => type) ?? []
    return { position, subject: message.subject, number: turn?.number ?? null, timeMs: turn?.timeMs ?? null, ...found, revision: commit?.revision ?? null, events }
  }
  throw new Error(`position ${position}, in which the builds differ, is not in the log any more`)
}

function readable(bytes: Uint8Array): Turn | undefined {
  try {
    return decodeTurn(bytes)
  } catch (error) {
    if (error instanceof MalformedTurn) return undefined
    throw error
  }
}

type Found = Pick<Difference, 'aggregate' | 'id' | 'key' | 'here' | 'there' | 'more'>

/** The first aggregate of which the two do not say the same, and the first key of it; the order is that of the turn's commits, of keys that of canonical JSON. */
function firstDifference(left: readonly View[], right: readonly View[]): Found {
  for (const { aggregate, id } of [...left, ...right]) {
    if (aggregate === unreadable && left.length + right.length > 2) continue
    const here = viewOf(left, aggregate, id)
    const there = viewOf(right, aggregate, id)
    const differ = (one: unknown, other: unknown) => canonicalText(one ?? null) !== canonicalText(other ?? null)
    if (!differ(here?.view, there?.view)) continue
    if (here?.aggregate !== there?.aggregate) return { aggregate, id, key: null, ...present(here?.view, there?.view), more: [] }
    const [ours, theirs] = [here!.view, there!.view]
    const [key, ...more] = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort().filter((one) => differ(ours[one], theirs[one]))
    return { aggregate, id, key: key!, ...present(ours[key!], theirs[key!]), more }
  }
  throw new Error('two builds said the same views in another order')
}

/** Of a build that cannot read the turn: that, in the place of whatever it is asked for. */
function viewOf(views: readonly View[], aggregate: string, id: string): View | undefined {
  return views.find((one) => one.aggregate === unreadable || (one.aggregate === aggregate && one.id === id))
}

function present(here: unknown, there: unknown): Pick<Difference, 'here' | 'there'> {
  return { ...(here === undefined ? {} : { here }), ...(there === undefined ? {} : { there }) }
}
