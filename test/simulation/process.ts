/**
 * A simulated process: everything that its code hears (timers, answers, messages, changes) comes through one gate.
 *
 * 1. Paused: nothing gets in; on resuming all of it comes in the order of its arrival, each as an event of its own.
 * 2. Dead: nothing gets in any more, so that code of it which waits never goes on, as after `kill -9`. What it had sent is under way.
 */
import type { Alarms } from '../../streams/ports/alarms.ts'
import type { Bucket } from '../../streams/ports/bucket.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Clock, Timer } from '../../streams/ports/clock.ts'
import type { Coordinator, SnapshotStore, TextStore } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import type { BucketKind } from '../../streams/subjects.ts'
import { type Crossing, type Failpoint, crossingOfRequest, crossingOfTurn, crossingOfWrite } from './failpoints.ts'
import { type VirtualTime, epochMs } from './virtual-time.ts'

type Crosses = <T>(crossing: Crossing | undefined, request: () => Promise<T>) => Promise<T>

export interface ClockFaults {
  /** Of the wall clock against the realm's, milliseconds. */
  readonly skewMs: number
  /** How fast both clocks run: 1 is right. */
  readonly rate: number
}

export class SimProcess {
  readonly name: string
  readonly clock: Clock
  readonly #time: VirtualTime
  #state: 'running' | 'paused' | 'dead' = 'running'
  #waiting: (() => void)[] = []
  #catchingUp = false
  /** What the monotonic clock lost while the machine was suspended (P18). */
  #suspendedMs = 0
  #pausedAtMs = 0
  /** Virtual times between which nothing got in. */
  readonly #pauses: { readonly fromMs: number; toMs: number }[] = []

  constructor(name: string, time: VirtualTime, faults: ClockFaults) {
    this.name = name
    this.#time = time
    const originMs = time.nowMs
    this.clock = {
      nowMs: () => Math.floor(epochMs + faults.skewMs + time.nowMs * faults.rate),
      monotonicMs: () => (time.nowMs - originMs) * faults.rate - this.#suspendedMs,
      after: (delayMs, task): Timer => {
        if (this.#state === 'dead') return { cancel: () => {} }
        let cancelled = false
        const timer = time.after(delayMs / faults.rate, () => this.enter(() => !cancelled && task()))
        return {
          cancel: () => {
            cancelled = true
            timer.cancel()
          },
        }
      },
    }
  }

  get state(): 'running' | 'paused' | 'dead' {
    return this.#state
  }

  wasPaused(fromMs: number, toMs: number): boolean {
    return this.#pauses.some((pause) => pause.fromMs <= toMs && pause.toMs >= fromMs)
  }

  enter(task: () => void): void {
    if (this.#state === 'dead') return
    // What waited since the pause goes first.
    if (this.#state === 'paused' || this.#catchingUp) this.#waiting.push(task)
    else task()
  }

  pass<T>(promise: Promise<T>): Promise<T> {
    if (!this.#time.mayGoOn()) return new Promise(() => {})
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.enter(() => resolve(value)),
        (error: unknown) => this.enter(() => reject(error as Error)),
      )
    })
  }

  pause(): void {
    if (this.#state !== 'running') return
    this.#state = 'paused'
    this.#pausedAtMs = this.#time.nowMs
    this.#pauses.push({ fromMs: this.#time.nowMs, toMs: Infinity })
  }

  /** `suspended`: it was the machine that stood still, and its monotonic clock with it. */
  resume(suspended: boolean): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    this.#pauses[this.#pauses.length - 1]!.toMs = this.#time.nowMs
    if (suspended) this.#suspendedMs += this.#time.nowMs - this.#pausedAtMs
    if (!this.#catchingUp) this.#catchUp()
  }

  #catchUp(): void {
    this.#catchingUp = this.#waiting.length > 0
    if (!this.#catchingUp) return
    this.#time.after(0, () => {
      if (this.#state === 'running') this.#waiting.shift()?.()
      if (this.#state === 'running') this.#catchUp()
      else this.#catchingUp = false
    })
  }

  kill(): void {
    this.#state = 'dead'
    this.#waiting = []
  }

  /** `at`: passed before a request leaves and after its answer came (`failpoints.ts`). */
  coordinator(inner: Coordinator, at?: (name: Failpoint) => Promise<void>): Coordinator {
    const crosses = <T>(crossing: Crossing | undefined, request: () => Promise<T>): Promise<T> => {
      if (crossing === undefined || at === undefined) return this.pass(request())
      const cross = async () => {
        await at(`${crossing}-before`)
        const answer = await this.pass(request())
        await at(`${crossing}-after`)
        return answer
      }
      return cross()
    }
    return {
      log: this.#log(inner.log, crosses),
      bus: this.#bus(inner.bus, crosses),
      texts: this.#texts(inner.texts, crosses),
      snapshots: this.#snapshots(inner.snapshots, crosses),
      lease: this.#bucket(inner.lease, 'lease', crosses),
      agents: this.#bucket(inner.agents, 'agents', crosses),
      config: this.#bucket(inner.config, 'config', crosses),
      mappings: this.#bucket(inner.mappings, 'mappings', crosses),
      alarms: this.#alarms(inner.alarms),
      durability: inner.durability,
      close: () => this.pass(inner.close()),
    }
  }

  #log(log: EventLog, crosses: Crosses): EventLog {
    const pass = <T>(promise: Promise<T>) => this.pass(promise)
    return {
      incarnation: log.incarnation,
      append: (request) => crosses(crossingOfTurn(request.bytes), () => log.append(request)),
      first: (subject) => pass(log.first(subject)),
      last: (subject) => pass(log.last(subject)),
      purge: (subject, upTo) => pass(log.purge(subject, upTo)),
      at: (position) => pass(log.at(position)),
      end: () => pass(log.end()),
      async *read(options) {
        const reading = log.read(options)[Symbol.asyncIterator]()
        try {
          for (;;) {
            const next = await pass(reading.next())
            if (next.done === true) return
            yield next.value
          }
        } finally {
          await reading.return?.()
        }
      },
    }
  }

  #bus(bus: Bus, crosses: Crosses): Bus {
    const gate = this
    return {
      publish: (subject, data) => bus.publish(subject, data),
      publishHeard: (messages, timeoutMs) => gate.pass(bus.publishHeard(messages, timeoutMs)),
      subscribe: (subject, handle, options) => {
        let active = true
        const subscription = bus.subscribe(subject, (message) => gate.enter(() => active && handle(message)), options)
        return {
          stop() {
            active = false
            subscription.stop()
          },
        }
      },
      ask: (subject, data, options) => crosses(crossingOfRequest(subject, typeof data === 'string' ? Buffer.from(data) : data), () => bus.ask(subject, data, options)),
      flush: (timeoutMs) => gate.pass(bus.flush(timeoutMs)),
      serve: (service) =>
        gate.pass(
          bus.serve({
            ...service,
            endpoints: service.endpoints.map((endpoint) => ({ ...endpoint, handle: (message) => gate.enter(() => endpoint.handle(message)) })),
          }),
        ),
      get link() {
        return bus.link
      },
      onLink: (listener) => bus.onLink((state) => gate.enter(() => listener(state))),
    }
  }

