/** A group that is played by decisions, and what properties of such plays share. */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Decision } from '../../machines/decision.ts'
import type { GroupEvent, Run } from '../../machines/execution-group/events.ts'
import { takeOutcome } from '../../machines/execution-group/decide/locks.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { type GroupState, absentGroup } from '../../machines/execution-group/state.ts'
import { GroupReplay } from '../checkers/group-replay.ts'
import { groupName, why } from './group-events.ts'

/** Decides on a state, with the revisions of all grants so far. */
export type Ask = (state: GroupState, grants: readonly number[]) => Decision<GroupEvent>

/** So many of the grants that were opened last may still be named by a late outcome, for all that a play can show. */
const grantsAsked = 4

export class GroupPlay {
  readonly state: GroupState = absentGroup(groupName)
  readonly events: GroupEvent[] = []
  readonly grants: number[] = []
  readonly #replay = new GroupReplay()
  readonly #check: (state: GroupState) => void

  /** `check` is called after every commit. */
  constructor(check: (state: GroupState) => void = () => {}) {
    this.#check = check
  }

  decide(decision: Decision<GroupEvent>): void {
    if (decision.kind !== 'events') return
    for (const event of decision.events) {
      this.events.push(event)
      foldInto(this.state, event)
      this.#replay.apply(event, this.state.revision, () => {})
      if (event.type === 'LockGranted') this.grants.push(this.state.revision)
    }
    this.#checkLate()
    this.#check(this.state)
  }

  /** P24: whether a late outcome settles a job, the other hand says as well. */
  #checkLate(): void {
    if (this.#replay.ended) return
    for (const grant of this.grants.slice(-grantsAsked)) {
      if (this.#replay.openGrant(grant) !== undefined) continue
      for (let job = 1; job <= this.state.jobsAdded; job++) {
        const taken = takeOutcome(this.state, grant, job, { kind: 'succeeded' }).kind === 'events'
        if (taken !== this.#replay.takesLate(job, grant)) expect.fail(`job ${job} by grant ${grant}, which is closed, is ${taken ? '' : 'not '}settled, and the checkers say otherwise`)
      }
    }
  }

  ask(asks: readonly Ask[]): void {
    for (const asked of asks) this.decide(asked(this.state, this.grants))
  }
}

export const agents = fc.constantFrom('a1', 'a2', 'a3')
/** Of a job: mostly it succeeds. */
export const outcomes = fc.constantFrom(
  { kind: 'succeeded' } as const, { kind: 'succeeded' } as const, { kind: 'succeeded' } as const, { kind: 'succeeded', already: true } as const,
  { kind: 'failed', reason: why } as const, { kind: 'unknown', reason: why } as const,
)

export function numbersOf(runs: readonly Run[]): number[] {
  return runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
}

/** Another hand that replays the events finds nothing to object to. */
export function expectFaithful(events: readonly GroupEvent[]): void {
  const replay = new GroupReplay()
  const broken: string[] = []
  events.forEach((event, index) => replay.apply(event, index + 1, (rule, what) => broken.push(`${rule}: ${what}`)))
  expect(broken).toEqual([])
}

/** I3: job numbers, gathered from all the places where a group can show one, are each job once. */
export function expectEachJobOnce({ jobsAdded }: GroupState, jobs: readonly number[]): void {
  expect([...jobs].sort((a, b) => a - b)).toEqual(Array.from({ length: jobsAdded }, (_, index) => index + 1))
}
