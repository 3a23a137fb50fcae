/**
 * Properties over random commands, sensible and not, in any order: what is decided is always accepted, and the invariants
 * hold after every commit. What the checks expect is counted from the events alone, not taken from the folded state.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { abandonGroup, addJobs, openGroup, sealGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup, resolveUnknown, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import type { Decision } from '../../../machines/decision.ts'
import type { GroupEvent } from '../../../machines/execution-group/events.ts'
import { evolve, foldCommitInto, foldInto } from '../../../machines/execution-group/evolve.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import { groupTable } from '../../../machines/execution-group/machine.ts'
import { type GroupState, absentGroup, countOf, headJob } from '../../../machines/execution-group/state.ts'
import { canonicalJson } from '../../../streams/codec.ts'
import { groupName, onceOnly, plan, spec, why } from '../../support/group-events.ts'
import { type Ask, GroupPlay, numbersOf } from '../../support/group-play.ts'

const runs = { numRuns: 600 }

interface Commit {
  readonly revision: number
  readonly events: readonly GroupEvent[]
}

const agent = fc.constantFrom('a1', 'a2')
/** Mostly what is meant, now and then something else. */
const mostly = (likely: number) => fc.integer({ min: 0, max: 9 }).map((die) => die < likely)

const outcome = fc.constantFrom(
  { kind: 'succeeded' } as const,
  { kind: 'succeeded' } as const,
  { kind: 'succeeded' } as const,
  { kind: 'failed', reason: why } as const,
  { kind: 'unknown', reason: why } as const,
)

/** A token: of the open grant, of the last one, of any that ever was, or of none. */
const token = fc.record({ which: fc.constantFrom('open', 'open', 'open', 'last', 'any'), at: fc.nat(200) })
function grantOf(state: GroupState, grants: readonly number[], { which, at }: { which: string; at: number }): number {
  if (which === 'open' && state.grant !== null) return state.grant.revision
  if (which === 'last' && grants.length > 0) return grants[grants.length - 1]!
  return grants.length > 0 ? grants[at % grants.length]! : at
}

const lock: fc.Arbitrary<Ask> = fc
  .record({ agent, credit: fc.integer({ min: 0, max: 5 }), named: fc.option(fc.integer({ min: 1, max: 9 }), { freq: 6 }) })
  .map(({ agent, credit, named }) => (state) =>
    grantLock(state, { agent, instance: `${agent}-i`, credit, callDeadlineMs: 10, ...(named === null ? {} : { job: named }) }))

const report: fc.Arbitrary<Ask> = fc
  .record({ token, outcome, head: mostly(8), job: fc.integer({ min: 1, max: 9 }) })
  .map(({ token, outcome, head, job }) => (state, grants) =>
    takeOutcome(state, grantOf(state, grants, token), head ? (headJob(state) ?? job) : job, outcome))

const assign: fc.Arbitrary<Ask> = fc
  .record({ agent, all: mostly(6), first: fc.integer({ min: 0, max: 8 }), length: fc.integer({ min: 0, max: 8 }) })
  .map(({ agent, all, first, length }) => (state) =>
    assignJobs(state, [all ? { first: 1, last: Math.max(1, state.jobsAdded), agent } : { first, last: first + length, agent }]))

const person: fc.Arbitrary<Ask> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Ask>((state) => retryFailed(state)) },
  {
    weight: 3,
    arbitrary: fc.constantFrom('succeeded' as const, 'failed' as const).map((as): Ask => (state) => resolveUnknown(state, headJob(state) ?? 1, as)),
  },
  { weight: 1, arbitrary: fc.constant<Ask>((state) => cancelGroup(state)) },
)

const closing: fc.Arbitrary<Ask> = fc
  .record({ token, lost: fc.boolean() })
  .map(({ token, lost }) => (state, grants) => (lost ? expireGrant : handBack)(state, grantOf(state, grants, token)))

const disturbance: fc.Arbitrary<Ask> = fc.constantFrom<Ask>(
  (state) => abandonGroup(state),
  (state) => sealGroup(state, plan),
  (state) => addJobs(state, { plan, part: 1, jobs: [spec] }),
)

const ask = fc.oneof(
  { weight: 8, arbitrary: lock },
  { weight: 10, arbitrary: report },
  { weight: 2, arbitrary: closing },
  { weight: 3, arbitrary: person },
  { weight: 2, arbitrary: assign },
  { weight: 1, arbitrary: disturbance },
)

const scenario = fc.record({
  jobs: fc.integer({ min: 1, max: 6 }),
  parts: fc.integer({ min: 1, max: 2 }),
  window: fc.integer({ min: 1, max: 3 }),
  mode: fc.constantFrom('jobs' as const, 'jobs' as const, 'sync' as const, 'direct' as const),
  repeatable: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  // Long ones too: by itself fast-check keeps arrays short.
  asks: fc.array(ask, { maxLength: 60, size: 'max' }),
})
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never

