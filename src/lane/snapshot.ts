/**
 * Snapshots of lanes (DESIGN §5): cut between turns by who follows the lane, never by its holder (P8), and read by who takes it.
 *
 * 1. A snapshot is never the reason for anything but time: one that is not exactly what its pointer says, of this incarnation and
 *    of this build's schema, is dropped, and the lane is folded from its beginning (`beginning.ts`, where older turns were archived).
 * 2. The pointer is written on the revision that was read, and never goes back within an incarnation.
 * 3. What the pointer named before is removed after it was written.
 */
import { plainLane, restoredLane, laneSchema } from '../../machines/lane/snapshot.ts'
import { stopsWriter } from '../../machines/lane/state.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import { digestOf } from '../../streams/codec.ts'
import { toBytes } from '../../streams/coordination.ts'
import { type SnapshotPointer, pointerIn, snapshotKey, snapshotLines } from '../../streams/lane-snapshot.ts'
import type { BucketEntry } from '../../streams/ports/bucket.ts'
import { type Clock, pause } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { type EventLog, Unavailable } from '../../streams/ports/event-log.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Logger } from '../agent/context.ts'
import { beginningOf } from './beginning.ts'
import { type FoldedLane, feedAgainTurns, foldMessage, foldOn, unfoldedLane } from './fold.ts'
import { type Pace, briskPace, easyPace } from './slices.ts'
import { readSnapshot, writtenLines } from './snapshot-lines.ts'

export interface SnapshotContext {
  readonly coordinator: Pick<Coordinator, 'log' | 'texts' | 'mappings' | 'snapshots'>
  readonly subjects: Subjects
  readonly clock: Clock
  readonly constants: RealmConstants
  readonly logger: Pick<Logger, 'info' | 'warn' | 'debug'>
}

/** Its pointer names another one by now: the cutter was at work, and has removed what it named before. */
const replaced = 'replaced'
/** A lane is cut every some seconds, and read in less. */
const mostReadings = 3
/** Neither the store nor the log answers: where servers are choosing their leader, both do when they have one. */
const unanswered = 'unanswered'
const askAgainMs = 100
/** Asked so often, it is said that neither answers. */
const saidAfter = 50

/** The lane as its last snapshot has it; undefined where there is none to go by, or `signal` has aborted. Throws `Unavailable` for the log only. */
export async function foldFromSnapshot(context: SnapshotContext, lane: string, signal: AbortSignal, pace: Pace = briskPace): Promise<FoldedLane | undefined> {
  let unansweredFor = 0
  for (let reading = 1; reading <= mostReadings && !signal.aborted; ) {
    const folded = await foldFromPointer(context, lane, signal, pace)
    if (folded === unanswered) {
      unansweredFor += 1
      if (unansweredFor === saidAfter) context.logger.warn({ lane }, 'neither the snapshot of a lane nor the log can be read: waiting until the server answers')
      await pause(context.clock, askAgainMs, signal)
    } else if (folded === replaced) reading += 1
    else return folded
  }
  return undefined
}

async function foldFromPointer(context: SnapshotContext, lane: string, signal: AbortSignal, pace: Pace): Promise<FoldedLane | typeof replaced | typeof unanswered | undefined> {
  const { coordinator, logger } = context
  let entry: BucketEntry | undefined
  let bytes: Uint8Array | undefined
  let pointer: SnapshotPointer | undefined
  try {
    entry = await coordinator.mappings.get(snapshotKey(lane))
    if (entry === undefined) return undefined
    pointer = pointerIn(entry.value)
    // A later one means that this very program is out of date (P12): it is not for it to judge.
    if (pointer !== undefined && pointer.incarnation > coordinator.log.incarnation) return undefined
    const wrong = pointer === undefined ? 'its pointer cannot be read' : pointer.incarnation < coordinator.log.incarnation ? 'it is of a former incarnation' : undefined
    if (wrong !== undefined) return await drop(context, lane, entry, pointer, wrong)
    // Of another build, which may well go by it.
    if (pointer!.schema !== laneSchema) return undefined
    bytes = await coordinator.snapshots.get(pointer!.object)
    if (bytes === undefined || digestOf(bytes) !== pointer!.digest) return await drop(context, lane, entry, pointer, bytes === undefined ? 'it is not there' : 'it does not have its digest')
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    // From its beginning it could not be folded now either.
    if (!(await answers(coordinator.log))) return unanswered
    logger.warn({ err: error, lane }, 'the snapshot of a lane cannot be read; it is folded from its beginning')
    return undefined
  }
  const known = pointer!
  const read = await readSnapshot(bytes, context.clock, signal, pace)
  if (signal.aborted) return undefined
  if (typeof read === 'string') return drop(context, lane, entry, pointer, read)
  const { head, plain } = read
  if (head.lane !== lane || head.schema !== known.schema || head.incarnation !== known.incarnation || head.position !== known.position || head.number !== known.number || head.turn !== known.turn) {
    return drop(context, lane, entry, pointer, 'it is not what its pointer says')
  }
  const folded: FoldedLane = { state: restoredLane(plain, context.constants), tail: { position: known.position, digest: known.turn }, recent: [] }
  const why = await recall(context, folded, head.again)
  return why === undefined ? folded : drop(context, lane, entry, pointer, why)
}