  #bucket(bucket: Bucket, kind: BucketKind, crosses: Crosses): Bucket {
    const pass = <T>(promise: Promise<T>) => this.pass(promise)
    return {
      name: bucket.name,
      get: (key) => pass(bucket.get(key)),
      goneBy: (key) => pass(bucket.goneBy(key)),
      create: (key, value, options) => crosses(crossingOfWrite(kind, 'create', key), () => bucket.create(key, value, options)),
      createOnce: (key, value, options) => crosses(crossingOfWrite(kind, 'createOnce', key), () => bucket.createOnce(key, value, options)),
      update: (key, value, revision, options) => crosses(crossingOfWrite(kind, 'update', key), () => bucket.update(key, value, revision, options)),
      put: (key, value) => crosses(crossingOfWrite(kind, 'put', key), () => bucket.put(key, value)),
      remove: (key, revision) => pass(bucket.remove(key, revision)),
      entries: () => pass(bucket.entries()),
      ensure: () => pass(bucket.ensure()),
      watch: (onChange, key) => {
        let active = true
        const watch = bucket.watch((change) => this.enter(() => active && onChange(change)), key)
        return {
          stop() {
            active = false
            watch.stop()
          },
        }
      },
    }
  }

  #alarms(alarms: Alarms): Alarms {
    return {
      set: (trigger, atMs) => this.pass(alarms.set(trigger, atMs)),
      cancel: (trigger) => this.pass(alarms.cancel(trigger)),
      pending: () => this.pass(alarms.pending()),
      watch: (onDue) => {
        let active = true
        const watch = alarms.watch((alarm) => this.enter(() => active && onDue(alarm)))
        return {
          stop() {
            active = false
            watch.stop()
          },
        }
      },
    }
  }

  #texts(texts: TextStore, crosses: Crosses): TextStore {
    return { put: (bytes) => crosses('text-kept', () => texts.put(bytes)), putMany: (many) => crosses('text-kept', () => texts.putMany(many)), get: (digest) => this.pass(texts.get(digest)) }
  }

  #snapshots(store: SnapshotStore, crosses: Crosses): SnapshotStore {
    return {
      put: (name, bytes) => crosses('snapshot-stored', () => store.put(name, bytes)),
      get: (name) => this.pass(store.get(name)),
      remove: (name) => this.pass(store.remove(name)),
      names: () => this.pass(store.names()),
    }
  }
}
