/**
 * A realm begins (protocol.md "A realm begins"): the first program to write `…event.realm.self` fixes what holds for all; the
 * others compare and follow.
 */
import { happened, nothing, refused } from '../../machines/decision.ts'
import {
  type RealmConstants,
  type RealmEvent,
  type RealmState,
  defaultConstants,
  emptyRealm,
  foldRealm,
  formatVersion,
} from '../../machines/realm/realm.ts'
import { newUlid } from '../../streams/codec.ts'
import type { Durability } from '../../streams/ports/coordinator.ts'
import { type Subjects, laneName, singletons } from '../../streams/subjects.ts'
import { writeAggregate } from './aggregate-writer.ts'
import type { CommitContext } from './commit-append.ts'

/** A few lanes a region (DESIGN §5 "Lanes"). */
export const lanesPerRegion = 4

/** This program may not write to the realm; `message` is one line. */
export class RealmRefused extends Error {
  override readonly name: string = 'RealmRefused'
  readonly retryable: boolean = false
}

/** Whether its servers sync every write is not known now, since one of them is away; it may be when that one is back (I8). */
export class DurabilityUnanswered extends RealmRefused {
  override readonly name = 'DurabilityUnanswered'
  override readonly retryable = true
}

export interface Founding {
  readonly actor: string
  readonly region: string
  /** Only taken by the program that founds the realm; default `defaultConstants`. */
  readonly constants?: RealmConstants
  readonly durability: Durability
  /** `--accept-weak-durability` (I8). */
  readonly acceptWeakDurability: boolean
  /** `--newest-format`: the program goes no further than this one. Default and most: `formatVersion`. */
  readonly newestFormat?: number
  /** Random id of the realm that this program belongs to, where it has been in one (P20). */
  readonly expectedRealm?: string
}

/**
 * Founds the realm where there is none, adds this region's lanes where they are missing, and says what holds. Idempotent.
 * Throws `RealmRefused`, `DurabilityUnanswered`, `WrongIncarnation`, `Unavailable`.
 */
export async function joinRealm(context: CommitContext, subjects: Subjects, founding: Founding): Promise<RealmState> {
  const { durability } = founding
  if (durability.level !== 'synced' && !founding.acceptWeakDurability) {
    const said = `durability of the NATS server is ${durability.level}: ${durability.why}`
    const orAccept = 'or go on with --accept-weak-durability'
    if (durability.level === 'unknown' && durability.unanswered === true) throw new DurabilityUnanswered(`${said}; start that server, or name the page that it has (--monitoring-url), ${orAccept}`)
    const todo = durability.level === 'weak' ? 'set "sync_interval: always" there' : 'name its monitoring page with --monitoring-url (of a cluster that of each server, separated by commas)'
    throw new RealmRefused(`${said}; ${todo}, ${orAccept}`)
  }
  const self = singletons.realm
  const write = (decide: (state: RealmState) => ReturnType<typeof decideFounding>) =>
    writeAggregate<RealmState, RealmEvent>(context, {
      subject: subjects.aggregate('realm', self),
      aggregate: 'realm',
      id: self,
      empty: emptyRealm(),
      fold: foldRealm,
      decide,
      actor: founding.actor,
    })
  const written = await write((state) => decideFounding(state, founding, () => newUlid(context.clock.nowMs(), context.random)))
  if (written.kind === 'refused') throw new RealmRefused(written.refusal.text)
  if (written.kind === 'stopped') throw new RealmRefused('stopped before the realm was joined')
  return written.state
}

/** Why a program that goes no further than `newestFormat` has to end, in one line. */
export function newerThan(state: Pick<RealmState, 'format'>, newestFormat: number): string | undefined {
  if (state.format <= newestFormat) return undefined
  const what = newestFormat < formatVersion ? `--newest-format ${newestFormat} was given: leave it out` : `this build knows ${newestFormat}: use a newer build`
  return `the realm has format ${state.format}, ${what}`
}

function decideFounding(state: RealmState, founding: Founding, newRealmId: () => string) {
  if (state.unknownType !== null) {
    return refused<RealmEvent>('wrong-state', `the realm holds an event ${state.unknownType}, which this build does not know: use a newer build`)
  }
  const { newestFormat = formatVersion } = founding
  const newer = state.founded ? newerThan(state, newestFormat) : undefined
  if (newer !== undefined) return refused<RealmEvent>('wrong-state', newer)
  if (state.founded && founding.expectedRealm !== undefined && founding.expectedRealm !== state.realm) {
    return refused<RealmEvent>(
      'wrong-state',
      `this data folder belongs to realm ${founding.expectedRealm}, the server holds realm ${state.realm}: use the right folder or the right server`,
    )
  }
  const events: RealmEvent[] = []
  if (!state.founded) {
    events.push({
      type: 'RealmFounded',
      data: { format: newestFormat, realm: newRealmId(), constants: founding.constants ?? defaultConstants, digest: 'sha256' },
    })
  }
  if (!state.lanes.some((lane) => lane.region === founding.region)) {
    const lanes = Array.from({ length: lanesPerRegion }, (_, index) => laneName(founding.region, index + 1))
    events.push({ type: 'LanesDefined', data: { region: founding.region, lanes } })
  }
  if (founding.durability.level !== 'synced' && !state.weakDurability) {
    events.push({ type: 'WeakDurabilityAccepted', data: { level: founding.durability.level, why: founding.durability.why } })
  }
  return events.length === 0 ? nothing<RealmEvent>('joined') : happened<RealmEvent>(...events)
}
