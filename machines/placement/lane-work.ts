/**
 * What a lane has to do, and what it does: the two figures that lanes are chosen and balanced by. Pure.
 *
 * Outstanding work is counted in jobs. Work done is counted in jobs too, a turn besides as `jobsPerTurn` of them.
 */
import { groupTable } from '../execution-group/machine.ts'
import type { GroupState } from '../execution-group/state.ts'

/**
 * CPU time of a turn, whatever is in it, in jobs: docs/performance.md, `w1` 47 µs a job with 24 jobs a turn, `w2` 266 µs with one, so that
 * a turn is 229 µs and a job 37.
 */
export const jobsPerTurn = 6

/** An ordered group goes one grant after the other: of a longer one no more than this is work of the present, times its window. */
export const serialJobs = 1_000

/** Jobs that the group has still to settle; 0 of one that has ended. */
export function jobsLeft(group: GroupState): number {
  if (groupTable.isFinal(group.phase)) return 0
  const jobs = groupTable.can(group.phase, 'GroupSealed') ? group.jobsAnnounced : group.queued
  return Math.max(0, jobs - group.position)
}

/** Jobs of it that wait for their lane or run; 0 of one that waits for a person (blocked, paused). */
export function outstandingWork(group: GroupState): number {
  const isGoing = groupTable.can(group.phase, 'LockGranted') || groupTable.can(group.phase, 'GroupSealed')
  if (!isGoing) return 0
  const left = jobsLeft(group)
  return group.order === 'none' ? left : Math.min(left, serialJobs * group.window)
}

/** Of a lane that settled so many jobs in so many turns. */
export function workDone(jobs: number, turns: number): number {
  return jobs + jobsPerTurn * turns
}
