/**
 * What the simulated site holds, folded from its journal. Owns services, calls, marks and keys.
 *
 * 1. Only `fold` changes anything, and only journal lines reach it: after a crash the fold of the file gives the same again.
 * 2. `mark(scope)` is the highest token that ever arrived in the scope (P22).
 * 3. A key has one settled call at most: the first that began and ended `done`, `already` or with a refusal that stays.
 */
import type { Service } from '../../../machines/service/model.ts'
import type { FencingToken } from '../adapter.ts'
import type { JournalLine } from './journal.ts'
import type { CallOutcome, JournalEntry } from './protocol.ts'
import { seededService } from './seed.ts'

type MutableEntry = { -readonly [K in keyof JournalEntry]: JournalEntry[K] }

export class Store {
  #name = ''
  readonly #services = new Map<string, Service>()
  readonly #texts = new Map<string, string>()
  #sortedIds: string[] | undefined
  readonly #calls: MutableEntry[] = []
  readonly #callsByKey = new Map<string, MutableEntry[]>()
  readonly #open = new Set<number>()
  readonly #marks = new Map<string, FencingToken>()
  #order = 0
  #sessions = 0

  get name(): string {
    return this.#name
  }

  get size(): number {
    return this.#services.size
  }

  service(id: string): Service | undefined {
    return this.#services.get(id)
  }

  /** In the order of their ids (code units). */
  *services(): Generator<Service> {
    this.#sortedIds ??= [...this.#services.keys()].sort()
    for (const id of this.#sortedIds) yield this.#services.get(id)!
  }

  /** All services as the text of a JSON array; kept per service, so that reading 50,000 of them costs milliseconds. */
  servicesText(): string {
    const pieces: string[] = []
    for (const service of this.services()) {
      let text = this.#texts.get(service.id)
      if (text === undefined) this.#texts.set(service.id, (text = JSON.stringify(service)))
      pieces.push(text)
    }
    return `[${pieces.join(',')}]`
  }

  get callCount(): number {
    return this.#calls.length
  }

  call(number: number): JournalEntry {
    return this.#calls[number - 1]!
  }

  /** Calls with a number above `after`, at most `limit`. */
  calls(after: number, limit: number): readonly JournalEntry[] {
    return this.#calls.slice(after, after + limit)
  }

  callsOf(key: string): readonly JournalEntry[] {
    return this.#callsByKey.get(key) ?? []
  }

  /** The call whose result every repeat of the key gets. */
  settledCall(key: string): JournalEntry | undefined {
    return this.#callsByKey.get(key)?.find((entry) => entry.beganMs !== null && entry.outcome !== null && isSettled(entry.outcome))
  }

  /** Calls that arrived and have not ended. */
  openCalls(): readonly number[] {
    return [...this.#open]
  }

  mark(scope: string): FencingToken | undefined {
    return this.#marks.get(scope)
  }

  /** A session id that was never given before. */
  nextSessionId(): string {
    return `session-${this.#sessions + 1}`
  }

  fold(line: JournalLine): void {
    switch (line.type) {
      case 'created':
        this.#name = line.name
        for (let n = 1; n <= line.services; n++) this.#put(seededService(line.seed, n))
        return
      case 'added':
        return this.#put(line.service)
      case 'removed':
        this.#services.delete(line.service)
        this.#texts.delete(line.service)
        this.#sortedIds = undefined
        return
      case 'changed':
        return this.#set(line.service, line.set)
      case 'arrived':
        return this.#arrived(line)
      case 'began': {
        const entry = this.#calls[line.call - 1]!
        entry.beganMs = line.atMs
        entry.beganOrder = ++this.#order
        return
      }
      case 'ended': {
        const entry = this.#calls[line.call - 1]!
        entry.endedMs = line.atMs
        entry.endedOrder = ++this.#order
        entry.outcome = line.outcome
        entry.repeatOf = line.repeatOf ?? null
        this.#open.delete(line.call)
        if (line.set) this.#set(entry.service, line.set)
        return
      }
    }
  }

  #arrived(line: JournalLine & { type: 'arrived' }): void {
    const entry: MutableEntry = {
      number: line.call,
      service: line.service,
      operation: line.operation,
      token: line.token,
      idempotencyKey: line.key,
      deadlineMs: line.deadlineMs,
      arrivedMs: line.atMs,
      beganMs: null,
      endedMs: null,
      beganOrder: 0,
      endedOrder: 0,
      outcome: null,
      repeatOf: null,
    }
    this.#calls.push(entry)
    this.#open.add(line.call)
    const sameKey = this.#callsByKey.get(line.key)
    if (sameKey) sameKey.push(entry)
    else this.#callsByKey.set(line.key, [entry])
    const mark = this.#marks.get(line.token.scope)
    if (!mark || isLower(mark, line.token)) this.#marks.set(line.token.scope, line.token)
  }

  #put(service: Service): void {
    if (!this.#services.has(service.id)) this.#sortedIds = undefined
    this.#services.set(service.id, service)
    this.#texts.delete(service.id)
  }

  #set(id: string, set: Partial<Service>): void {
    const service = this.#services.get(id)
    if (!service) return
    this.#put({ ...service, ...set })
    for (const session of set.sessions ?? []) {
      const number = Number(session.id.slice('session-'.length))
      if (number > this.#sessions) this.#sessions = number
    }
  }
}

/** Order of tokens of one scope (DESIGN §2): first by incarnation, then by revision. */
export function isLower(a: FencingToken, b: FencingToken): boolean {
  return a.incarnation === b.incarnation ? a.revision < b.revision : a.incarnation < b.incarnation
}

function isSettled(outcome: CallOutcome): boolean {
  return outcome.kind === 'done' || outcome.kind === 'already' || (outcome.kind === 'failed' && outcome.code !== 'refused-by-site')
}
