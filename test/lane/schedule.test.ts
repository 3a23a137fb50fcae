/** Who is offered which group, in which order (src/lane/schedule.ts). */
import { expect, test } from 'vitest'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { absentGroup } from '../../machines/execution-group/state.ts'
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import { Schedule } from '../../src/lane/schedule.ts'
import { added, assigned, completed, granted, opened, paused, prioritized, readyWith, resumed, returned, sealed, spec, succeeded, type Opening } from '../support/group-events.ts'

const schedule = new Schedule()
function group(id: string, ...events: GroupEvent[]) {
  const state = absentGroup(id)
  const then = (...more: GroupEvent[]) => {
    for (const event of more) foldInto(state, event)
    expect(state.fault).toBeNull()
    schedule.update(state)
  }
  then(...events)
  return { state, then }
}
const ready = (opening: Opening = {}) => readyWith(opening, [spec, spec])
const waiting = (agent = 'a1') => [...schedule.runnableFor(agent)]

test('the highest priority first, among equals the longest waiting; a change of priority moves a group', () => {
  const plain = group('plain', ...ready())
  const urgent = group('urgent', ...ready({ priority: 5 }))
  const later = group('later', ...ready({ priority: -5 }))
  const second = group('second', ...ready())
  expect(waiting()).toEqual(['urgent', 'plain', 'second', 'later'])
  later.then(prioritized(9))
  plain.then(prioritized(5))
  expect(waiting()).toEqual(['later', 'urgent', 'plain', 'second'])
  urgent.then(granted([[1, 1]]))
  expect(waiting()).toEqual(['later', 'plain', 'second'])
  urgent.then(prioritized(-1))
  urgent.then(succeeded(1, 5))
  expect(waiting()).toEqual(['later', 'plain', 'second', 'urgent'])
  later.then(paused)
  second.then(paused, prioritized(100))
  expect(waiting()).toEqual(['plain', 'urgent'])
  second.then(resumed)
  expect(waiting()).toEqual(['second', 'plain', 'urgent'])
})

test('a group of order graph waits for everybody who could go on, until one has the lock', () => {
  const after = (first: number, last: number): JobSpec => ({ ...spec, after: [[first, last]] })
  const events = [opened({ jobs: 4, order: 'graph' }), added(1, spec, spec, after(1, 1), after(2, 3)), sealed]
  const graph = group('graph', ...events, assigned({ first: 1, last: 1, agent: 'b1' }, { first: 2, last: 2, agent: 'b2' }, { first: 3, last: 4, agent: 'b3' }))
  const of = () => ['b1', 'b2', 'b3'].filter((agent) => waiting(agent).includes('graph'))
  expect(of()).toEqual(['b1', 'b2'])
  graph.then(granted([[2, 2]], 'b2'))
  expect(of()).toEqual([])
  graph.then(succeeded(2, 5))
  expect(of()).toEqual(['b1'])
  graph.then(granted([[1, 1]], 'b1'), succeeded(1, 7))
  expect(of()).toEqual(['b3'])
  // A queue that is handed on.
  graph.then(assigned({ first: 3, last: 3, agent: 'b1' }))
  expect(of()).toEqual(['b1'])
})

test('a list may be walked while groups are taken out of it, of every priority', () => {
  for (const priority of [0, 7]) {
    const ids = Array.from({ length: 300 }, (_, index) => `walked-${priority}-${index}`)
    const groups = new Map(ids.map((id) => [id, group(id, ...readyWith({ priority }, [spec]), assigned({ first: 1, last: 1, agent: 'c1' }))]))
    const walked: string[] = []
    for (const id of schedule.runnableFor('c1')) {
      walked.push(id)
      groups.get(id)!.then(granted([[1, 1]], 'c1'))
    }
    expect(walked).toEqual(ids)
    expect(waiting('c1')).toEqual([])
    expect([...schedule.grantsOf('c1-i')]).toEqual(ids)
    for (const { state, then } of groups.values()) then(succeeded(1, state.grant!.revision), completed)
    expect([...schedule.grantsOf('c1-i')]).toEqual([])
    expect(schedule.queued('c1')).toBe(0)
  }
})

test('an open grant takes room until it is settled, given back, or nobody can give it back any more', () => {
  const executor = schedule.heard('d1', 'd1-i', 3, 0)
  const [settled, givenBack, faulted] = ['settled', 'given-back', 'faulted'].map((id) => group(id, ...ready(), assigned({ first: 1, last: 2, agent: 'd1' }), granted([[1, 1]], 'd1')))
  expect([schedule.room(executor), schedule.granted, schedule.queued('d1')]).toEqual([0, true, 3])
  settled!.then(succeeded(1, settled!.state.revision))
  givenBack!.then(returned(givenBack!.state.revision))
  expect([schedule.room(executor), waiting('d1')]).toEqual([2, ['settled', 'given-back']])
  foldInto(faulted!.state, sealed)
  schedule.update(faulted!.state)
  expect([schedule.room(executor), schedule.granted, waiting('d1')]).toEqual([3, false, ['settled', 'given-back']])
})
