/** The event log on the stream EVENTS. */
import { LogMissing, Unavailable } from '../ports/event-log.ts'
import type { AppendOutcome, AppendRequest, EventLog, ReadOptions, StoredMessage } from '../ports/event-log.ts'
import { apiCodes, appendOutcomeOfCode, noRoomCodes } from './error-codes.ts'
import type { Link } from './link.ts'
import { parseApiAnswer } from './link.ts'
import { OrderedPull, mostRequestMessages } from './ordered-pull.ts'
import { type LeaderMessage, type MessageQuery, StreamMissing, messageFromLeader } from './stored.ts'

/** What may wait for whoever iterates before no more is asked for. */
const queueLimit = 32_768
const queueLimitBytes = 16 * 1024 * 1024
/** A purge of very many messages takes its time. */
const purgeMs = 60_000

export class JetStreamEventLog implements EventLog {
  readonly incarnation: number
  readonly stream: string
  readonly #link: Link
  readonly #onOutcome: (outcome: AppendOutcome) => void

  /** `onOutcome` hears what became of every attempt. */
  constructor(link: Link, stream: string, incarnation: number, onOutcome: (outcome: AppendOutcome) => void = () => {}) {
    this.#link = link
    this.#onOutcome = onOutcome
    this.stream = stream
    this.incarnation = incarnation
  }

  async append(request: AppendRequest): Promise<AppendOutcome> {
    const outcome = await this.#attempt(request)
    this.#onOutcome(outcome)
    return outcome
  }

