/** Every branch of I5 as `appendTurn` keeps it, against a log whose answers are written down. */
import { beforeEach, describe, expect, test } from 'vitest'
import { appendBackoffMs, appendTurn } from '../../streams/append.ts'
import { encodeTurn } from '../../streams/codec.ts'
import { firstDigest } from '../../streams/envelope.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { AppendOutcome, AppendRequest, EventLog, ReadOptions, StoredMessage } from '../../streams/ports/event-log.ts'
import { LogMissing, Unavailable } from '../../streams/ports/event-log.ts'

const subject = 'reeve.event.lane.a-1'
const turnId = (n: number) => `01ARZ3NDEKTSV4RRFFQ69G5F${String(n).padStart(2, '0')}`
const turnBytes = (n: number) =>
  encodeTurn({ turn: turnId(n), schema: 1, incarnation: 1, number: n, timeMs: 0, previous: firstDigest, commits: [] })
const mine = { subject, turn: turnId(1), bytes: turnBytes(1), expectedLast: 10 }

/** Answers appends from a script; holds what is stored; waits end at once and are noted. */
class ScriptedLog implements EventLog {
  readonly incarnation = 1
  readonly requests: AppendRequest[] = []
  stored: StoredMessage[] = []
  unreachable = 0
  missing = false
  readonly #script: (AppendOutcome | (() => AppendOutcome))[]

  constructor(script: (AppendOutcome | (() => AppendOutcome))[]) {
    this.#script = script
  }

  store(n: number, position: number, bytes = turnBytes(n)): void {
    this.stored.push({ subject, position, bytes, storedMs: 0 })
  }

  async append(request: AppendRequest): Promise<AppendOutcome> {
    this.requests.push(request)
    const next = this.#script.shift()
    if (next === undefined) throw new Error('one append more than expected')
    return typeof next === 'function' ? next() : next
  }

  async last(): Promise<StoredMessage | undefined> {
    if (this.missing) throw new LogMissing('of incarnation 1')
    if (this.unreachable > 0) {
      this.unreachable -= 1
      throw new Unavailable('not now')
    }
    return this.stored.at(-1)
  }

  async first(): Promise<StoredMessage | undefined> {
    return this.stored[0]
  }

  async purge(): Promise<void> {}

  async at(): Promise<undefined> {
    return undefined
  }

  async end(): Promise<number> {
    return this.stored.at(-1)?.position ?? 0
  }

  async *read({ from, until = Infinity }: ReadOptions): AsyncGenerator<readonly StoredMessage[]> {
    const batch = this.stored.filter(({ position }) => position >= from && position <= until)
    if (batch.length > 0) yield batch
  }
}

let waitsMs: number[]
const clock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after(delayMs, task) {
    waitsMs.push(delayMs)
    queueMicrotask(task)
    return { cancel() {} }
  },
}

beforeEach(() => {
  waitsMs = []
})

const indeterminate: AppendOutcome = { kind: 'indeterminate', reason: 'timeout' }

