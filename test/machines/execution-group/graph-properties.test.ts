/**
 * Properties of groups with predicates and failure policies, over random graphs (and strict queues), policies and disturbances: executors that give back, are lost, report late,
 * twice or of other grants; pauses, cancels, retries. What the checks expect is counted from the events and the predicates alone.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { addJobs, openGroup, sealGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup, pauseGroup, prioritizeGroup, resolveUnknown, resumeGroup, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import type { Decision } from '../../../machines/decision.ts'
import type { FailurePolicy, GroupEvent, JobSpec, Run } from '../../../machines/execution-group/events.ts'
import { evolve, foldInto } from '../../../machines/execution-group/evolve.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import { groupTable } from '../../../machines/execution-group/machine.ts'
import { isRunnable } from '../../../machines/execution-group/graph.ts'
import { type GroupState, absentGroup, assigneeOf } from '../../../machines/execution-group/state.ts'
import { canonicalJson } from '../../../streams/codec.ts'
import { groupName, onceOnly, plan, spec } from '../../support/group-events.ts'
import { type Ask, GroupPlay, agents, expectEachJobOnce, expectFaithful, numbersOf, outcomes } from '../../support/group-play.ts'

const runs = { numRuns: 500 }

const token = fc.record({ which: fc.constantFrom('open', 'open', 'open', 'last', 'any'), at: fc.nat(200) })
function grantOf(state: GroupState, grants: readonly number[], { which, at }: { which: string; at: number }): number {
  if (which === 'open' && state.grant !== null) return state.grant.revision
  if (grants.length === 0) return at
  return which === 'last' ? grants[grants.length - 1]! : grants[at % grants.length]!
}
const ask: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({ agent: agents, named: fc.option(fc.integer({ min: 1, max: 12 }), { freq: 4 }) }).map(({ agent: who, named }): Ask => (state) =>
      grantLock(state, { agent: who, instance: `${who}-i`, credit: 1, callDeadlineMs: 10, ...(named === null ? {} : { job: named }) })),
  },
  {
    weight: 10,
    arbitrary: fc.record({ token, outcome: outcomes, other: fc.integer({ min: 1, max: 60 }) }).map(({ token: named, outcome: what, other }): Ask => (state, grants) =>
      takeOutcome(state, grantOf(state, grants, named), other <= 8 ? other : state.head, what)),
  },
  { weight: 2, arbitrary: fc.record({ token, lost: fc.boolean() }).map(({ token: named, lost }): Ask => (state, grants) => (lost ? expireGrant : handBack)(state, grantOf(state, grants, named))) },
  { weight: 3, arbitrary: fc.constant<Ask>((state) => retryFailed(state)) },
  { weight: 2, arbitrary: fc.constantFrom('succeeded' as const, 'failed' as const).map((as): Ask => (state) => resolveUnknown(state, state.head, as)) },
  { weight: 2, arbitrary: fc.constantFrom<Ask>((state) => pauseGroup(state), (state) => resumeGroup(state), (state) => resumeGroup(state), (state) => prioritizeGroup(state, 3)) },
  {
    weight: 2,
    arbitrary: fc.record({ agent: agents, first: fc.integer({ min: 1, max: 9 }), length: fc.nat(9) }).map(({ agent: who, first, length }): Ask => (state) =>
      assignJobs(state, [{ first, last: Math.min(first + length, state.jobsAdded), agent: who }])),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map((die): Ask => (state) => (die === 0 ? cancelGroup(state) : { kind: 'nothing', why: 'not now' })) },
)

const mostJobs = 9
/** Predicates in any direction; those that make a cycle are tried too. */
const scenario = fc.record({
  jobs: fc.integer({ min: 1, max: mostJobs }),
  shuffle: fc.array(fc.nat(1_000), { minLength: mostJobs, maxLength: mostJobs }),
  edges: fc.array(fc.record({ from: fc.nat(mostJobs - 1), to: fc.nat(mostJobs - 1) }), { maxLength: 16 }),
  order: fc.constantFrom('graph' as const, 'graph' as const, 'graph' as const, 'strict' as const),
  onFailure: fc.constantFrom<FailurePolicy>('stop', 'continue', 'compensate'),
  undoable: fc.array(fc.boolean(), { minLength: mostJobs, maxLength: mostJobs }),
  repeatable: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: mostJobs, maxLength: mostJobs }),
  asks: fc.array(ask, { maxLength: 90, size: 'max' }),
})
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never

