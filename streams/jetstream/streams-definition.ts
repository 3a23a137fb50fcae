/**
 * What the streams of a realm are (DESIGN §3), and the comparison of what stands on a server with it. Every program compares
 * each field listed here at its start and refuses to write when one differs. Not listed, so free to differ: metadata, replicas,
 * placement, description.
 */
import type { Subjects } from '../subjects.ts'
import { bucketKinds } from '../subjects.ts'
import type { BucketKind } from '../subjects.ts'
import { Unavailable } from '../ports/event-log.ts'
import { apiCodes } from './error-codes.ts'
import type { Link } from './link.ts'
import { RefusedByServer } from './link.ts'

export type FieldValue = string | number | boolean | readonly string[] | Readonly<Record<string, string>> | null

export interface StreamDefinition {
  readonly name: string
  /** Compared field by field. */
  readonly fields: Readonly<Record<string, FieldValue>>
}

const nanosPerSecond = 1_000_000_000
/** Unused (no `Nats-Msg-Id` on EVENTS), the server's default, listed so that nobody tunes it unseen. */
const duplicateWindowNanos = 120 * nanosPerSecond
/** How long a marker of an expired or deleted key stays: longer than any process is paused and then repeats a `createOnce` (P17). */
export const markerTtlSeconds = 24 * 60 * 60

const unlimited = {
  max_consumers: -1,
  max_msgs: -1,
  max_bytes: -1,
  max_age: 0,
  max_msg_size: -1,
} as const

/** Fields that a server leaves out of its answer when they are off. */
const offByDefault = {
  no_ack: false,
  sealed: false,
  mirror_direct: false,
  allow_msg_ttl: false,
  allow_msg_schedules: false,
  allow_msg_counter: false,
  allow_atomic: false,
  allow_batched: false,
  discard_new_per_subject: false,
  subject_delete_marker_ttl: 0,
  /** I8: `async` acknowledges before anything is written. */
  persist_mode: 'default',
  mirror: null,
  sources: null,
  republish: null,
  subject_transform: null,
} as const

export function eventsDefinition(subjects: Subjects, incarnation: number): StreamDefinition {
  return {
    name: subjects.streamName(incarnation),
    fields: {
      ...unlimited,
      ...offByDefault,
      subjects: [subjects.allEvents],
      retention: 'limits',
      storage: 'file',
      discard: 'new',
      max_msgs_per_subject: -1,
      duplicate_window: duplicateWindowNanos,
      compression: 'none',
      allow_direct: false,
      // Deletes single messages in spite of a log; purging by subject is what archiving does.
      deny_delete: true,
      deny_purge: false,
      allow_rollup_hdrs: false,
    },
  }
}

/** As the KV clients of NATS make and read it, so that `nats kv` shows it. */
export function bucketDefinition(subjects: Subjects, kind: BucketKind): StreamDefinition {
  const bucket = subjects.bucketName(kind)
  const expires = kind === 'lease' || kind === 'agents'
  return {
    name: `KV_${bucket}`,
    fields: {
      ...unlimited,
      ...offByDefault,
      subjects: [`$KV.${bucket}.>`],
      retention: 'limits',
      storage: 'file',
      discard: 'new',
      max_msgs_per_subject: 1,
      duplicate_window: duplicateWindowNanos,
      compression: 'none',
      // Reads go to the leader: an answer of a follower may be old.
      allow_direct: false,
      deny_delete: true,
      deny_purge: false,
      allow_rollup_hdrs: true,
      ...(expires && { allow_msg_ttl: true, subject_delete_marker_ttl: markerTtlSeconds * nanosPerSecond }),
    },
  }
}

/** One message a subject: a later alarm of a trigger replaces the earlier. The server rolls schedules up by subject. */
export function schedulesDefinition(subjects: Subjects): StreamDefinition {
  return {
    name: subjects.schedulesName,
    fields: {
      ...unlimited,
      ...offByDefault,
      subjects: [subjects.allAlarms],
      retention: 'limits',
      storage: 'file',
      // The server takes no schedules with another; without limits nothing is discarded.
      discard: 'old',
      max_msgs_per_subject: 1,
      duplicate_window: duplicateWindowNanos,
      compression: 'none',
      allow_direct: false,
      deny_delete: false,
      deny_purge: false,
      allow_rollup_hdrs: true,
      allow_msg_schedules: true,
    },
  }
}

export interface FieldDifference {
  readonly stream: string
  readonly field: string
  readonly expected: FieldValue
  readonly actual: unknown
}

/** Fields of `actual` (the `config` of a stream as the server tells it) that differ from the definition. */
export function differences(definition: StreamDefinition, actual: Readonly<Record<string, unknown>>): readonly FieldDifference[] {
  const found: FieldDifference[] = []
  for (const [field, expected] of Object.entries(definition.fields)) {
    const value = actual[field] ?? (offByDefault as Readonly<Record<string, FieldValue>>)[field] ?? null
    const same = field === 'sources' && Array.isArray(value) && value.length === 0 ? expected === null : JSON.stringify(value) === JSON.stringify(expected)
    if (!same) found.push({ stream: definition.name, field, expected, actual: value })
  }
  return found
}

