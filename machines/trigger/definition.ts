/**
 * What a trigger says (agents.md "Job trigger", claim 10): the change, the order of its jobs, when, what happens to a missed time or
 * to one that falls into the run before, priority, monitoring. Shapes stand in the log: for ever.
 */
import { sizeBytes, textLimitBytes } from '../execution-group/limits.ts'
import type { Operation } from '../service/operation.ts'

/** What `change.apply` takes, without its mode (always `jobs`) and who asks. The terms are judged by who plans the run. */
export interface TriggeredChange {
  readonly selector: object
  readonly operation: Operation
  readonly [term: string]: unknown
}

export interface TriggerTimes {
  /** Once-at: integer milliseconds since the Unix epoch, rising. */
  readonly atMs?: readonly number[]
  /** Five fields, in local time of an IANA zone. */
  readonly cron?: { readonly pattern: string; readonly zone: string }
}

export const missedActions = ['run-now', 'skip', 'alternate', 'fail'] as const
export const overlapActions = ['skip', 'queue', 'replace'] as const
export const reportedOnWish = ['timeout', 'silent', 'blocked', 'failed', 'succeeded'] as const
export type ReportedOnWish = (typeof reportedOnWish)[number]

export interface Monitoring {
  /** From the start of a run, milliseconds. */
  readonly timeoutMs?: number
  /** Longest time without any event of the run's group, milliseconds. */
  readonly heartbeatMs?: number
  readonly report: readonly ReportedOnWish[]
}

export interface TriggerDefinition {
  readonly name: string
  readonly change: TriggeredChange
  readonly when: TriggerTimes
  /** -100 to 100, higher first; absent: 0. */
  readonly priority?: number
  readonly missed: {
    readonly action: (typeof missedActions)[number]
    /** A nominal time that is decided later than so many milliseconds after it counts as missed. */
    readonly graceMs: number
    /** With `alternate`. */
    readonly change?: TriggeredChange
  }
  readonly overlap: {
    readonly action: (typeof overlapActions)[number]
    /** With `queue`: most that wait. */
    readonly limit?: number
  }
  readonly monitoring?: Monitoring
}

export const definitionLimitBytes = 64 * 1024
export const onceLimit = 100
export const waitingLimit = 100
export const priorityLimit = 100
/** 9999-12-31T23:59:59.999Z: what is later has no text of four digits of the year, and past 8.64e15 it is no time at all. */
export const lastTimeMs = 253_402_300_799_999
/** A year: longest of any duration in a definition. */
export const longestMs = 366 * 24 * 60 * 60 * 1000

/** First thing wrong with a definition, in one line; undefined when nothing is. The pattern and the zone are judged by who can compute with them. */
export function definitionFault(definition: TriggerDefinition): string | undefined {
  const { name, when, priority = 0, missed, overlap, monitoring } = definition
  if (name === '' || sizeBytes(name) > textLimitBytes) return `a trigger's name takes 1 to ${textLimitBytes} bytes`
  const atMs = when.atMs ?? []
  if (when.atMs === undefined && when.cron === undefined) return 'a trigger needs a time: once-at times, a cron expression, or both'
  if (when.atMs !== undefined && (atMs.length === 0 || atMs.length > onceLimit)) return `a trigger takes 1 to ${onceLimit} once-at times, not ${atMs.length}`
  if (!atMs.every((time, index) => whole(time, 0, lastTimeMs) && (index === 0 || time > atMs[index - 1]!))) {
    return 'once-at times are whole milliseconds since the Unix epoch, at most those of the year 9999, each later than the one before'
  }
  if (!whole(priority, -priorityLimit, priorityLimit)) return `priority ${priority}: give a whole number from -${priorityLimit} to ${priorityLimit}`
  if (!whole(missed.graceMs, 0, longestMs)) return `grace of ${missed.graceMs} ms: give a whole number from 0 to ${longestMs}`
  if ((missed.action === 'alternate') !== (missed.change !== undefined)) {
    return missed.change === undefined ? 'the missed-time action "alternate" needs the other change' : `the missed-time action "${missed.action}" takes no other change`
  }
  if ((overlap.action === 'queue') !== (overlap.limit !== undefined)) {
    return overlap.limit === undefined ? 'the overlap action "queue" needs a limit' : `the overlap action "${overlap.action}" takes no limit`
  }
  if (overlap.limit !== undefined && !whole(overlap.limit, 1, waitingLimit)) return `a limit of ${overlap.limit}: give a whole number from 1 to ${waitingLimit}`
  for (const [what, ms] of [['timeout', monitoring?.timeoutMs], ['heartbeat', monitoring?.heartbeatMs]] as const) {
    if (ms !== undefined && !whole(ms, 1, longestMs)) return `${what} of ${ms} ms: give a whole number from 1 to ${longestMs}`
  }
  if (sizeBytes(definition) > definitionLimitBytes) return `a trigger's definition takes at most ${definitionLimitBytes} bytes; select by folder, group or name`
  return undefined
}

function whole(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}
