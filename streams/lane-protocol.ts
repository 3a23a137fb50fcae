/**
 * Messages between executors, lane holders, leader and services (DESIGN §3 `<realm>.lane.>` and `<realm>.agent.>`; rules P3-P6,
 * P10, P17-P24). Not kept anywhere; every one of them may be lost, late or doubled.
 */
import type { Assignment, JobSpec } from '../machines/execution-group/events.ts'
import type { AddJobs, OpenGroup } from '../machines/execution-group/decide/opening.ts'
import type { LaneArchive } from '../machines/lane/machine.ts'
import type { Outcome } from '../machines/execution-group/decide/locks.ts'
import type { Cause } from './envelope.ts'
import type { ShortGrants, ShortOutcome } from './short-form.ts'

/** What a request builds on (P5): a holder that is behind it is not the holder. */
export interface BuiltOn {
  readonly incarnation: number
  /** Lane number. */
  readonly number: number
}

export interface GrantRef {
  readonly group: string
  /** Revision of its `LockGranted`. */
  readonly grant: number
}

export interface OutcomeReport extends GrantRef {
  readonly job: number
  readonly outcome: Outcome
}

/**
 * `<realm>.lane.<lane>.work`: everything an executor has to say to the holder of a lane, as state (P6). Of one executor and
 * one lane at most one is outstanding (P10).
 */
export interface WorkRequest {
  readonly builtOn: BuiltOn
  readonly agent: string
  readonly instance: string
  /** Grows with each message of the instance to this lane: what an older one says of `capacity` and `held` is out of date (P6). */
  readonly counter?: number
  /** Most grants of this lane that it will hold at once; 0 grants nothing (a stopping agent). */
  readonly capacity: number
  /** Every grant that it holds, begun or not; and those that have ended, while outcomes of them are left for the next list. */
  readonly held: readonly GrantRef[]
  /** Every outcome not yet acknowledged, in the grant's order; of many the first. */
  readonly outcomes: readonly OutcomeReport[]
  /** Grants that it gives back: no call of them runs, and none will (P19). No outcome of them is left for the next list. */
  readonly stopped: readonly GrantRef[]
  /** One job asked for by name. */
  readonly asks?: { readonly group: string; readonly job: number }
  /** It asks for each of its jobs by name, and is told which come next. Since format 2. */
  readonly byName?: true
  /** Grants may be said to this instance in short. */
  readonly readsShort?: true
  /** Instances of this very process before the present one (P17), the latest last: an open grant of theirs that it does not hold is to be said to it, and it gives that back (P19). */
  readonly former?: readonly string[]
}

/** Of older ones a grant waits until it is lost (P18). */
export const formerInstancesLimit = 8

/** As it travels: outcomes in short only where the holder reads them so; another takes it for malformed, and answers nothing. */
export type SentWorkRequest = Omit<WorkRequest, 'outcomes'> & { readonly outcomes: readonly (OutcomeReport | ShortOutcome)[] }

/** The next job of an unfinished group in somebody's queue, whether it could run now or not. */
export interface QueuedJob {
  readonly group: string
  readonly job: number
}

export interface GrantMessage extends GrantRef {
  readonly agent: string
  readonly instance: string
  readonly incarnation: number
  readonly callDeadlineMs: number
  /** Of a group without order: marks and tokens are of each job (P21, P22). Since format 2. */
  readonly unordered?: true
  /** In the order of execution. `chain`: of a retry in a group without order, the first job of its chain. */
  readonly jobs: readonly { readonly job: number; readonly spec: JobSpec; readonly chain?: number }[]
}

export type WorkAnswer =
  /** Believes that it does not hold the lane; the asker goes on waiting for one that does (P5). */
  | { readonly kind: 'not-the-holder' }
  | {
      /** All outcomes and stops of the request are settled and durable (P3, P4): the executor forgets them. */
      readonly kind: 'taken'
      readonly number: number
      /** Unfinished groups of this lane with jobs in the asker's queue. */
      readonly queued: number
      readonly grants: readonly GrantMessage[]
      /** Held by the asker, but not open: to be stopped. */
      readonly stops: readonly GrantRef[]
      /** Held by the asker: the job that runs is to be ended, and the rest given back (a paused group). Since format 2. */
      readonly yields?: readonly GrantRef[]
      /** Answer to `byName`: at most 100, of the highest priority first. */
      readonly queue?: readonly QueuedJob[]
      /** Answer to `asks` when it was refused. */
      readonly refused?: { readonly code: string; readonly text: string }
      /** Further grants, to who reads them so. */
      readonly short?: ShortGrants
      /** Outcomes may be said to this holder in short. */
      readonly readsShort?: true
    }