/** One that is missing says so to whoever reads it. */
async function answers(log: EventLog): Promise<boolean> {
  try {
    await log.end()
    return true
  } catch (error) {
    return !(error instanceof Unavailable)
  }
}

/** The turns that a new holder says again (P9), the last of which has to be the one that the snapshot ends with. */
async function recall({ coordinator, subjects, constants }: SnapshotContext, folded: FoldedLane, from: number): Promise<string | undefined> {
  const { position, digest } = folded.tail
  const lane = folded.state.lane
  // A bounded read of what lies behind the end would wait for it.
  const message = await coordinator.log.at(position)
  if (message?.subject !== subjects.lane(lane)) return 'its position is not in the log of the lane'
  if (digestOf(message.bytes) !== digest) return 'another turn stands at its position'
  const again = unfoldedLane(lane, constants)
  for await (const batch of coordinator.log.read({ subjects: [subjects.lane(lane)], from: Math.min(from, position), until: position })) {
    // Only for what it remembers of the turns; the state of this fold, from the middle of a lane, is none.
    for (const message of batch) foldMessage(again, message)
  }
  folded.recent.push(...again.recent.slice(-feedAgainTurns))
  return undefined
}

async function drop({ coordinator, logger }: SnapshotContext, lane: string, entry: BucketEntry, pointer: SnapshotPointer | undefined, why: string): Promise<typeof replaced | undefined> {
  try {
    const removed = await coordinator.mappings.remove(entry.key, entry.revision)
    if (removed.kind === 'conflict') return replaced
    if (removed.kind === 'written' && pointer !== undefined) await coordinator.snapshots.remove(pointer.object)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
  }
  logger.warn({ lane, why }, 'the snapshot of a lane is wrong and was dropped; the lane is folded from its beginning')
  return undefined
}

export type Cut =
  | { readonly kind: 'cut'; readonly number: number; readonly bytes: number }
  /** There is one already that goes as far, or another was faster. */
  | { readonly kind: 'nothing'; readonly number: number }
  /** Nobody may write the lane, so nobody is to start from a fold of it. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'stopped' }

/** Folds the lane to its end, from its last snapshot, and puts a new one in the place of that. `cutter` is the agent that does it. Throws `Unavailable`. */
export async function cutSnapshot(context: SnapshotContext, lane: string, cutter: string, signal: AbortSignal): Promise<Cut> {
  const { coordinator, subjects, clock, constants } = context
  const { log, mappings, snapshots } = coordinator
  const folded = (await foldFromSnapshot(context, lane, signal, easyPace)) ?? unfoldedLane(lane, constants)
  const from = folded.tail.position
  await foldOn(log, clock, subjects.lane(lane), folded, signal, beginningOf(context, lane), easyPace)
  if (signal.aborted) return { kind: 'stopped' }
  const { state, tail, recent } = folded
  const why = stopsWriter(state)
  if (why !== undefined) return { kind: 'refused', why }
  if (tail.position === from) return { kind: 'nothing', number: state.number }
  const again = recent.slice(-feedAgainTurns)[0]?.position ?? tail.position
  const { bytes, digest } = await writtenLines(snapshotLines(plainLane(state), { incarnation: log.incarnation, position: tail.position, turn: tail.digest, again }), clock, signal, easyPace)
  if (signal.aborted) return { kind: 'stopped' }

  const before = await mappings.get(snapshotKey(lane))
  const former = before === undefined ? undefined : pointerIn(before.value)
  // Two names an agent and lane, taken in turns: what the pointer names is never overwritten by its own cutter.
  const object = former?.object === `${lane}.${cutter}.0` ? `${lane}.${cutter}.1` : `${lane}.${cutter}.0`
  const pointer: SnapshotPointer = { incarnation: log.incarnation, position: tail.position, number: state.number, turn: tail.digest, schema: laneSchema, object, digest }
  if (former !== undefined && !goesFurther(pointer, former)) return { kind: 'nothing', number: former.number }
  await snapshots.put(object, bytes)
  const key = snapshotKey(lane)
  const written = before === undefined ? await mappings.create(key, toBytes(pointer)) : await mappings.update(key, toBytes(pointer), before.revision)
  if (written.kind !== 'written') {
    // Written or not: what the pointer names is what counts.
    const now = await mappings.get(key)
    const named = now === undefined ? undefined : pointerIn(now.value)
    if (named?.object !== object || named.digest !== digest) {
      if (named?.object !== object) await snapshots.remove(object)
      return { kind: 'nothing', number: named?.number ?? 0 }
    }
  }
  if (former !== undefined && former.object !== object) await snapshots.remove(former.object)
  return { kind: 'cut', number: state.number, bytes: bytes.length }
}

function goesFurther(pointer: SnapshotPointer, former: SnapshotPointer): boolean {
  if (pointer.incarnation !== former.incarnation) return pointer.incarnation > former.incarnation
  return pointer.position > former.position
}
