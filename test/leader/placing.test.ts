/** Whose queue jobs are in, and whose they go to (spec/agents.md: who leads executes only what nobody else could). */
import { expect, it } from 'vitest'
import { builtInDefaults } from '../../machines/agent/configuration.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { type GroupState, absentGroup, openGrants } from '../../machines/execution-group/state.ts'
import type { Configured } from '../../src/leader/configurations.ts'
import { placeGivenUp, placeOpenGroups } from '../../src/leader/placing.ts'

const agent = (id: string, skills: readonly string[] = []): Configured => ({ agent: id, configuration: { ...builtInDefaults, role: 'generic', region: 'here', skills } })
const placing = { leader: 'a', load: () => 0, avoids: () => false }

function groupOf(assignedTo: string, skill?: string): GroupState {
  const state = absentGroup('here-1-X')
  const asks = skill === undefined ? {} : { skill: { name: skill, need: 'required' } }
  const jobs = [1, 2].map((number) => ({ site: 's', service: `${number}`, operation: { name: 'rehearse' }, repeatable: true, ...asks }))
  const opened = { name: '', decision: 1, jobs: 2, parts: 1, plan: 'p', order: 'strict', mode: 'jobs', window: 1, region: 'here', distributionFactor: 100 }
  const events = [
    { type: 'GroupOpened', data: opened },
    { type: 'JobsAdded', data: { part: 1, jobs } },
    { type: 'GroupSealed', data: {} },
    { type: 'JobsAssigned', data: { assignments: [{ first: 1, last: 2, agent: assignedTo }] } },
  ]
  for (const event of events) foldInto(state, event as never)
  expect(state.fault).toBeNull()
  return state
}

it('what is in the queue of the agent that leads now goes to another (seed 600000495)', () => {
  const { assignments } = placeOpenGroups([groupOf('a')], [agent('a'), agent('b')], placing)
  expect(assignments.map((placed) => placed.assignments)).toEqual([[{ first: 1, last: 2, agent: 'b' }]])
})

it.each([
  ['it is the only one that is here', [agent('a', ['k'])]],
  ['nobody else has the skill', [agent('a', ['k']), agent('b')]],
])('it stays there where %s', (_, agents) => {
  expect(placeOpenGroups([groupOf('a', 'k')], agents, placing)).toEqual({ assignments: [], complete: ['here-1-X'], missing: [] })
})

it('what an agent gives no word of goes to another with that; nowhere where nobody else could take it', () => {
  const state = groupOf('b', 'k')
  foldInto(state, { type: 'LockGranted', data: { jobs: [[1, 1]], agent: 'b', instance: 'b-1', callDeadlineMs: 1_000 } })
  const deaf = { ...placing, avoids: (agent: string) => agent === 'b' }
  expect(placeGivenUp(state, openGrants(state)[0]!, [agent('a', ['k']), agent('b', ['k']), agent('c', ['k'])], deaf)).toEqual([{ first: 1, last: 1, agent: 'c' }])
  expect(placeGivenUp(state, openGrants(state)[0]!, [agent('a', ['k']), agent('b', ['k']), agent('c')], deaf)).toEqual([{ first: 1, last: 1, agent: 'a' }])
  expect(placeGivenUp(state, openGrants(state)[0]!, [agent('a'), agent('b', ['k']), agent('c')], deaf)).toEqual([])
})

it('what is in the queue of who is passed over goes to others, to who leads where nobody else could, and stays where nobody could at all', () => {
  const mute = { ...placing, avoids: (agent: string) => agent === 'b' }
  const to = (agents: readonly Configured[]) => placeOpenGroups([groupOf('b', 'k')], agents, mute).assignments.map((placed) => placed.assignments)
  expect(to([agent('a', ['k']), agent('b', ['k']), agent('c', ['k'])])).toEqual([[{ first: 1, last: 2, agent: 'c' }]])
  expect(to([agent('a', ['k']), agent('b', ['k']), agent('c')])).toEqual([[{ first: 1, last: 2, agent: 'a' }]])
  expect(to([agent('a'), agent('b', ['k']), agent('c')])).toEqual([])
})

it('what is in the queue of another stays there', () => {
  expect(placeOpenGroups([groupOf('b')], [agent('a'), agent('b'), agent('c')], placing)).toMatchObject({ assignments: [], complete: ['here-1-X'] })
})
