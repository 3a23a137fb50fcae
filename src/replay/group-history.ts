/** An execution group's history: the exclusive state in short between its events. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { foldCommitInto } from '../../machines/execution-group/evolve.ts'
import { type ExclusiveState, exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { type GroupState, absentGroup } from '../../machines/execution-group/state.ts'
import type { Folding } from './walk.ts'

/** Of the exclusive state, what changes from one event to the next. */
export type GroupShown = Pick<
  ExclusiveState,
  'name' | 'phase' | 'revision' | 'jobs' | 'position' | 'executed' | 'executing' | 'pending' | 'cancelled' | 'lock' | 'fault'
> & Pick<ExclusiveState, 'locks'> & {
  /** Numbers of jobs that failed, replaced ones too. */
  readonly failed: readonly number[]
  readonly unknown: number | null
  /** Only without order: all of them. */
  readonly notKnown?: readonly number[]
}

export function groupFolding(group: string): Folding<GroupState, GroupShown> {
  return {
    empty: () => absentGroup(group),
    // One event is a commit of its own here: its revision says whether it follows.
    fold: (state, { revision, event }) => foldCommitInto(state, revision, [event as GroupEvent]),
    // Details of jobs are never changed, only added: they are shared.
    copy: ({ specs, ...rest }) => ({ ...copied(rest), specs: [...specs] }),
    shown(state) {
      const { name, phase, revision, jobs, position, executed, executing, pending, cancelled, lock, locks, fault, failed, unknown, unknowns } = exclusiveStateOf(state)
      return {
        ...structuredClone({ name, phase, revision, jobs, position, executed, executing, pending, cancelled, lock, fault }),
        failed: failed.map(({ job }) => job),
        unknown: unknown?.job ?? null,
        ...(locks === undefined ? {} : { locks: structuredClone(locks) }),
        ...(unknowns === undefined ? {} : { notKnown: unknowns.map(({ job }) => job) }),
      }
    },
  }
}

/** Of plain values. Lists of numbers, which a large graph holds by the hundred thousand, are copied whole, which `structuredClone` is slow at. */
function copied<T>(value: T): T {
  if (Array.isArray(value)) return (value.some((item) => typeof item === 'object') ? value.map(copied) : value.slice()) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, copied(entry)])) as T
}