/** Without cycles: along an order of the jobs that has nothing to do with their numbers. */
function specsOf({ jobs, order: kind, shuffle, edges, onFailure, undoable, repeatable }: Scenario): JobSpec[] {
  const order = Array.from({ length: jobs }, (_, index) => index).sort((a, b) => shuffle[a]! - shuffle[b]! || a - b)
  const waits = Array.from({ length: jobs }, () => new Set<number>())
  for (const { from, to } of edges) {
    if (kind === 'strict' || from >= jobs || to >= jobs || from === to) continue
    const [early, late] = order.indexOf(from) < order.indexOf(to) ? [from, to] : [to, from]
    waits[late]!.add(early + 1)
  }
  return waits.map((before, index) => ({
    ...(repeatable[index] === 0 ? onceOnly : spec),
    ...(before.size === 0 ? {} : { after: [...before].sort((a, b) => a - b).map((job): Run => [job, job]) }),
    ...(onFailure === 'compensate' && undoable[index] ? { compensate: { name: 'stop' } as const } : {}),
  }))
}

interface Played {
  readonly state: GroupState
  readonly events: readonly GroupEvent[]
  readonly specs: readonly JobSpec[]
}

function play(played: Scenario, check: (state: GroupState) => void = () => {}): Played {
  const group = new GroupPlay(check)
  const { state, events } = group
  const specs = specsOf(played)
  const terms = played.onFailure === 'stop' ? {} : { onFailure: played.onFailure }
  group.decide(openGroup(state, { name: 'a group', jobs: specs.length, parts: 1, plan, window: 1, region: 'east', distributionFactor: 100, order: played.order, ...terms }))
  group.decide(addJobs(state, { plan, part: 1, jobs: specs }))
  group.decide(assignJobs(state, [{ first: 1, last: Math.ceil(specs.length / 2), agent: 'a1' }]))
  group.decide(sealGroup(state, plan))
  expect(state.phase).toBe('running')
  group.decide(assignJobs(state, [{ first: 1, last: specs.length, agent: 'a2' }, { first: 1, last: Math.ceil(specs.length / 2), agent: 'a1' }]))
  group.ask(played.asks)
  return { state, events, specs }
}

