/** A lane that is taken: 1,000,000 events folded from the beginning, and from a snapshot; until the own `LaneTaken` is acknowledged. */
import { defaultConstants } from '../../machines/realm/realm.ts'
import { type FoldedLane, foldOn, unfoldedLane } from '../../src/lane/fold.ts'
import { type SnapshotContext, cutSnapshot, foldFromSnapshot } from '../../src/lane/snapshot.ts'
import { takeFolded } from '../../src/lane/taking.ts'
import { systemClock as clock } from '../../src/platform/clock.ts'
import { systemRandom as random } from '../../src/platform/random.ts'
import { canonicalJson, digestOf } from '../../streams/codec.ts'
import { fillLane } from './replay.ts'
import { type Row, compared, figure } from './row.ts'
import type { BenchWorld } from './world.ts'

const lane = 'live-1'
const rounds = 5

/** `groups` that have ended, of so many jobs each, and `open` more that wait with all of their jobs. */
export async function laneLiveRows(world: BenchWorld, options: { readonly groups: number; readonly jobsPerGroup: number; readonly open: number }): Promise<Row[]> {
  const { coordinator, subjects } = world
  const { log } = coordinator
  const ended = await fillLane(world, lane, options.groups, options.jobsPerGroup)
  const { events } = await fillLane(world, lane, options.open, options.jobsPerGroup, ended, false)
  const wrong = (fields: object, message: string) => {
    throw new Error(`${message}: ${JSON.stringify(fields)}`)
  }
  const context: SnapshotContext = { coordinator, subjects, clock, constants: defaultConstants, logger: { info() {}, debug() {}, warn: wrong } }
  const never = new AbortController().signal
  const taking = { log, clock, random, subject: subjects.lane(lane), agent: 'bench', instance: '01ARZ3NDEKTSV4RRFFQ69G5FAV', epoch: 1, signal: never }

  const cutMs = performance.now()
  const cut = await cutSnapshot(context, lane, 'bench', never)
  const cutTookMs = performance.now() - cutMs
  if (cut.kind !== 'cut') throw new Error(`no snapshot: ${cut.kind}`)

  const live = async (from: () => Promise<FoldedLane | undefined>) => {
    const beganMs = performance.now()
    const folded = (await from()) ?? unfoldedLane(lane, defaultConstants)
    await foldOn(log, clock, taking.subject, folded, never)
    const state = digestOf(new TextEncoder().encode(canonicalJson([...folded.state.groups.values()].map(({ group, revision, phase }) => ({ group, revision, phase })))))
    const foldedMs = performance.now() - beganMs
    const taken = await takeFolded(taking, folded)
    if (taken !== 'taken') throw new Error(`not taken: ${taken}`)
    return { tookMs: performance.now() - beganMs, foldedMs, state }
  }
  const with_: number[] = []
  const without: number[] = []
  for (let round = 0; round < rounds; round++) {
    const whole = await live(async () => undefined)
    const short = await live(() => foldFromSnapshot(context, lane, never))
    if (whole.state !== short.state) throw new Error('the snapshot leads to another state')
    without.push(whole.tookMs)
    with_.push(short.tookMs)
  }
  const middle = (values: readonly number[]) => [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)]!
  const all = ended.events + events
  return [
    compared('lane-live', `a lane of ${all} events is live again from its snapshot, to the same without one`, 'ms', middle(with_), middle(without)),
    figure('lane-snapshot', `the snapshot of that lane is cut, from the beginning (${Math.round(cut.bytes / 1024)} KiB)`, 'ms', cutTookMs),
  ]
}
