/** Alarms in memory, by the realm's clock. */
import type { Alarm, AlarmOutcome, AlarmWatch, Alarms } from '../ports/alarms.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import { Unavailable } from '../ports/event-log.ts'
import { exchange } from './exchange.ts'
import type { MemoryLink } from './realm.ts'

/** What the server keeps: one alarm a trigger, and the last that was due of each. */
export class StoredAlarms {
  readonly #clock: Clock
  readonly #set = new Map<string, { readonly alarm: Alarm; readonly timer: Timer }>()
  readonly #due = new Map<string, Alarm>()
  readonly #watchers = new Set<(alarm: Alarm) => void>()
  #down = false
  /** Fell due while the server was down: stored when it is back. */
  #late: Alarm[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(alarm: Alarm): void {
    this.#set.get(alarm.trigger)?.timer.cancel()
    const timer = this.#clock.after(Math.max(0, alarm.atMs - this.#clock.nowMs()), () => {
      this.#set.delete(alarm.trigger)
      if (this.#down) this.#late.push(alarm)
      else this.#store(alarm)
    })
    this.#set.set(alarm.trigger, { alarm, timer })
  }

  cancel(trigger: string): void {
    this.#set.get(trigger)?.timer.cancel()
    this.#set.delete(trigger)
    this.#due.delete(trigger)
    this.#late = this.#late.filter((alarm) => alarm.trigger !== trigger)
  }

  cancelAll(): void {
    for (const trigger of new Set([...this.#set.keys(), ...this.#due.keys()])) this.cancel(trigger)
  }

  pending(): ReadonlySet<string> {
    return new Set(this.#set.keys())
  }

  due(): readonly Alarm[] {
    return [...this.#due.values()]
  }

  setDown(down: boolean): void {
    this.#down = down
    if (!down) for (const alarm of this.#late.splice(0)) this.#store(alarm)
  }

  /** Returns how to stop. */
  onDue(watcher: (alarm: Alarm) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #store(alarm: Alarm): void {
    this.#due.set(alarm.trigger, alarm)
    for (const watcher of [...this.#watchers]) watcher(alarm)
  }
}

export class MemoryAlarms implements Alarms {
  readonly #link: MemoryLink
  readonly #stored: StoredAlarms

  constructor(link: MemoryLink, stored: StoredAlarms) {
    this.#link = link
    this.#stored = stored
  }

  set(trigger: string, atMs: number): Promise<AlarmOutcome> {
    return this.#write('set', trigger, () => this.#stored.set({ trigger, atMs }))
  }

  cancel(trigger: string): Promise<AlarmOutcome> {
    return this.#write('cancel', trigger, () => this.#stored.cancel(trigger))
  }

  async pending(): Promise<ReadonlySet<string>> {
    const answered = await exchange(this.#link, undefined, () => this.#stored.pending())
    if (answered.kind === 'answer') return answered.value
    throw new Unavailable(`the alarms did not answer ${this.#link.name}`)
  }

  async #write(write: 'set' | 'cancel', trigger: string, perform: () => void): Promise<AlarmOutcome> {
    const link = this.#link
    const answered = await exchange(link, link.network.faults.alarmWrite?.({ client: link.name, write, trigger }), perform)
    return { kind: answered.kind === 'answer' ? 'done' : 'indeterminate' }
  }

  watch(onDue: (alarm: Alarm) => void): AlarmWatch {
    const link = this.#link
    const { network } = link
    let stopped = false
    let wasConnected = false
    const tell = (alarm: Alarm) => {
      const deliveries = network.faults.alarm?.({ client: link.name, ...alarm }) ?? [0]
      for (const delayMs of deliveries) {
        network.later(delayMs, () => {
          if (!stopped && link.reach() === 'connected') onDue(alarm)
        })
      }
    }
    const follow = () => {
      const connected = link.reach() === 'connected'
      if (connected && !wasConnected) {
        network.later(0, () => {
          if (!stopped && link.reach() === 'connected') for (const alarm of this.#stored.due()) tell(alarm)
        })
      }
      wasConnected = connected
    }
    const stopDue = this.#stored.onDue((alarm) => {
      if (link.reach() === 'connected') tell(alarm)
    })
    const stopChanges = link.onChange(follow)
    follow()
    return {
      stop() {
        stopped = true
        stopDue()
        stopChanges()
      },
    }
  }
}
