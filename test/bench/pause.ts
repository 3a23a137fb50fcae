/**
 * How long a pause takes while its lane completes jobs as fast as it can, from the request to the acknowledged `GroupPaused`; and that the
 * log holds no `LockGranted` behind it. The group is resumed and paused again and again, so that the pauses fall anywhere in its turns.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { pause } from '../../streams/ports/clock.ts'
import { eventually } from '../support/eventually.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, compared, figure, percentile } from './row.ts'
import type { BenchWorld } from './world.ts'
import { rawAppends } from './raw.ts'

const worker = 'w1'
const jobs = 20_000
const pauses = 40
/** Between the pauses, so that the group is at its pace again. */
const runMs = 100

export async function pauseRows(world: BenchWorld): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const { coordinator, subjects } = world
  try {
    await realm.start('leader', 'generic')
    await realm.addSite()
    await realm.start(worker, 'skilled', [worker])
    const lanes = await realm.lanesHeldBy([worker])
    const lane = [...lanes.keys()][0]!
    const opened = await realm.open(lane, Array.from({ length: jobs }, () => rehearsal(worker)))
    const { group } = opened
    const client = laneClient({ bus: coordinator.bus, subjects })
    const tell = async (kind: 'pause' | 'resume') => {
      const answer = await client.send(lane, { builtOn: { incarnation: coordinator.log.incarnation, number: 0 }, group, actor: 'program:bench', body: { kind } })
      if (answer.kind !== 'done' || answer.known === true) throw new Error(`${kind} was not carried out: ${JSON.stringify(answer)}`)
      return answer.position
    }
    const from = await coordinator.log.end()
    await opened.seal()
    await eventually(async () => (await read(world, lane, from + 1, group)).granted > 100, { what: 'the group at work', withinMs: 30_000, everyMs: 50 })
    const took: number[] = []
    for (let index = 0; index < pauses; index++) {
      await pause(systemClock, runMs)
      const beginMs = systemClock.monotonicMs()
      await tell('pause')
      took.push(systemClock.monotonicMs() - beginMs)
      await pause(systemClock, 5)
      await tell('resume')
    }
    const { grantedWhilePaused, succeeded, paused, tookMs } = await read(world, lane, from + 1, group)
    if (grantedWhilePaused > 0) throw new Error(`${grantedWhilePaused} locks were granted while the group was paused`)
    if (paused !== pauses) throw new Error(`${paused} pauses in the log, ${pauses} were asked for`)
    if (succeeded >= jobs) throw new Error(`all ${jobs} jobs ended before the last pause`)
    const rawMs = 1_000 / (await rawAppends(world.server.url, 1, 400, 1_000))
    const what = 'from asking for a pause until GroupPaused is acknowledged, while the group completes jobs, to one raw append'
    const pace = `${Math.round((succeeded * 1_000) / tookMs)} jobs/s with the pauses between them; ${pauses} pauses, no LockGranted between a pause and its resume`
    return [
      compared('pause', `${what} (p50)`, 'ms', percentile(took, 0.5), rawMs, pace),
      compared('pause-p99', `${what} (p99)`, 'ms', percentile(took, 0.99), rawMs),
      figure('pause-most', 'the same, the longest', 'ms', Math.max(...took)),
    ]
  } finally {
    await realm.stop()
  }
}

async function read(world: BenchWorld, lane: string, from: number, group: string) {
  const { coordinator, subjects } = world
  const seen = { granted: 0, grantedWhilePaused: 0, succeeded: 0, paused: 0, tookMs: 0 }
  const until = await coordinator.log.end()
  if (until < from) return seen
  let isPaused = false
  let firstMs: number | undefined
  const take = (message: StoredMessage) => {
    firstMs ??= message.storedMs
    seen.tookMs = message.storedMs - firstMs
    for (const { aggregate, id, events } of decodeTurn(message.bytes).commits) {
      if (aggregate !== 'group' || id !== group) continue
      for (const { type } of events as readonly GroupEvent[]) {
        if (type === 'GroupPaused') {
          isPaused = true
          seen.paused += 1
        } else if (type === 'GroupResumed') isPaused = false
        else if (type === 'JobSucceeded') seen.succeeded += 1
        else if (type === 'LockGranted') {
          seen.granted += 1
          if (isPaused) seen.grantedWhilePaused += 1
        }
      }
    }
  }
  for await (const batch of coordinator.log.read({ subjects: [subjects.lane(lane)], from, until })) batch.forEach(take)
  return seen
}
