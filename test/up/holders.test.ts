/** When 'reeve up' says that the realm is ready: who of the log's leader and holders runs. */
import { expect, test } from 'vitest'
import { type AgentState, absentAgent } from '../../machines/agent/agent.ts'
import { emptyLane } from '../../machines/lane/state.ts'
import { emptyRealm } from '../../machines/realm/realm.ts'
import { holdersIn, namedInstances } from '../../src/up/holders.ts'

interface Given {
  readonly leader: string
  readonly holders: Readonly<Record<string, string>>
  readonly agents: Readonly<Record<string, { readonly phase: AgentState['phase']; readonly instance: string }>>
}

/** Agents by the first letter of their instances. */
function foldOf({ leader, holders, agents }: Given) {
  const named = (instance: string) => ({ agent: instance[0]!, instance })
  const lanes = Object.keys(holders).map((lane) => ({ lane, region: 'here' }))
  return {
    realm: { ...emptyRealm(), leader: { ...named(leader), epoch: 1 }, lanes: [...lanes, { lane: 'there-1', region: 'there' }] },
    lanes: new Map(Object.entries(holders).map(([lane, holder]) => [lane, { ...emptyLane(lane), holder: named(holder) }])),
    agents: new Map(Object.entries(agents).map(([agent, { phase, instance }]) => [agent, { ...absentAgent(agent), phase, instance }])),
  }
}

const before = namedInstances(foldOf({ leader: 'a1', holders: { 'here-1': 'a1', 'here-2': 'b1' }, agents: {} }))

test.each([
  ['all that a former run left', { leader: 'a1', holders: { 'here-1': 'a1', 'here-2': 'b1' }, agents: { a: { phase: 'started', instance: 'a2' }, b: { phase: 'started', instance: 'b2' } } }, { leader: undefined, held: 0 }],
  ['taken by those who started', { leader: 'a2', holders: { 'here-1': 'a2', 'here-2': 'b2' }, agents: { a: { phase: 'started', instance: 'a2' }, b: { phase: 'started', instance: 'b2' } } }, { leader: 'a', held: 2 }],
  ['taken by an instance whose agent goes on as another one', { leader: 'a2', holders: { 'here-1': 'a2', 'here-2': 'b2' }, agents: { a: { phase: 'started', instance: 'a2' }, b: { phase: 'started', instance: 'b3' } } }, { leader: 'a', held: 2 }],
  ['held since before, by agents that run elsewhere', { leader: 'a1', holders: { 'here-1': 'a1', 'here-2': 'b1' }, agents: { a: { phase: 'started', instance: 'a1' }, b: { phase: 'started', instance: 'b1' } } }, { leader: 'a', held: 2 }],
  ['taken by one that is lost', { leader: 'a2', holders: { 'here-1': 'a2', 'here-2': 'b2' }, agents: { a: { phase: 'started', instance: 'a2' }, b: { phase: 'lost', instance: 'b2' } } }, { leader: 'a', held: 1 }],
] as const satisfies readonly (readonly [string, Given, object])[])('lanes of the region: %s', (_what, given, expected) => {
  expect(holdersIn(foldOf(given), 'here', before)).toEqual({ ...expected, lanes: 2 })
})