/** Runs it and hands each commit to `check`. */
function play(played: Scenario, check: (state: GroupState, commits: readonly Commit[]) => void = () => {}): { state: GroupState; commits: Commit[] } {
  const commits: Commit[] = []
  let revision = 0
  const group = new GroupPlay((at) => {
    commits.push({ revision: revision + 1, events: group.events.slice(revision) })
    revision = at.revision
    check(at, commits)
  })
  const { state } = group
  const jobs = played.mode === 'direct' ? 1 : played.jobs
  const parts = Math.min(played.parts, jobs)
  const specs = Array.from({ length: jobs }, (_, index) => (played.window > 1 || played.repeatable[index] ? spec : onceOnly))
  group.decide(openGroup(state, { name: 'a group', jobs, parts, plan, window: played.window, region: 'east', distributionFactor: 100, mode: played.mode }))
  for (let part = 1; part <= parts; part++) {
    group.decide(addJobs(state, { plan, part, jobs: part === parts ? specs.slice(part - 1) : specs.slice(part - 1, part) }))
  }
  group.decide(sealGroup(state, plan))
  group.decide(assignJobs(state, [{ first: 1, last: jobs, agent: 'a1' }]))
  group.ask(played.asks)
  return { state, commits }
}

/** What the events alone say. */
interface Counted {
  readonly ends: Map<number, number>
  open: { grant: number; left: number } | undefined
  everOpenTwice: boolean
  jobs: number
  revision: number
}

function count(commits: readonly Commit[]): Counted {
  const counted: Counted = { ends: new Map(), open: undefined, everOpenTwice: false, jobs: 0, revision: 0 }
  const end = (job: number) => counted.ends.set(job, (counted.ends.get(job) ?? 0) + 1)
  for (const { events } of commits) {
    for (const event of events) {
      counted.revision += 1
      switch (event.type) {
        case 'JobsAdded':
          counted.jobs += event.data.jobs.length
          break
        case 'JobRetried':
          counted.jobs += 1
          break
        case 'LockGranted':
          if (counted.open !== undefined) counted.everOpenTwice = true
          counted.open = { grant: counted.revision, left: countOf(event.data.jobs) }
          break
        case 'LockReturned':
        case 'JobUnknown':
          counted.open = undefined
          break
        case 'JobSucceeded':
          end(event.data.job)
          if (counted.open !== undefined && --counted.open.left === 0) counted.open = undefined
          break
        case 'JobFailed':
          end(event.data.job)
          counted.open = undefined
          break
        case 'JobResolved':
          end(event.data.job)
          break
        case 'JobsCancelled':
          for (const [first, last] of event.data.jobs) for (let job = first; job <= last; job++) end(job)
          break
      }
    }
  }
  return counted
}

describe('random commands', () => {
  it('what decide says, evolve accepts', () => {
    fc.assert(fc.property(scenario, (played) => play(played, (state) => expect(state.fault).toBeNull()) && undefined), runs)
  })

  it('I1: at most one grant is open, and it is the one that the state holds', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        play(played, (state, commits) => {
          const counted = count(commits)
          expect(counted.everOpenTwice).toBe(false)
          expect(state.grant === null ? undefined : { grant: state.grant.revision, left: state.grant.left }).toEqual(counted.open)
        })
      }),
      runs,
    )
  })

  it('I3: a job has one end at most, and one exactly when its group has ended', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        play(played, (state, commits) => {
          const { ends, jobs } = count(commits)
          for (const [job, times] of ends) expect(times, `ends of job ${job}`).toBe(1)
          if (state.phase === 'completed' || state.phase === 'cancelled') expect(ends.size).toBe(jobs)
          if (groupTable.isFinal(state.phase)) expect(state.grant).toBeNull()
        })
      }),
      runs,
    )
  })

  it('the exclusive state puts each job in exactly one place', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        play(played, (state, commits) => {
          if (state.phase === 'opening') return
          const { jobs, ends } = count(commits)
          const shown = exclusiveStateOf(state)
          const settled = [...numbersOf(shown.executed), ...shown.failed.map(({ job }) => job), ...numbersOf(shown.cancelled)]
          const open = [...numbersOf(shown.executing), ...numbersOf(shown.pending), ...(shown.unknown === null ? [] : [shown.unknown.job])]
          expect([...settled, ...open].sort((a, b) => a - b)).toEqual(Array.from({ length: jobs }, (_, index) => index + 1))
          expect([...settled].sort((a, b) => a - b)).toEqual([...ends.keys()].sort((a, b) => a - b))
          expect(shown.position).toBe(numbersOf(shown.executed).length)
        })
      }),
      runs,
    )
  })

  it('I2: a job is granted only when all before it in the queue have succeeded', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        const { commits } = play(played)
        const first = new Map<number, number>()
        const done = new Set<number>()
        for (const event of commits.flatMap(({ events }) => events)) {
          if (event.type === 'JobRetried') first.set(event.data.job, first.get(event.data.retryOf) ?? event.data.retryOf)
          if (event.type === 'JobSucceeded') done.add(first.get(event.data.job) ?? event.data.job)
          if (event.type === 'JobResolved' && event.data.as === 'succeeded') done.add(first.get(event.data.job) ?? event.data.job)
          if (event.type === 'LockGranted') {
            const places = numbersOf(event.data.jobs).map((job) => first.get(job) ?? job)
            expect(places).toEqual(places.map((_, index) => done.size + 1 + index))
          }
        }
      }),
      runs,
    )
  })

  it('a decision is pure, and a state that went through JSON decides the same', () => {
    fc.assert(
      fc.property(scenario, ask, (played, asked) => {
        const { state } = play(played)
        const copy = JSON.parse(JSON.stringify(state)) as GroupState
        expect(asked(copy, [5])).toEqual(asked(state, [5]))
        expect(copy).toEqual(JSON.parse(JSON.stringify(state)))
      }),
      runs,
    )
  })

  it('every group can be ended: by outcomes and a cancel', () => {
    fc.assert(
      fc.property(scenario, (played) => {
        const { state } = play(played)
        const take = (decision: Decision<GroupEvent>) => decision.kind === 'events' && decision.events.forEach((event) => foldInto(state, event))
        take(cancelGroup(state))
        while (state.grant !== null) {
          const left = state.grant.left
          take(takeOutcome(state, state.grant.revision, headJob(state)!, { kind: 'succeeded' }))
          expect((state.grant as GroupState['grant'])?.left ?? 0).toBeLessThan(left)
        }
        expect(groupTable.isFinal(state.phase)).toBe(true)
      }),
      runs,
    )
  })
})