  async #attempt(request: AppendRequest): Promise<AppendOutcome> {
    const exchanged = await this.#link.exchange(request.subject, request.bytes, {
      timeoutMs: this.#link.answerTimeoutMs,
      headers: {
        'Nats-Expected-Stream': this.stream,
        'Nats-Expected-Last-Subject-Sequence': String(request.expectedLast),
      },
    })
    switch (exchanged.kind) {
      case 'offline':
        return { kind: 'unavailable', reason: 'not connected', about: 'connection' }
      case 'too-large':
        return { kind: 'unavailable', reason: exchanged.reason }
      case 'no-responders':
        return { kind: 'unavailable', reason: 'no stream takes this subject now' }
      case 'timeout':
        return { kind: 'indeterminate', reason: exchanged.kind }
      case 'disconnected':
        return { kind: 'indeterminate', reason: exchanged.kind, about: 'connection' }
      case 'answer': {
        const answer = parseApiAnswer<{ readonly seq: number }>(exchanged.message.data)
        if (answer.ok) return { kind: 'landed', position: answer.value.seq }
        const kind = appendOutcomeOfCode.get(answer.error.err_code) ?? 'indeterminate'
        const reason = `${answer.error.description} (${answer.error.err_code})`
        if (kind !== 'unavailable' && kind !== 'indeterminate') return { kind }
        return { kind, reason, ...(noRoomCodes.has(answer.error.err_code) && { about: 'room' }) }
      }
    }
  }

  async last(subject: string): Promise<StoredMessage | undefined> {
    return this.#message({ last_by_subj: subject })
  }

  async first(subject: string): Promise<StoredMessage | undefined> {
    return this.#message({ seq: 1, next_by_subj: subject })
  }

  async purge(subject: string, upTo: number): Promise<void> {
    const last = await this.last(subject)
    if (last === undefined) return
    // The server purges what is before `seq`. The last message only ever gets a higher position.
    const answer = await this.#link.api(`STREAM.PURGE.${this.stream}`, { filter: subject, seq: Math.min(upTo + 1, last.position) }, purgeMs)
    if (answer.ok) return
    if (answer.error.err_code === apiCodes.streamNotFound) throw new LogMissing(this.stream)
    throw new Unavailable(`stream ${this.stream} was not purged: ${answer.error.description} (${answer.error.err_code})`)
  }

  async at(position: number): Promise<StoredMessage | undefined> {
    return this.#message({ seq: position })
  }

  async end(): Promise<number> {
    const answer = await this.#link.api<{ readonly state: { readonly last_seq: number } }>(`STREAM.INFO.${this.stream}`)
    if (answer.ok) return answer.value.state.last_seq
    if (answer.error.err_code === apiCodes.streamNotFound) throw new LogMissing(this.stream)
    throw new Unavailable(`stream ${this.stream} does not say where it ends: ${answer.error.description} (${answer.error.err_code})`)
  }

  async #message(query: MessageQuery): Promise<StoredMessage | undefined> {
    try {
      return toStored(await messageFromLeader(this.#link, this.stream, query))
    } catch (error) {
      throw error instanceof StreamMissing ? new LogMissing(this.stream) : error
    }
  }

  async *read(options: ReadOptions): AsyncGenerator<readonly StoredMessage[]> {
    const { subjects, until = Infinity, signal, aheadBytes = queueLimitBytes, aheadMessages = queueLimit } = options
    let next = Math.max(1, options.from)
    if (next > until || signal?.aborted) return
    let queue: StoredMessage[] = []
    let queuedBytes = 0
    let done = false
    let failure: unknown
    let wake = () => {}
    let checking = false
    const link = this.#link

    const finish = (error?: unknown) => {
      done = true
      failure ??= error
      wake()
    }
    /** A bounded read whose last match lies before `until` ends when the log is past it and its leader knows of no more. */
    const checkEnd = async () => {
      if (until === Infinity || checking || done) return
      checking = true
      try {
        const from = next
        if ((await this.end()) >= until && !(await this.#anyMatch(subjects, from, until)) && from === next) finish()
      } catch (error) {
        // Asked again at the next heartbeat.
        if (!(error instanceof Unavailable)) finish(error)
      } finally {
        checking = false
      }
    }

    const pull = new OrderedPull({
      link,
      stream: this.stream,
      where: () => ({
        deliver_policy: 'by_start_sequence',
        opt_start_seq: next,
        ...(subjects.length === 1 && { filter_subject: subjects[0] }),
        ...(subjects.length > 1 && { filter_subjects: subjects }),
      }),
      onMessage: (message, { sequence, storedMs, pending }) => {
        if (done) return
        if (sequence <= until) {
          next = sequence + 1
          const bytes = message.data
          queue.push({ subject: message.subject, position: sequence, bytes, storedMs })
          queuedBytes += bytes.length
        }
        if (sequence >= until) finish()
        else {
          if (pending === 0) void checkEnd()
          if (queue.length === 1) wake()
        }
      },
      onStart: (pending) => {
        if (pending === 0) void checkEnd()
      },
      onIdle: () => void checkEnd(),
      onMissing: () => {
        finish(new LogMissing(this.stream))
        return true
      },
      onRefused: (error) => {
        finish(error)
        return true
      },
      full: () => queue.length >= aheadMessages || queuedBytes >= aheadBytes,
      requestBytes: Math.floor(aheadBytes / 2),
      requestMessages: Math.min(mostRequestMessages, Math.floor(aheadMessages / 2)),
    })
    const abort = () => {
      queue = []
      finish()
    }
    signal?.addEventListener('abort', abort)
    const stopFollowing = link.onState(() => {
      if (link.closed) abort()
    })
    try {
      while (true) {
        if (queue.length > 0) {
          const batch = queue
          queue = []
          queuedBytes = 0
          pull.refill()
          yield batch
          continue
        }
        if (done) break
        await new Promise<void>((resolve) => (wake = resolve))
      }
      if (failure !== undefined) throw failure
    } finally {
      pull.stop()
      stopFollowing()
      signal?.removeEventListener('abort', abort)
    }
  }

  async #anyMatch(subjects: readonly string[], from: number, until: number): Promise<boolean> {
    for (const subject of subjects.length === 0 ? ['>'] : subjects) {
      const found = await messageFromLeader(this.#link, this.stream, { seq: from, next_by_subj: subject })
      if (found !== undefined && found.sequence <= until) return true
    }
    return false
  }
}

function toStored(message: LeaderMessage | undefined): StoredMessage | undefined {
  return message && { subject: message.subject, position: message.sequence, bytes: message.data, storedMs: message.storedMs }
}