describe('I5', () => {
  test('acknowledged: landed', async () => {
    const log = new ScriptedLog([{ kind: 'landed', position: 11 }])
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 11 })
    expect(waitsMs).toEqual([])
  })

  test('indeterminate, mine stands last: landed', async () => {
    const log = new ScriptedLog([indeterminate])
    log.store(9, 10)
    log.store(1, 15)
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 15 })
  })

  test('indeterminate, mine stands and others wrote since: landed', async () => {
    const log = new ScriptedLog([indeterminate])
    log.store(1, 11)
    log.store(2, 12)
    log.store(3, 14)
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 11 })
  })

  test('P11: indeterminate, nothing stands there: the same bytes and expectation again', async () => {
    const log = new ScriptedLog([indeterminate, indeterminate, { kind: 'landed', position: 12 }])
    log.store(9, 10)
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 12 })
    expect(log.requests).toHaveLength(3)
    for (const request of log.requests) expect(request).toEqual({ subject, bytes: mine.bytes, expectedLast: 10 })
  })

  test('indeterminate on a subject without messages, expecting none: again', async () => {
    const log = new ScriptedLog([indeterminate, { kind: 'landed', position: 1 }])
    expect(await appendTurn(log, clock, { ...mine, expectedLast: 0 })).toEqual({ kind: 'landed', position: 1 })
  })

  test('P12: indeterminate, and the log was restored under another incarnation meanwhile: the program must stop (seed 501000323)', async () => {
    const log = new ScriptedLog([indeterminate])
    log.missing = true
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'wrong-incarnation' })
  })

  test('indeterminate, only others stand there: conflict with what stands last', async () => {
    const log = new ScriptedLog([indeterminate])
    log.store(2, 11)
    log.store(3, 12)
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'conflict', last: log.stored[1] })
  })

  test('a first attempt that lands late makes the repeat conflict, and is found: landed', async () => {
    const log = new ScriptedLog([
      indeterminate,
      () => {
        log.store(1, 11)
        return { kind: 'conflict' }
      },
    ])
    log.store(9, 10)
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 11 })
  })

  test('conflict with others: conflict', async () => {
    const log = new ScriptedLog([{ kind: 'conflict' }])
    log.store(2, 11)
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'conflict', last: log.stored[0] })
    expect(log.requests).toHaveLength(1)
  })

  test('what others wrote need not be a turn', async () => {
    const log = new ScriptedLog([{ kind: 'conflict' }])
    log.store(2, 11, new TextEncoder().encode('garbage'))
    expect(await appendTurn(log, clock, mine)).toMatchObject({ kind: 'conflict' })
  })

  test('a conflict where the reader sees none yet: asked again', async () => {
    const log = new ScriptedLog([{ kind: 'conflict' }, { kind: 'landed', position: 11 }])
    log.store(9, 10)
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 11 })
  })

  test('the expected message is gone: conflict, never a repeat', async () => {
    const empty = new ScriptedLog([indeterminate])
    expect(await appendTurn(empty, clock, mine)).toEqual({ kind: 'conflict', last: undefined })
    const shorter = new ScriptedLog([indeterminate])
    shorter.store(9, 4)
    expect(await appendTurn(shorter, clock, mine)).toEqual({ kind: 'conflict', last: shorter.stored[0] })
  })

  test('busy (10164) and unavailable: waited for, longer each time up to the bound, without a read', async () => {
    const log = new ScriptedLog([...Array.from({ length: 9 }, (_, i): AppendOutcome => (i % 2 ? { kind: 'busy' } : { kind: 'unavailable', reason: 'full' })), { kind: 'landed', position: 11 }])
    log.unreachable = 1
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 11 })
    expect(waitsMs).toEqual([20, 40, 80, 160, 320, 640, 1_280, appendBackoffMs.longest, appendBackoffMs.longest])
    expect(log.unreachable).toBe(1)
  })

  test('the fate is asked for until the log answers', async () => {
    const log = new ScriptedLog([indeterminate])
    log.store(1, 11)
    log.unreachable = 3
    expect(await appendTurn(log, clock, mine)).toEqual({ kind: 'landed', position: 11 })
    expect(waitsMs).toHaveLength(3)
    expect(log.requests).toHaveLength(1)
  })
})

test('P12: wrong incarnation ends it', async () => {
  expect(await appendTurn(new ScriptedLog([{ kind: 'wrong-incarnation' }]), clock, mine)).toEqual({ kind: 'wrong-incarnation' })
})

describe('stopped', () => {
  test('before the first attempt: nothing is sent', async () => {
    const log = new ScriptedLog([])
    expect(await appendTurn(log, clock, { ...mine, signal: AbortSignal.abort() })).toEqual({ kind: 'stopped' })
  })

  test('while unavailable', async () => {
    const stop = new AbortController()
    const log = new ScriptedLog([
      () => {
        stop.abort()
        return { kind: 'unavailable', reason: 'offline' }
      },
    ])
    expect(await appendTurn(log, clock, { ...mine, signal: stop.signal })).toEqual({ kind: 'stopped' })
  })

  test('while the fate is not known', async () => {
    const stop = new AbortController()
    const log = new ScriptedLog([
      () => {
        stop.abort()
        return indeterminate
      },
    ])
    log.store(1, 11)
    expect(await appendTurn(log, clock, { ...mine, signal: stop.signal })).toEqual({ kind: 'stopped' })
  })

  test('an error that is no lack of an answer is passed on', async () => {
    const log = new ScriptedLog([indeterminate])
    log.last = async () => {
      throw new RangeError('broken')
    }
    await expect(appendTurn(log, clock, mine)).rejects.toBeInstanceOf(RangeError)
  })
})