describe('random graphs', () => {
  it('what decide says, evolve accepts', () => {
    fc.assert(fc.property(scenario, (played) => void play(played, (state) => expect(state.fault).toBeNull())), runs)
  })

  it('what could be granted is what lies ready, by agent: nothing is missing, doubled or left behind', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        play(played, (state) => {
          const { graph } = state
          if (graph === null) return
          const expected = Array.from({ length: graph.places }, (_, index) => index + 1)
            .filter((place) => place !== graph.taken && isRunnable(graph, graph.occupants[place]!))
            .map((place) => `${assigneeOf(state, graph.occupants[place]!) ?? ''} ${place}`)
          expect(graph.ready.flatMap(({ agent: who, places }) => places.map((place) => `${who} ${place}`)).sort()).toEqual(expected.sort())
          for (const { places } of graph.ready) if (places.length > 0) expect(places[0]).toBe(Math.min(...places))
        })
      }),
      runs,
    )
  })

  it('I1, I2, I3: another hand that replays the events finds nothing to object to', () => {
    fc.assert(fc.property(scenario, (played) => expectFaithful(play(played).events)), runs)
  })

  it('I2: a job is granted only when what stands in the places of its predicates is settled; I1: nothing else is granted then', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        const { events, specs } = play(played)
        const stands = specs.map((_, index) => index + 1)
        const settled = new Set<number>()
        let open: number | undefined
        for (const event of events) {
          if (event.type === 'CompensationBegun') return
          if (event.type === 'JobRetried') stands[stands.indexOf(event.data.retryOf)] = event.data.job
          if (event.type === 'LockGranted') {
            expect(open).toBeUndefined()
            expect(event.data.jobs).toHaveLength(1)
            open = event.data.jobs[0]![0]
            const place = stands.indexOf(open)
            expect(place).toBeGreaterThanOrEqual(0)
            for (const [before] of specs[place]!.after ?? []) expect(settled).toContain(stands[before - 1])
          }
          if (event.type === 'LockReturned' || event.type === 'JobUnknown' || event.type === 'JobFailed' || event.type === 'JobSucceeded') open = undefined
          const goesOn = played.onFailure === 'continue'
          if (event.type === 'JobSucceeded' || (event.type === 'JobFailed' && goesOn)) settled.add(event.data.job)
          if (event.type === 'JobResolved' && (event.data.as === 'succeeded' || goesOn)) settled.add(event.data.job)
        }
      }),
      runs,
    )
  })

  it('I3: the exclusive state holds every job once, and every group can be ended', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        const whole = (state: GroupState) => {
          const { executed, executing, pending, cancelled, unknown, failed } = exclusiveStateOf(state)
          const all = [...numbersOf(executed), ...numbersOf(executing), ...numbersOf(pending), ...numbersOf(cancelled), ...(unknown === null ? [] : [unknown.job]), ...failed.map(({ job }) => job)]
          expectEachJobOnce(state, all)
        }
        const { state } = play(played, (at) => {
          if (at.phase !== 'opening') whole(at)
        })
        const take = (decision: Decision<GroupEvent>) => decision.kind === 'events' && decision.events.forEach((event) => foldInto(state, event))
        take(cancelGroup(state))
        while (state.grant !== null) {
          const { revision } = state.grant
          take(takeOutcome(state, revision, state.head, { kind: 'succeeded' }))
          expect((state.grant as GroupState['grant'])?.revision).not.toBe(revision)
        }
        expect(state.fault).toBeNull()
        expect(groupTable.isFinal(state.phase)).toBe(true)
        whole(state)
      }),
      runs,
    )
  })

  it('I6: evolve equals foldInto, at once and one by one, and a state that went through JSON decides the same', () => {
    fc.assert(
      fc.property(scenario, ask, (played, asked) => {
        const { state, events } = play(played)
        const live = canonicalJson(state)
        expect(canonicalJson(evolve(absentGroup(groupName), events))).toBe(live)
        expect(canonicalJson(events.reduce((folded, event) => evolve(folded, [event]), absentGroup(groupName)))).toBe(live)
        const copy = JSON.parse(live) as GroupState
        expect(asked(copy, [6])).toEqual(asked(state, [6]))
        expect(canonicalJson(copy)).toBe(live)
      }),
      { numRuns: 200 },
    )
  })

  it('a graph is sealed exactly when it has no cycle, and the cycle that is named is one', () => {
    const edges = fc.array(fc.record({ from: fc.integer({ min: 1, max: 7 }), to: fc.integer({ min: 1, max: 7 }) }), { maxLength: 12 })
    fc.assert(
      fc.property(edges, (given) => {
        const before = Array.from({ length: 7 }, () => new Set<number>())
        for (const { from, to } of given) if (from !== to) before[to - 1]!.add(from)
        const specs = before.map((jobs): JobSpec => ({ ...spec, after: [...jobs].map((job): Run => [job, job]) }))
        const state = absentGroup(groupName)
        for (const decision of [openGroup(state, { name: 'g', jobs: 7, parts: 1, plan, window: 1, region: 'east', distributionFactor: 100, order: 'graph' })]) if (decision.kind === 'events') decision.events.forEach((event) => foldInto(state, event))
        const added = addJobs(state, { plan, part: 1, jobs: specs })
        if (added.kind === 'events') added.events.forEach((event) => foldInto(state, event))
        const left = new Set(before.map((_, index) => index + 1))
        for (let moved = true; moved; ) {
          moved = false
          for (const job of left) if ([...before[job - 1]!].every((one) => !left.has(one))) moved = left.delete(job)
        }
        const decision = sealGroup(state, plan)
        expect(decision.kind).toBe(left.size === 0 ? 'events' : 'refused')
        if (decision.kind !== 'refused') return
        const named = [...decision.refusal.text.matchAll(/job (\d+)/g)].map(([, job]) => Number(job))
        expect(named.at(0)).toBe(named.at(-1))
        for (let index = 1; index < named.length; index++) expect(before[named[index - 1]! - 1]).toContain(named[index])
      }),
      runs,
    )
  })
})
