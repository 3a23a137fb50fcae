/**
 * Which format of the realm a shape belongs to (DESIGN §3: nobody writes a newer shape before the realm's format was raised).
 *
 * The table lists what format 1 holds, for ever; whatever is not in it is newer. So a shape that is added later is held back in
 * a realm of format 1 without anybody having to think of it here. Only a third format would need a second table.
 */
import type { RecordedEvent } from '../events.ts'
import { formatVersion } from './realm.ts'

/** Keys of `data` by type, as docs/wire.md lists them for format 1; a list of values where later formats have more of them. */
const formatOne: Readonly<Record<string, Readonly<Record<string, readonly unknown[] | true>>>> = {
  GroupOpened: {
    name: true,
    decision: [1],
    jobs: true,
    parts: true,
    plan: true,
    order: ['strict'],
    mode: ['direct', 'jobs', 'sync'],
    window: true,
    region: true,
    distributionFactor: true,
  },
  JobsAdded: { part: true, jobs: true },
  GroupSealed: {},
  GroupAbandoned: { reason: ['deadline', 'cancelled'] },
  JobsAssigned: { assignments: true },
  LockGranted: { jobs: true, agent: true, instance: true, callDeadlineMs: true },
  LockReturned: { grant: true, why: ['handed-back', 'lost'] },
  JobSucceeded: { job: true, grant: true, already: true },
  JobFailed: { job: true, grant: true, reason: true },
  JobUnknown: { job: true, grant: true, reason: true },
  JobResolved: { job: true, as: ['succeeded', 'failed'] },
  JobRetried: { job: true, retryOf: true },
  JobsCancelled: { jobs: true },
  GroupBlocked: { job: true },
  GroupUnblocked: {},
  GroupCancelRequested: {},
  GroupCancelled: {},
  GroupCompleted: {},
  LaneTaken: { agent: true, instance: true },
  LaneReleased: { agent: true, instance: true, reason: true },
  CommandWithdrawn: { command: true },
  CommandRefused: { command: true, group: true, code: true, text: true },
  RealmFounded: { format: true, realm: true, constants: true, digest: true },
  LanesDefined: { region: true, lanes: true },
  LeaderElected: { agent: true, instance: true },
  WeakDurabilityAccepted: { level: true, why: true },
  AgentStarted: { instance: true, role: true, region: true, skills: true, build: true },
  AgentStopped: { instance: true },
  AgentLost: { instance: true },
  SiteAdded: { kind: true, address: true, region: true, fencing: true },
  SiteRemoved: {},
  InstructionTaken: { lane: true, plan: true, text: true, name: true, window: true, distributionFactor: true, mode: true },
  InstructionRefused: { text: true, code: true, why: true },
}

const jobKeys: ReadonlySet<string> = new Set(['site', 'service', 'operation', 'skill', 'repeatable'])

/** The lowest format whose realms may hold the event. */
export function formatOf(event: RecordedEvent): number {
  const keys = formatOne[event.type]
  if (keys === undefined) return formatVersion
  for (const [key, value] of Object.entries(event.data as Record<string, unknown>)) {
    if (value === undefined) continue
    const known = keys[key]
    if (known === undefined || (known !== true && !known.includes(value))) return formatVersion
  }
  if (event.type === 'JobsAdded') {
    const { jobs } = event.data as { readonly jobs: readonly object[] }
    for (const job of jobs) for (const key of Object.keys(job)) if (!jobKeys.has(key)) return formatVersion
  }
  return 1
}

/**
 * The format that the realm lacks for these events, undefined where it holds them all. A founding or raising among them
 * counts for itself and for what follows it in the same commit.
 */
export function missingFormat(format: number, events: readonly RecordedEvent[]): number | undefined {
  if (format >= formatVersion) return undefined
  let allowed = format
  for (const event of events) {
    if (event.type === 'RealmFounded' || event.type === 'FormatRaised') {
      allowed = Math.max(allowed, (event.data as { readonly format: number }).format)
      continue
    }
    const needed = formatOf(event)
    if (needed > allowed) return needed
  }
  return undefined
}
