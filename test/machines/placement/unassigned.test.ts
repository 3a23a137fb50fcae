/** After which events the leader has to look at a group for jobs to assign: of every type, over random histories of groups of every order. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { addJobs, openGroup, sealGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup, pauseGroup, prioritizeGroup, resolveUnknown, resumeGroup, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import type { FailurePolicy, GroupEvent, GroupOrder, JobSpec } from '../../../machines/execution-group/events.ts'
import { foldInto } from '../../../machines/execution-group/evolve.ts'
import { groupTable } from '../../../machines/execution-group/machine.ts'
import { absentGroup, headJob, openGrants, runsOfGrant, unknownJob } from '../../../machines/execution-group/state.ts'
import { assignsAfter, jobsToAssign } from '../../../machines/placement/unassigned.ts'
import { groupName, onceOnly, plan, spec } from '../../support/group-events.ts'
import { type Ask, GroupPlay, agents, outcomes } from '../../support/group-play.ts'

const mostJobs = 8
const at = fc.nat(200)

const ask: fc.Arbitrary<Ask> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ agent: agents, credit: fc.integer({ min: 1, max: 4 }) }).map(({ agent, credit }): Ask => (state) => grantLock(state, { agent, instance: `${agent}-i`, credit, callDeadlineMs: 10 })) },
  {
    weight: 12,
    arbitrary: fc.record({ at, outcome: outcomes }).map(({ at: which, outcome }): Ask => (state, grants) => {
      const open = openGrants(state)
      const grant = open[which % Math.max(1, open.length)]
      const job = grant === undefined ? headJob(state) : runsOfGrant(state, grant)[0]?.[0]
      return takeOutcome(state, grant?.revision ?? grants[which % Math.max(1, grants.length)] ?? which, job ?? 1, outcome)
    }),
  },
  { weight: 3, arbitrary: fc.record({ at, lost: fc.boolean() }).map(({ at: which, lost }): Ask => (state) => (lost ? expireGrant : handBack)(state, openGrants(state)[which % Math.max(1, openGrants(state).length)]?.revision ?? which)) },
  { weight: 3, arbitrary: fc.constant<Ask>((state) => retryFailed(state)) },
  { weight: 3, arbitrary: fc.constantFrom('succeeded' as const, 'failed' as const).map((as): Ask => (state) => resolveUnknown(state, unknownJob(state)?.job ?? 1, as)) },
  { weight: 3, arbitrary: fc.constantFrom<Ask>((state) => pauseGroup(state), (state) => resumeGroup(state), (state) => resumeGroup(state), (state) => prioritizeGroup(state, 3)) },
  { weight: 2, arbitrary: fc.record({ agent: agents, first: fc.integer({ min: 1, max: mostJobs }), length: fc.nat(mostJobs) }).map(({ agent, first, length }): Ask => (state) => assignJobs(state, [{ first, last: Math.min(first + length, state.jobsAdded), agent }])) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map((die): Ask => (state) => (die === 0 ? cancelGroup(state) : { kind: 'nothing', why: 'not now' })) },
)

const scenario = fc.record({
  jobs: fc.integer({ min: 1, max: mostJobs }),
  order: fc.constantFrom<GroupOrder>('strict', 'graph', 'none'),
  onFailure: fc.constantFrom<FailurePolicy>('stop', 'continue', 'compensate'),
  window: fc.integer({ min: 1, max: 3 }),
  repeatable: fc.array(fc.boolean(), { minLength: mostJobs, maxLength: mostJobs }),
  skilled: fc.array(fc.boolean(), { minLength: mostJobs, maxLength: mostJobs }),
  proposed: fc.boolean(),
  asks: fc.array(ask, { maxLength: 60, size: 'max' }),
  here: fc.subarray(['a1', 'a2', 'a3'], { minLength: 0, maxLength: 3 }),
  /** Takes jobs of its skills only. */
  restricted: fc.constantFrom('a1', 'a2', undefined),
})
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never

function eventsOf({ jobs, order, onFailure, window, repeatable, skilled, proposed, asks }: Scenario): readonly GroupEvent[] {
  const group = new GroupPlay()
  const { state } = group
  const specs = Array.from({ length: jobs }, (_, index): JobSpec => ({
    ...(window > 1 || repeatable[index] ? spec : onceOnly),
    ...(skilled[index] ? { skill: { name: 's', need: 'required' as const } } : {}),
    ...(order === 'graph' && index > 0 && index % 2 === 0 ? { after: [[index, index]] as const } : {}),
    ...(onFailure === 'compensate' && index % 3 !== 0 ? { compensate: { name: 'stop' } as const } : {}),
  }))
  const terms = onFailure === 'stop' ? {} : { onFailure }
  group.decide(openGroup(state, { name: 'a group', jobs, parts: 1, plan, window: order === 'graph' ? 1 : window, region: 'east', distributionFactor: 100, order, ...terms }))
  group.decide(addJobs(state, { plan, part: 1, jobs: specs }))
  if (proposed) group.decide(assignJobs(state, [{ first: 1, last: Math.ceil(jobs / 2), agent: 'a1' }]))
  group.decide(sealGroup(state, plan))
  group.decide(assignJobs(state, [{ first: 1, last: jobs, agent: 'a2' }, { first: 1, last: Math.ceil(jobs / 2), agent: 'a1' }]))
  group.ask(asks)
  return group.events
}

/** Jobs to assign that an event added, of each event in turn. */
function* addedBy(played: Scenario): Generator<{ readonly event: GroupEvent; readonly added: readonly number[] }> {
  const { here, restricted } = played
  const state = absentGroup(groupName)
  const toAssign = () => {
    const stretches = jobsToAssign(state, (agent) => here.includes(agent), Infinity, (agent) => (agent === restricted ? (skill) => skill?.name === 't' : undefined))
    return new Set(stretches.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index)))
  }
  let before = toAssign()
  for (const event of eventsOf(played)) {
    foldInto(state, event)
    const after = toAssign()
    const isOpening = groupTable.can(state.phase, 'GroupSealed')
    // Who assigns, assigns to those who are here, and what they may take.
    const misassigned = event.type === 'JobsAssigned' && event.data.assignments.some(({ agent }) => !here.includes(agent) || agent === restricted)
    yield { event, added: isOpening || misassigned ? [] : [...after].filter((job) => !before.has(job)) }
    before = isOpening ? new Set() : after
  }
}

it('a group need not be looked at after an event that the table says nothing comes of', () => {
  fc.assert(
    fc.property(scenario, (played) => {
      for (const { event, added } of addedBy(played)) if (assignsAfter[event.type] === 'never') expect({ event, added }).toEqual({ event, added: [] })
    }),
    { numRuns: 1_000 },
  )
})

it('and is looked at after none from which nothing ever comes', () => {
  const seen = new Set<string>()
  const needed = new Set<string>()
  for (const played of fc.sample(scenario, { seed: 1, numRuns: 2_000 })) {
    for (const { event, added } of addedBy(played)) {
      seen.add(event.type)
      if (added.length > 0) needed.add(event.type)
    }
  }
  const types = Object.entries(assignsAfter)
  expect([...needed].sort()).toEqual(types.flatMap(([type, when]) => (when === 'never' ? [] : [type])).sort())
  // Only a group that is being opened is abandoned.
  expect([...seen, 'GroupAbandoned'].sort()).toEqual(types.map(([type]) => type).sort())
})
