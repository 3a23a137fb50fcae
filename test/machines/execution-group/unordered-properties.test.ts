/**
 * Properties of groups without order, over random windows, policies and disturbances: executors that give back, are lost, report late,
 * twice or of other grants; pauses, cancels, retries, queues that change.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { addJobs, openGroup, sealGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup, pauseGroup, resolveUnknown, resumeGroup, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import type { GroupEvent } from '../../../machines/execution-group/events.ts'
import { evolve, foldInto } from '../../../machines/execution-group/evolve.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import { groupTable } from '../../../machines/execution-group/machine.ts'
import { type GroupState, absentGroup, assigneeOf, openGrants, runsOfGrant } from '../../../machines/execution-group/state.ts'
import { canonicalJson } from '../../../streams/codec.ts'
import { groupName, onceOnly, plan, spec } from '../../support/group-events.ts'
import { type Ask, GroupPlay, agents, expectEachJobOnce, expectFaithful, numbersOf, outcomes } from '../../support/group-play.ts'

const runs = { numRuns: 500 }
const mostJobs = 12

const named = fc.record({ open: fc.integer({ min: 0, max: 3 }), at: fc.nat(200) })
/** Mostly an open grant, and its next job. */
function grantOf(state: GroupState, grants: readonly number[], { open, at }: { open: number; at: number }): { readonly grant: number; readonly job: number | undefined } {
  const all = openGrants(state)
  if (open > 0 && all.length > 0) {
    const grant = all[at % all.length]!
    return { grant: grant.revision, job: runsOfGrant(state, grant)[0]?.[0] }
  }
  return { grant: grants.length === 0 ? at : grants[at % grants.length]!, job: undefined }
}
const ask: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ agent: agents, job: fc.option(fc.integer({ min: 1, max: 16 }), { freq: 4 }), credit: fc.integer({ min: 0, max: 4 }) }).map(({ agent: who, job, credit }): Ask => (state) =>
      grantLock(state, { agent: who, instance: `${who}-i`, credit, callDeadlineMs: 10, ...(job === null ? {} : { job }) })),
  },
  {
    weight: 14,
    arbitrary: fc.record({ named, outcome: outcomes, other: fc.integer({ min: 1, max: 60 }) }).map(({ named: which, outcome: what, other }): Ask => (state, grants) => {
      const { grant, job } = grantOf(state, grants, which)
      return takeOutcome(state, grant, other <= 14 || job === undefined ? (other % mostJobs) + 1 : job, what)
    }),
  },
  { weight: 3, arbitrary: fc.record({ named, lost: fc.boolean() }).map(({ named: which, lost }): Ask => (state, grants) => (lost ? expireGrant : handBack)(state, grantOf(state, grants, which).grant)) },
  { weight: 3, arbitrary: fc.constant<Ask>((state) => retryFailed(state)) },
  {
    weight: 3,
    arbitrary: fc.record({ as: fc.constantFrom('succeeded' as const, 'failed' as const), at: fc.nat(9) }).map(({ as, at }): Ask => (state) => {
      const all = state.unordered?.unknown ?? []
      return resolveUnknown(state, all.length === 0 ? 1 : all[at % all.length]!.job, as)
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Ask>((state) => pauseGroup(state), (state) => resumeGroup(state), (state) => resumeGroup(state)) },
  {
    weight: 2,
    arbitrary: fc.record({ agent: agents, first: fc.integer({ min: 1, max: mostJobs }), length: fc.nat(mostJobs) }).map(({ agent: who, first, length }): Ask => (state) =>
      assignJobs(state, [{ first, last: Math.min(first + length, state.jobsAdded), agent: who }])),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map((die): Ask => (state) => (die === 0 ? cancelGroup(state) : { kind: 'nothing', why: 'not now' })) },
)

const scenario = fc.record({
  jobs: fc.integer({ min: 1, max: mostJobs }),
  window: fc.constantFrom(1, 1, 2, 4),
  onFailure: fc.constantFrom('stop' as const, 'continue' as const),
  repeatable: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: mostJobs, maxLength: mostJobs }),
  asks: fc.array(ask, { maxLength: 120, size: 'max' }),
})
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never

