/**
 * Alarms as scheduled messages of the stream SCHEDULES (ADR-51). Only `@at` is used: an occurrence of a cron schedule that falls into
 * a gap is dropped by the server without a word.
 */
import type { Alarm, AlarmOutcome, AlarmWatch, Alarms } from '../ports/alarms.ts'
import type { Subjects } from '../subjects.ts'
import { fromBytes, toBytes } from '../coordination.ts'
import { Unavailable } from '../ports/event-log.ts'
import { apiCodes } from './error-codes.ts'
import type { Link } from './link.ts'
import { RefusedByServer, parseApiAnswer } from './link.ts'
import { OrderedPull } from './ordered-pull.ts'

interface SubjectsAnswer {
  readonly state: { readonly subjects?: Readonly<Record<string, number>> | null }
  readonly total?: number
}

/** The server keeps times as nanoseconds in 64 bits, up to the year 2262. An alarm may come early (it says only that somebody should look). */
const lastAlarmMs = Date.UTC(2200, 0, 1)

export class JetStreamAlarms implements Alarms {
  readonly #link: Link
  readonly #stream: string
  readonly #subjects: Subjects

  constructor(link: Link, subjects: Subjects) {
    this.#link = link
    this.#stream = subjects.schedulesName
    this.#subjects = subjects
  }

  async set(trigger: string, atMs: number): Promise<AlarmOutcome> {
    const exchanged = await this.#link.exchange(this.#subjects.alarm(trigger), toBytes({ trigger, atMs } satisfies Alarm), {
      timeoutMs: this.#link.answerTimeoutMs,
      headers: { 'Nats-Schedule': `@at ${new Date(Math.min(atMs, lastAlarmMs)).toISOString()}`, 'Nats-Schedule-Target': this.#subjects.alarmDue(trigger) },
    })
    if (exchanged.kind !== 'answer') return { kind: 'indeterminate' }
    const answer = parseApiAnswer<{ readonly seq: number }>(exchanged.message.data)
    if (answer.ok) return { kind: 'done' }
    if (answer.error.code >= 500) return { kind: 'indeterminate' }
    throw new RefusedByServer(`set the alarm of trigger ${trigger}`, answer.error)
  }

  async cancel(trigger: string): Promise<AlarmOutcome> {
    // The alarm first: one that fires in between leaves what is purged then.
    for (const filter of [this.#subjects.alarm(trigger), this.#subjects.alarmDue(trigger)]) {
      try {
        const answer = await this.#link.api(`STREAM.PURGE.${this.#stream}`, { filter })
        if (!answer.ok && answer.error.code >= 500) return { kind: 'indeterminate' }
        if (!answer.ok) throw new RefusedByServer(`cancel the alarm of trigger ${trigger}`, answer.error)
      } catch (error) {
        if (error instanceof Unavailable) return { kind: 'indeterminate' }
        throw error
      }
    }
    return { kind: 'done' }
  }

  async pending(): Promise<ReadonlySet<string>> {
    const found = new Set<string>()
    for (let offset = 0; ; ) {
      const answer = await this.#link.api<SubjectsAnswer>(`STREAM.INFO.${this.#stream}`, { subjects_filter: this.#subjects.alarm('*'), offset })
      if (!answer.ok) {
        if (answer.error.code >= 500 || answer.error.err_code === apiCodes.streamNotFound) throw new Unavailable(`the alarms cannot be read: ${answer.error.description}`)
        throw new RefusedByServer('list the alarms', answer.error)
      }
      const names = Object.keys(answer.value.state.subjects ?? {})
      for (const name of names) found.add(name.slice(name.lastIndexOf('.') + 1))
      offset += names.length
      if (names.length === 0 || offset >= (answer.value.total ?? 0)) return found
    }
  }

  watch(onDue: (alarm: Alarm) => void): AlarmWatch {
    const pull = new OrderedPull({
      link: this.#link,
      stream: this.#stream,
      where: () => ({ deliver_policy: 'last_per_subject', filter_subject: this.#subjects.alarmDue('*') }),
      onStart: () => {},
      onMessage: (message) => {
        const alarm = alarmOf(message.data)
        if (alarm !== undefined) onDue(alarm)
      },
      onIdle: () => {},
      // Made anew by the next program that starts; until then, and where it may not be read, whoever leads looks without being called.
      onMissing: () => false,
      onRefused: () => false,
      full: () => false,
    })
    return { stop: () => pull.stop() }
  }
}

/** Undefined for what nobody of Reeve set. */
function alarmOf(data: Uint8Array): Alarm | undefined {
  try {
    const { trigger, atMs } = fromBytes<Partial<Alarm>>(data)
    return typeof trigger === 'string' && typeof atMs === 'number' ? { trigger, atMs } : undefined
  } catch {
    return undefined
  }
}