/** `<realm>.agent.<id>.grants`: the same, unasked, as soon as something is granted or to be stopped. */
export interface GrantsMessage {
  readonly lane: string
  readonly incarnation: number
  readonly number: number
  readonly grants: readonly GrantMessage[]
  readonly stops: readonly GrantRef[]
  readonly yields?: readonly GrantRef[]
  /** Further grants, to who reads them so. */
  readonly short?: ShortGrants
}

/** `<realm>.agent.<id>.assigned`: jobs that are now in the queue of this agent. */
export interface AssignedMessage {
  readonly lane: string
  readonly assignments: readonly ({ readonly group: string } & Omit<Assignment, 'agent'>)[]
}

/** `<realm>.lane.<lane>.announced`: a new holder says so (P6). */
export interface LaneAnnounced {
  readonly lane: string
  readonly agent: string
  readonly instance: string
  readonly incarnation: number
  readonly number: number
}

export type LaneCommandBody =
  | ({ readonly kind: 'open' } & OpenGroup)
  | ({ readonly kind: 'add' } & AddJobs)
  | { readonly kind: 'seal'; readonly plan: string }
  | { readonly kind: 'assign'; readonly assignments: readonly Assignment[]; readonly ifRevision: number }
  /** `assignments`: where its jobs go in the same moment, since an executor that is still there asks for them again at once. */
  | { readonly kind: 'expire'; readonly grant: number; readonly assignments?: readonly Assignment[] }
  | { readonly kind: 'retry' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'prioritize'; readonly priority: number }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'resolve'; readonly job: number; readonly as: 'succeeded' | 'failed' }
  /** Settles `command`: known → its result; else it is recorded as withdrawn and never carried out (P15). */
  | { readonly kind: 'withdraw'; readonly withdrawn: string }
  /** Records that a part of the lane is in a verified file. Since format 2. */
  | ({ readonly kind: 'archive' } & LaneArchive)

/** `<realm>.lane.<lane>.command` */
export interface LaneCommand {
  readonly builtOn: BuiltOn
  /** ULID, where the asker is to be answered with the first result when it repeats (P15); leaders' corrections have none. */
  readonly command?: string
  readonly group: string
  readonly actor: string
  readonly epoch?: number
  readonly cause?: Cause
  readonly correlation?: string
  readonly body: LaneCommandBody
}

export type LaneCommandAnswer =
  | { readonly kind: 'not-the-holder' }
  /** Durable. `revision` of the aggregate after it (or of the first event it once led to, when known already). */
  | { readonly kind: 'done'; readonly group: string; readonly revision: number; readonly number: number; readonly position: number; readonly known?: true }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string }

/** `<realm>.agent.<id>.ping-<lane>` is answered by the lane's actor (P7). */
export interface LanePong {
  readonly lane: string
  readonly agent: string
  readonly instance: string
  /** Of the last acknowledged turn. */
  readonly position: number
  readonly number: number
  /** Requests that wait for a turn. */
  readonly waiting: number
}

/** `<realm>.agent.<id>.release-<lane>`: the mapping names another (P1). */
export interface ReleaseRequest {
  readonly lane: string
  readonly asker: string
  /** Revision of the mapping's key that names the asker. */
  readonly mappingRevision: number
}

export type ReleaseAnswer = { readonly kind: 'released' } | { readonly kind: 'kept'; readonly why: string } | { readonly kind: 'not-the-holder' }

/** `<realm>.agent.<id>.ping`; others send anything. */
export interface FollowerPing {
  /** Agent that would take the leader's place. */
  readonly follower: string
}

export interface AgentPong {
  readonly agent: string
  readonly instance: string
  readonly leading: boolean
  /** Present, but not ready to work [528]; absent: ready. Since format 2. */
  readonly ready?: false
  /** Of a leader to a follower: when it is to ask again, milliseconds. Absent: as the follower likes. */
  readonly againMs?: number
}
