import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compacted, expanded } from '../../../machines/execution-group/ended.ts'
import type { GroupEvent } from '../../../machines/execution-group/events.ts'
import { foldCommitInto, foldInto } from '../../../machines/execution-group/evolve.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import { groupTable } from '../../../machines/execution-group/machine.ts'
import { type GroupState, absentGroup } from '../../../machines/execution-group/state.ts'
import { emptyLane, foldCommit } from '../../../machines/lane/state.ts'
import { canonicalJson } from '../../../streams/codec.ts'
import {
  abandoned, added, assigned, blocked, cancelRequested, cancelled, compensated, compensationBegun, completed, failed, granted, groupCancelled, groupName, opened, prioritized, resolved, retried,
  returned, sealed, spec, succeeded, unblocked, unknown,
} from '../../support/group-events.ts'

const three = [added(1, spec, spec, spec), sealed, assigned({ first: 1, last: 3, agent: 'a1' })]
const undoing = { ...spec, compensate: { name: 'stop' } as const }
const histories: Readonly<Record<string, readonly GroupEvent[]>> = {
  completed: [opened(), ...three, granted([[1, 3]]), succeeded(1, 5), succeeded(2, 5), succeeded(3, 5), completed],
  'completed in parts, with a priority': [opened({ jobs: 2, parts: 2, priority: 7 }), added(1, spec), added(2, spec), sealed, assigned({ first: 1, last: 2, agent: 'a1' }), prioritized(9), granted([[1, 2]]), succeeded(1, 7), succeeded(2, 7), completed],
  'completed after a retry': [opened(), ...three, granted([[1, 1]]), failed(1, 5), blocked(1), retried(4, 1), unblocked, granted([[4, 4], [2, 3]]), succeeded(4, 10), succeeded(2, 10), succeeded(3, 10), completed],
  'completed in spite of a failure': [opened({ onFailure: 'continue' }), ...three, granted([[1, 1]]), failed(1, 5), granted([[2, 3]]), succeeded(2, 7), succeeded(3, 7), completed],
  cancelled: [opened(), ...three, granted([[1, 1]]), succeeded(1, 5), cancelRequested, cancelled([2, 3]), groupCancelled],
  'cancelled when a job was lost': [opened(), ...three, granted([[1, 1]]), returned(5, 'lost'), cancelRequested, cancelled([1, 3]), groupCancelled],
  'resolved and completed': [opened({ jobs: 1 }), added(1, spec), sealed, assigned({ first: 1, last: 1, agent: 'a1' }), granted([[1, 1]]), unknown(1, 5), blocked(1), resolved(1, 'succeeded'), unblocked, completed],
  compensated: [
    opened({ jobs: 2, onFailure: 'compensate' }), added(1, undoing, undoing), sealed, assigned({ first: 1, last: 2, agent: 'a1' }), granted([[1, 1]]), succeeded(1, 5), granted([[2, 2]]), failed(2, 7),
    compensationBegun(2, [1, 1]), granted([[3, 3]]), succeeded(3, 10), compensated,
  ],
  'without order': [opened({ order: 'none' }), ...three, granted([[1, 1], [3, 3]]), granted([[2, 2]]), succeeded(2, 6), succeeded(1, 5), succeeded(3, 5), completed],
  graph: [opened({ order: 'graph', jobs: 2 }), added(1, spec, { ...spec, after: [[1, 1]] }), sealed, assigned({ first: 1, last: 2, agent: 'a1' }), granted([[1, 1]]), succeeded(1, 5), granted([[2, 2]]), succeeded(2, 7), completed],
  abandoned: [opened({ parts: 2 }), added(1, spec), abandoned('deadline')],
  'cancelled when it was faulted': [opened(), ...three, granted([[1, 1]]), granted([[2, 2]]), cancelRequested, groupCancelled],
}

const keys = Object.keys(absentGroup(groupName)) as (keyof GroupState)[]

function folded(events: readonly GroupEvent[]): GroupState {
  const state = absentGroup(groupName)
  for (const event of events) foldInto(state, event)
  return state
}

describe.each(Object.entries(histories))('a group that is %s', (_, events) => {
  it('has ended, and says the same in little memory (I6)', () => {
    const state = folded(events)
    expect(groupTable.isFinal(state.phase)).toBe(true)
    const small = compacted(state)
    expect(small).not.toBe(state)
    for (const key of keys) expect(small[key], key).toEqual(state[key])
    expect(canonicalJson(small)).toBe(canonicalJson(state))
    expect(JSON.stringify(small)).toBe(JSON.stringify(state))
    expect(exclusiveStateOf(small)).toEqual(exclusiveStateOf(state))
    expect(expanded(small)).toEqual(state)
    expect(compacted(small)).toBe(small)
  })

  it('is what a lane makes of it, and of whatever is recorded behind its end', () => {
    const anything = fc.constantFrom<GroupEvent>(completed, cancelRequested, groupCancelled, granted([[1, 1]]), succeeded(1, 5), returned(5), assigned({ first: 1, last: 2, agent: 'a2' }), retried(4, 1), cancelled([1, 3]))
    fc.assert(
      fc.property(fc.array(fc.record({ event: anything, skip: fc.constantFrom(0, 0, 0, 1) }), { maxLength: 8 }), (more) => {
        const lane = emptyLane('east-1')
        const whole = absentGroup(groupName)
        let revision = 1
        const take = (event: GroupEvent) => {
          foldCommitInto(whole, revision, [event])
          foldCommit(lane, { aggregate: 'group', id: groupName, revision, events: [event] }, { incarnation: 1, timeMs: 1 })
          revision += 1
          expect(canonicalJson(lane.groups.get(groupName))).toBe(canonicalJson(whole))
        }
        events.forEach(take)
        for (const { event, skip } of more) {
          revision += skip
          take(event)
        }
      }),
      { numRuns: 100 },
    )
  })
})

it('a group that has not ended stays as it is', () => {
  const state = folded(histories['completed']!.slice(0, -1))
  expect(compacted(state)).toBe(state)
  expect(expanded(state)).toBe(state)
})