/** A stream is not what this program may write to. */
export class WrongDefinition extends Error {
  override readonly name = 'WrongDefinition'
  readonly retryable = false
  readonly differences: readonly FieldDifference[]
  constructor(found: readonly FieldDifference[]) {
    const [first] = found as readonly [FieldDifference]
    const more = found.length > 1 ? ` (and ${found.length - 1} more)` : ''
    super(
      `stream ${first.stream} has ${first.field} = ${JSON.stringify(first.actual)} where ${JSON.stringify(first.expected)} is needed${more}: ` +
        'nothing is written to it; restore its configuration, "reeve doctor" lists every field',
    )
    this.differences = found
  }
}

/** The realm has no stream on these servers and was not to be created. */
export class NoSuchRealm extends Error {
  override readonly name = 'NoSuchRealm'
  readonly retryable = false
}

export interface StreamReport {
  readonly stream: string
  readonly present: boolean
  readonly replicas: number | undefined
  readonly differences: readonly FieldDifference[]
}

interface InfoAnswer {
  readonly config: Readonly<Record<string, unknown>>
}

export function realmDefinitions(subjects: Subjects, incarnation: number): readonly StreamDefinition[] {
  return [eventsDefinition(subjects, incarnation), schedulesDefinition(subjects), ...bucketKinds.map((kind) => bucketDefinition(subjects, kind))]
}

/** What stands on the server beside what should, for `doctor`. Throws `Unavailable`. */
export async function reportOf(link: Link, definition: StreamDefinition): Promise<StreamReport> {
  const config = await configOf(link, definition.name)
  return {
    stream: definition.name,
    present: config !== undefined,
    replicas: config === undefined ? undefined : (config['num_replicas'] as number),
    differences: config === undefined ? [] : differences(definition, config),
  }
}

/** `config` of a stream, undefined where there is none. Throws `Unavailable`. */
export async function configOf(link: Link, stream: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const answer = await link.api<InfoAnswer>(`STREAM.INFO.${stream}`)
  if (answer.ok) return answer.value.config
  if (answer.error.err_code === apiCodes.streamNotFound) return undefined
  throw refusal(`describe stream ${stream}`, answer.error)
}

/** Creates what is missing where `create`, and compares each listed field. Throws `WrongDefinition`, `NoSuchRealm`, `Unavailable`. */
export async function ensureStream(link: Link, definition: StreamDefinition, create: boolean, replicas: number): Promise<void> {
  let config = await configOf(link, definition.name)
  if (config === undefined) {
    if (!create) throw new NoSuchRealm(`there is no stream ${definition.name} on this server: start the realm first, or check the name and the URL`)
    const { persist_mode: _, mirror: _m, sources: _s, republish: _r, subject_transform: _t, ...wanted } = definition.fields
    const answer = await link.api<InfoAnswer>(`STREAM.CREATE.${definition.name}`, { name: definition.name, ...wanted, num_replicas: replicas })
    if (answer.ok) config = answer.value.config
    // Another program was faster, with another number of replicas perhaps.
    else if (answer.error.err_code === apiCodes.streamNameInUse) config = (await configOf(link, definition.name)) ?? {}
    else throw refusal(`create stream ${definition.name}`, answer.error)
  }
  const found = differences(definition, config)
  if (found.length > 0) throw new WrongDefinition(found)
}

function refusal(what: string, error: { readonly code: number; readonly err_code: number; readonly description: string }): Error {
  return error.code >= 500 ? new Unavailable(`the server cannot ${what} now: ${error.description}`) : new RefusedByServer(what, error)
}

/** Highest incarnation of the realm's log on this server (P12), undefined where there is no log yet. Throws `Unavailable`. */
export async function findIncarnation(link: Link, subjects: Subjects): Promise<number | undefined> {
  const found = await findIncarnations(link, subjects)
  return found.length === 0 ? undefined : Math.max(...found)
}

/** All of them, in no order; also one that is being made. Throws `Unavailable`. */
export async function findIncarnations(link: Link, subjects: Subjects): Promise<number[]> {
  const prefix = subjects.streamName(1).slice(0, -1)
  const found = new Set<number>()
  for (let offset = 0; ; ) {
    const answer = await link.api<{ readonly total: number; readonly streams: readonly string[] | null }>('STREAM.NAMES', { offset })
    if (!answer.ok) throw refusal('list its streams', answer.error)
    const names = answer.value.streams ?? []
    for (const name of names) {
      const number = name.startsWith(prefix) ? name.slice(prefix.length) : ''
      if (/^[1-9]\d{0,8}$/.test(number)) found.add(Number(number))
    }
    offset += names.length
    if (names.length === 0 || offset >= answer.value.total) return [...found]
  }
}
