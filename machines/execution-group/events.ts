/**
 * Events of an execution group, as they stand in the log: for ever (`docs/wire.md`). Jobs are named by number (P16): 1… in
 * the order added. `grant` is the revision of the group's `LockGranted`, the fencing token's last part (DESIGN §2).
 */
import type { Operation } from '../service/operation.ts'

/** A run of consecutive job numbers, first and last. */
export type Run = readonly [first: number, last: number]

export interface JobSpec {
  readonly site: string
  /** The site's own id of the service. */
  readonly service: string
  readonly operation: Operation
  /** Skill [114] for this job, where it needs or prefers one. */
  readonly skill?: { readonly name: string; readonly need: 'required' | 'preferred' }
  /** False where doing it twice may harm and no idempotency key protects it: never repeated by itself (I9). */
  readonly repeatable: boolean
  /** Runs of jobs that must be settled before it; only in a group of order `graph`. Since format 2. */
  readonly after?: readonly Run[]
  /** What undoes it; only in a group that compensates. Since format 2. */
  readonly compensate?: Operation
}

export interface Assignment {
  readonly first: number
  readonly last: number
  readonly agent: string
}

/** How a job ended that did not succeed; `code` is stable, `text` is one line for a person, at most 2 KiB (P16). */
export interface Reason {
  readonly code: string
  readonly text: string
  /** SHA-256 (lower-case hex) of a longer account in `<realm>_texts`, stored before the event (P16). */
  readonly full?: string
}

/**
 * How the change is carried out (agents.md [342]). direct: by the service interface itself, one job, never granted anew
 * (P26). jobs: by agents. sync: by agents for the sync job, so that its successes set no desired value (DESIGN §3).
 */
export type GroupMode = 'direct' | 'jobs' | 'sync'

/**
 * strict: in the order of the queue. graph: as each job's `after` says. One grant is open at a time in either (I1). none: no job waits for
 * another, and one grant is open at a time of each job.
 */
export type GroupOrder = 'strict' | 'graph' | 'none'

/** Which agents may work for the group. */
export type GroupAgents = 'skilled' | 'generic'

/** What a failed job does to its group: stops it until somebody decides, counts as settled, or has everything undone. */
export type FailurePolicy = 'stop' | 'continue' | 'compensate'

/** The nominal time of the trigger that opened the group, integer milliseconds since the Unix epoch. */
export interface TriggerRun {
  readonly trigger: string
  readonly atMs: number
}

/** Keys of `GroupOpened` that format 1 does not know; absent: as there. */
export interface GroupTerms {
  /** Whole number, -100 to 100; absent: 0. A higher one goes first. */
  readonly priority?: number
  /** Absent: any. */
  readonly agents?: GroupAgents
  /** Absent: stop. */
  readonly onFailure?: Exclude<FailurePolicy, 'stop'>
  readonly trigger?: TriggerRun
}

export type GroupEvent =
  | {
      readonly type: 'GroupOpened'
      readonly data: {
        readonly name: string
        /** Version of `decide` that this group is decided by, for life. */
        readonly decision: number
        /** How many jobs and parts follow, and the SHA-256 (lower-case hex) of the plan's bytes (P14). */
        readonly jobs: number
        readonly parts: number
        readonly plan: string
        readonly order: GroupOrder
        readonly mode: GroupMode
        /** Most jobs of one grant. */
        readonly window: number
        /** Region that its sites are in; placement prefers agents there. */
        readonly region: string
        /** Percentage of the mapped agents over which the jobs are spread, 1 to 100. */
        readonly distributionFactor: number
      } & GroupTerms
    }
  | { readonly type: 'JobsAdded'; readonly data: { readonly part: number; readonly jobs: readonly JobSpec[] } }
  | { readonly type: 'GroupSealed'; readonly data: Record<string, never> }
  | { readonly type: 'GroupAbandoned'; readonly data: { readonly reason: 'deadline' | 'cancelled' } }
  | { readonly type: 'JobsAssigned'; readonly data: { readonly assignments: readonly Assignment[] } }
  | {
      readonly type: 'LockGranted'
      readonly data: {
        readonly jobs: readonly Run[]
        readonly agent: string
        readonly instance: string
        readonly callDeadlineMs: number
      }
    }
  | {
      readonly type: 'LockReturned'
      readonly data: {
        readonly grant: number
        /** handed-back: the executor stopped before it began, or says that no call runs (P19). lost: its presence ended (P18). */
        readonly why: 'handed-back' | 'lost'
      }
    }
  | { readonly type: 'JobSucceeded'; readonly data: { readonly job: number; readonly grant: number; readonly already?: true } }
  | { readonly type: 'JobFailed'; readonly data: { readonly job: number; readonly grant: number; readonly reason: Reason } }
  | { readonly type: 'JobUnknown'; readonly data: { readonly job: number; readonly grant: number; readonly reason: Reason } }
  | { readonly type: 'JobResolved'; readonly data: { readonly job: number; readonly as: 'succeeded' | 'failed' } }
  | { readonly type: 'JobRetried'; readonly data: { readonly job: number; readonly retryOf: number } }
  | { readonly type: 'JobsCancelled'; readonly data: { readonly jobs: readonly Run[] } }
  | { readonly type: 'GroupBlocked'; readonly data: { readonly job: number } }
  | { readonly type: 'GroupUnblocked'; readonly data: Record<string, never> }
  | { readonly type: 'GroupPaused'; readonly data: Record<string, never> }
  | { readonly type: 'GroupResumed'; readonly data: Record<string, never> }
  | { readonly type: 'GroupPrioritized'; readonly data: { readonly priority: number } }
  /** `job` failed, and what succeeded is undone: in `of`, runs from a high number to a low one, in the reverse order of success. */
  | { readonly type: 'CompensationBegun'; readonly data: { readonly job: number; readonly of: readonly Run[] } }
  | { readonly type: 'GroupCompensated'; readonly data: Record<string, never> }
  | { readonly type: 'GroupCancelRequested'; readonly data: Record<string, never> }
  | { readonly type: 'GroupCancelled'; readonly data: Record<string, never> }
  | { readonly type: 'GroupCompleted'; readonly data: Record<string, never> }

export type GroupEventType = GroupEvent['type']