function play({ jobs, window, onFailure, repeatable, asks }: Scenario, check: (state: GroupState) => void = () => {}): { readonly state: GroupState; readonly events: readonly GroupEvent[] } {
  const group = new GroupPlay(check)
  const { state, events } = group
  const specs = Array.from({ length: jobs }, (_, index) => (window === 1 && repeatable[index] === 0 ? onceOnly : spec))
  group.decide(openGroup(state, { name: 'a group', jobs, parts: 1, plan, window, region: 'east', distributionFactor: 100, order: 'none', ...(onFailure === 'stop' ? {} : { onFailure }) }))
  group.decide(addJobs(state, { plan, part: 1, jobs: specs }))
  group.decide(assignJobs(state, [{ first: 1, last: Math.ceil(jobs / 2), agent: 'a1' }]))
  group.decide(sealGroup(state, plan))
  expect(state.phase).toBe('running')
  if (jobs > 1) group.decide(assignJobs(state, [{ first: Math.ceil(jobs / 2) + 1, last: jobs, agent: 'a2' }]))
  group.ask(asks)
  return { state, events }
}

describe('groups without order', () => {
  it('what decide says, evolve accepts', () => {
    fc.assert(fc.property(scenario, (played) => void play(played, (state) => expect(state.fault).toBeNull())), runs)
  })

  it('what could be granted is what lies ready, by agent: nothing is missing, doubled or left behind', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        play(played, ({ unordered, ...state }) => {
          if (unordered === null) return
          const expected = unordered.phases.flatMap((phase, index) => (phase === 'pending' && assigneeOf({ unordered, ...state }, index + 1) !== undefined ? [`${assigneeOf({ unordered, ...state }, index + 1)} ${index + 1}`] : []))
          expect(unordered.ready.flatMap(({ agent: who, runs: list }) => numbersOf(list).map((job) => `${who} ${job}`)).sort()).toEqual(expected.sort())
          const held = unordered.grants.flatMap(({ jobs, left }) => {
            expect(numbersOf(jobs)).toHaveLength(left)
            return numbersOf(jobs)
          })
          expect(held.sort((a, b) => a - b)).toEqual(unordered.phases.flatMap((phase, index) => (phase === 'granted' ? [index + 1] : [])))
          expect(new Set(unordered.late.map(({ job }) => job)).size).toBe(unordered.late.length)
          for (const { job } of unordered.late) expect(['pending', 'unknown']).toContain(unordered.phases[job - 1])
        })
      }),
      runs,
    )
  })

  it('I1, I3, P24: another hand that replays the events finds nothing to object to', () => {
    fc.assert(fc.property(scenario, (played) => expectFaithful(play(played).events)), runs)
  })

  it('I3: the exclusive state holds every job once, and every group can be ended', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        const whole = (state: GroupState) => {
          if (state.phase === 'opening') return
          const { executed, executing, pending, cancelled, unknowns = [], failed } = exclusiveStateOf(state)
          const resolved = new Set(unknowns.map(({ job }) => job))
          const all = [...numbersOf(executed), ...numbersOf(executing), ...numbersOf(pending), ...numbersOf(cancelled), ...resolved, ...failed.map(({ job }) => job)]
          expectEachJobOnce(state, all)
        }
        const { state } = play(played, whole)
        for (let step = 0; step < 400 && !groupTable.isFinal(state.phase); step++) {
          const [grant] = openGrants(state)
          const resume = resumeGroup(state)
          const decision = grant !== undefined
            ? takeOutcome(state, grant.revision, runsOfGrant(state, grant)[0]![0], { kind: 'succeeded' })
            : resume.kind === 'events'
              ? resume
              : (state.unordered?.unknown.length ?? 0) > 0
                ? resolveUnknown(state, state.unordered!.unknown[0]!.job, 'succeeded')
                : state.phase === 'blocked'
                  ? retryFailed(state)
                  : ['a1', 'a2', 'a3'].map((who) => grantLock(state, { agent: who, instance: `${who}-i`, credit: 9, callDeadlineMs: 10 })).find(({ kind }) => kind === 'events') ?? assignJobs(state, [{ first: 1, last: state.jobsAdded, agent: 'a1' }])
          expect(decision.kind).toBe('events')
          if (decision.kind === 'events') for (const event of decision.events) foldInto(state, event)
          whole(state)
        }
        expect(groupTable.isFinal(state.phase)).toBe(true)
      }),
      runs,
    )
  })

  it('I6: folded in batches on immutable states, and on from any point through JSON, it is the same', () => {
    fc.assert(
      fc.property(scenario, fc.nat(300), (played, at) => {
        const { state, events } = play(played)
        const cut = at % (events.length + 1)
        const first = JSON.parse(JSON.stringify(evolve(absentGroup(groupName), events.slice(0, cut)))) as GroupState
        expect(canonicalJson(evolve(first, events.slice(cut)))).toBe(canonicalJson(state))
      }),
      runs,
    )
  })
})
