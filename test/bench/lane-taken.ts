/** One lane from nothing in memory until its holder takes commands, in this process; and what it holds, as one digest. */
import { plainLane } from '../../machines/lane/snapshot.ts'
import { type RealmState, defaultConstants, emptyRealm, foldRealm, formatVersion } from '../../machines/realm/realm.ts'
import { type FoldedLane, foldOn, unfoldedLane } from '../../src/lane/fold.ts'
import { LaneHolder } from '../../src/lane/holder.ts'
import { type SnapshotContext, foldFromSnapshot } from '../../src/lane/snapshot.ts'
import { takeFolded } from '../../src/lane/taking.ts'
import { systemClock as clock } from '../../src/platform/clock.ts'
import { systemRandom as random } from '../../src/platform/random.ts'
import { canonicalJson, digestOf, newUlid } from '../../streams/codec.ts'
import type { LaneCommandAnswer } from '../../streams/lane-protocol.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { quiet } from './grant.ts'
import type { BenchWorld } from './world.ts'

const agent = 'bench'
const instance = '01ARZ3NDEKTSV4RRFFQ69G5FAV'

export type From = 'snapshot' | 'beginning'

export interface LaneTaken {
  /** From nothing in memory until a command was acknowledged; milliseconds. */
  readonly tookMs: number
  /** Of those, until the lane was folded. */
  readonly foldedMs: number
}

export function snapshotContext({ coordinator, subjects }: { readonly coordinator: Coordinator; readonly subjects: BenchWorld['subjects'] }): SnapshotContext {
  const wrong = (fields: object, message: string) => {
    throw new Error(`${message}: ${JSON.stringify(fields)}`)
  }
  return { coordinator, subjects, clock, constants: defaultConstants, logger: { info() {}, debug() {}, warn: wrong } }
}

async function folded(context: SnapshotContext, lane: string, from: From): Promise<FoldedLane> {
  const never = new AbortController().signal
  const begun = from === 'snapshot' ? await foldFromSnapshot(context, lane, never) : unfoldedLane(lane, defaultConstants)
  if (begun === undefined) throw new Error(`lane ${lane} has no snapshot to go by`)
  await foldOn(context.coordinator.log, clock, context.subjects.lane(lane), begun, never)
  return begun
}

/** Of everything that the lane's state holds. */
export async function stateOf(context: SnapshotContext, lane: string, from: From): Promise<string> {
  const { state } = await folded(context, lane, from)
  const { head, groups, commands } = plainLane(state)
  const parts = [canonicalJson(head), ...[...groups].map(canonicalJson), canonicalJson([...commands])]
  return digestOf(new TextEncoder().encode(parts.join('\n')))
}

/** Folds it, takes it, and has its holder carry out a command for `group`: it is paused, or goes on where it is. */
export async function takeLane(context: SnapshotContext, lane: string, from: From, group: string, kind: 'pause' | 'resume'): Promise<LaneTaken> {
  const { log } = context.coordinator
  const subject = context.subjects.lane(lane)
  const beganMs = performance.now()
  const { state, tail, ...rest } = await folded(context, lane, from)
  const foldedMs = performance.now() - beganMs
  const taken = await takeFolded({ log, clock, random, subject, agent, instance, epoch: 1, signal: new AbortController().signal }, { state, tail, ...rest })
  if (taken !== 'taken') throw new Error(`not taken: ${taken}`)
  const holder = new LaneHolder({
    lane: state, tail, agent, instance, log, subject, clock, random,
    constants: defaultConstants,
    realm: { state: foundedRealm(), onChange: () => () => {} },
    openDeadlineMs: 60_000,
    logger: quiet,
    onTurn: () => {},
    sendGrants: () => {},
    sendAssigned: () => {},
    onEnded: () => {},
  })
  const command = { builtOn: { incarnation: log.incarnation, number: 0 }, group, actor: 'program:bench', body: { kind } } as const
  const answer = await new Promise<LaneCommandAnswer>((resolve) => holder.command({ command, sizeBytes: 0, answer: resolve }))
  const tookMs = performance.now() - beganMs
  holder.abandon()
  if (answer.kind !== 'done' || answer.known === true) throw new Error(`${kind} was not carried out: ${JSON.stringify(answer)}`)
  return { tookMs, foldedMs }
}

function foundedRealm(): RealmState {
  const realm = emptyRealm()
  foldRealm(realm, { type: 'RealmFounded', data: { format: formatVersion, realm: newUlid(clock.nowMs(), random), constants: defaultConstants, digest: 'sha256' } })
  return realm
}
