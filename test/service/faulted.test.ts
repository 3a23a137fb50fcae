/** A grant that breaks the order, in the log against all rules: its group is faulted in whoever folds it, and its lane goes on (I1, I2). */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { schemaVersion } from '../../streams/envelope.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { replayGroup } from '../../src/replay/group.ts'
import { eventually } from '../support/eventually.ts'
import { type TestRealm, startServedRealm, subjects, togetherIn } from './realm.ts'

let realm: TestRealm
beforeEach(async () => void (realm = await startServedRealm()))
afterEach(() => realm.stop())

test.each(['strict', 'graph'] as const)('of order %s: in the service, in the next holder and in a replay; only a cancel leads on', async (order) => {
  const change = { selector: { sites: ['alpha'] }, operation: { name: 'maintenance-on' as const }, order, ...(order === 'graph' ? { predicates: [{ service: 'alpha/a3', after: ['alpha/a1'] }] } : {}) }
  const groups: string[] = []
  for (let index = 0; index <= realm.lanes.length; index++) groups.push((await realm.api.call('change', 'apply', change)).group!)
  const [group, other] = togetherIn(groups)
  const lane = laneOfGroup(group)!
  await realm.host!.release()

  const rogue = await realm.opened('rogue')
  const last = (await rogue.log.last(subjects.lane(lane)))!
  const before = JSON.parse(new TextDecoder().decode(last.bytes)) as { number: number; timeMs: number }
  const { state } = await realm.api.call('group', 'show', { group })
  const breaking: GroupEvent = { type: 'LockGranted', data: { jobs: [[3, 3]], agent: 'rogue', instance: 'rogue-1', callDeadlineMs: 1_000 } }
  const turn = newUlid(systemClock.nowMs(), systemRandom)
  const bytes = encodeTurn({
    turn, schema: schemaVersion, incarnation: 1, number: before.number + 1, timeMs: before.timeMs, previous: digestOf(last.bytes),
    commits: [{ aggregate: 'group', id: group, revision: state.revision + 1, actor: 'agent:rogue', events: [breaking] }],
  })
  expect(await rogue.log.append({ subject: subjects.lane(lane), bytes, expectedLast: last.position })).toMatchObject({ kind: 'landed' })

  const fault = { type: 'broken-order', revision: state.revision + 1, event: 'LockGranted' }
  await eventually(async () => (await realm.api.call('group', 'show', { group })).state.phase === 'faulted')
  const shown = await realm.api.call('group', 'show', { group })
  expect(shown.state).toMatchObject({ phase: 'faulted', fault, lock: null })
  const until = await rogue.log.end()
  const replayed = await replayGroup(({ subjects: only, from, until: to }) => rogue.log.read({ subjects: [...only], from, until: to ?? until }), subjects, group, { kind: 'position', position: until }, until)
  expect(replayed.state).toEqual(shown.state)
  const host = await realm.holdLanes('second', await realm.opened('second'))
  expect(exclusiveStateOf(host.stateOf(lane)!.groups.get(group)!)).toEqual(shown.state)

  // Nobody is granted anything of it, and the other group of the lane goes on.
  expect(await realm.work(other)).toMatchObject({ phase: 'completed' })
  const asked = await laneClient({ bus: realm.person.bus, subjects }).work(lane, {
    builtOn: { incarnation: 1, number: 0 }, agent: 'worker', instance: 'worker-1', capacity: 9, held: [], outcomes: [], stopped: [], asks: { group, job: 1 },
  })
  expect(asked).toMatchObject({ kind: 'taken', grants: [], refused: { code: 'wrong-state' } })
  for (const verb of ['retry', 'pause', 'resume'] as const) expect(await realm.api.answer('group', verb, { group })).toMatchObject({ ok: false, error: { code: 'wrong-state' } })
  expect(await realm.api.call('group', 'cancel', { group })).toMatchObject({ known: false })
  expect((await realm.api.call('group', 'show', { group })).state).toMatchObject({ phase: 'cancelled', fault })
})