describe('I6: one recipe', () => {
  it('evolve equals foldInto; in one batch, in batches, and one by one', () => {
    fc.assert(
      fc.property(scenario, fc.array(fc.nat(100), { maxLength: 5 }), (played, cuts) => {
        const { state, commits } = play(played)
        const events = commits.flatMap(({ events }) => events)
        const live = canonicalJson(state)
        expect(canonicalJson(evolve(absentGroup(groupName), events))).toBe(live)
        let batched = absentGroup(groupName)
        let from = 0
        for (const cut of [...cuts.map((at) => at % (events.length + 1)).sort((a, b) => a - b), events.length]) {
          batched = evolve(batched, events.slice(from, cut))
          from = Math.max(from, cut)
        }
        expect(canonicalJson(batched)).toBe(live)
        const single = events.reduce((folded, event) => evolve(folded, [event]), absentGroup(groupName))
        expect(canonicalJson(single)).toBe(live)
        const read = absentGroup(groupName)
        for (const commit of JSON.parse(JSON.stringify(commits)) as Commit[]) foldCommitInto(read, commit.revision, commit.events)
        expect(canonicalJson(read)).toBe(live)
      }),
      { numRuns: 500 },
    )
  })
})

describe('mutated histories', () => {
  const mutation = fc.record({ kind: fc.constantFrom('drop', 'double', 'swap', 'move'), at: fc.nat(1_000), to: fc.nat(1_000) })
  function mutate<T>(list: readonly T[], { kind, at, to }: { kind: string; at: number; to: number }): T[] {
    const all = [...list]
    const index = at % all.length
    const [taken] = all.splice(index, 1) as [T]
    if (kind === 'double') all.splice(index, 0, taken, taken)
    if (kind === 'swap') all.splice(index + 1, 0, taken)
    if (kind === 'move') all.splice(to % (all.length + 1), 0, taken)
    return all
  }

  it('a commit that is missing, doubled or out of place faults the group, unless nothing but the end is missing', () => {
    fc.assert(
      fc.property(scenario, mutation, (played, how) => {
        const { commits } = play(played)
        const mutated = mutate(commits, how)
        const isPrefix = mutated.every((commit, index) => commit === commits[index])
        const state = absentGroup(groupName)
        for (const { revision, events } of mutated) foldCommitInto(state, revision, events)
        if (isPrefix && mutated.length <= commits.length) expect(state.fault).toBeNull()
        else expect(state.fault).not.toBeNull()
      }),
      runs,
    )
  })

  it('events in any disorder never throw, evolve and foldInto agree on them, and no second grant is ever open', () => {
    fc.assert(
      fc.property(scenario, fc.array(mutation, { minLength: 1, maxLength: 6 }), (played, hows) => {
        let events = play(played).commits.flatMap(({ events }) => [...events])
        for (const how of hows) if (events.length > 0) events = mutate(events, how)
        const state = absentGroup(groupName)
        for (const event of events) {
          const before = state.grant
          foldInto(state, event)
          if (before !== null && state.grant !== null) expect(state.grant.revision).toBe(before.revision)
          if (state.phase === 'faulted') expect(state.fault).not.toBeNull()
        }
        expect(state.revision).toBe(events.length)
        expect(canonicalJson(evolve(absentGroup(groupName), events))).toBe(canonicalJson(state))
        exclusiveStateOf(state)
        // What a faulted group may still decide, it accepts.
        const decision = cancelGroup(state)
        if (decision.kind === 'events') {
          const fault = state.fault
          for (const event of decision.events) foldInto(state, event)
          if (fault !== null) expect(state).toMatchObject({ phase: 'cancelled', fault })
        }
      }),
      runs,
    )
  })
})
