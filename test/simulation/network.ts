/** Answers from the seed what the realm in memory asks about each operation. After `calm()` only latencies are left. */
import type { AppendFault, Delays, MemoryFaults, ReadFault, WriteFault } from '../../streams/memory/faults.ts'
import type { Dice } from './dice.ts'
import type { WorldPlan } from './plan.ts'

export class SimNetwork {
  readonly faults: MemoryFaults
  /** By turn id: the process whose append brought it, whatever became of it. */
  readonly writers = new Map<string, string>()
  readonly #dice: Dice
  readonly #plan: WorldPlan
  #calm = false
  /** Agent whose appends are never answered any more, while all else of it works (P7). */
  sick: string | undefined
  /** Agent that no grant reaches any more, while all else of it works (I9). */
  deaf: string | undefined
  /** No request of its executor reaches another. */
  mute: string | undefined
  /** What is written of the lease never arrives. */
  leaderless = false

  constructor(dice: Dice, plan: WorldPlan) {
    this.#dice = dice
    this.#plan = plan
    this.faults = {
      append: ({ client, bytes }) => {
        const turn = /^\{"turn":"([^"]+)"/.exec(Buffer.from(bytes.subarray(0, 48)).toString())?.[1]
        if (turn !== undefined) this.writers.set(turn, client)
        if (this.sick !== undefined && client.startsWith(`${this.sick}.`)) return { lose: 'request' }
        return isBystander(client) ? {} : this.#append()
      },
      logRead: ({ client }) => this.#read(client),
      readLag: ({ client }) => (isBystander(client) ? 0 : this.#lag()),
      bucketWrite: ({ client, bucket }) => (isBystander(client) ? {} : this.leaderless && bucket.endsWith('_lease') ? { lose: 'request' } : this.#write()),
      bucketRead: ({ client }) => this.#read(client),
      watchLag: () => this.#lag(),
      message: (seen) => (this.#isHeard(seen) ? this.#message() : []),
      alarm: () => this.#alarm(),
      alarmWrite: () => this.#write(),
    }
  }

  #isHeard({ from, to, subject, answer }: { readonly from: string; readonly to: string; readonly subject: string; readonly answer: boolean }): boolean {
    if (this.mute !== undefined && !answer && from.startsWith(`${this.mute}.`) && subject.endsWith('.work')) return false
    if (this.deaf === undefined || !to.startsWith(`${this.deaf}.`)) return true
    return answer ? !subject.endsWith('.work') : !subject.endsWith('.grants')
  }

  calm(): void {
    this.#calm = true
    this.leaderless = false
  }

  #hop(): number {
    return this.#dice.between(0.05, this.#plan.network.latencyMs)
  }

  #delays(): Delays {
    return { requestMs: this.#hop(), answerMs: this.#hop() }
  }

  #lag(): number {
    return this.#hop() + (this.#calm ? 0 : this.#dice.between(0, this.#plan.store.lagMs))
  }

  #write(): WriteFault {
    const { store, network } = this.#plan
    const draw = this.#dice.part()
    const delays = this.#delays()
    if (this.#calm) return delays
    if (draw < store.requestLost) return { ...delays, lose: 'request' }
    if (draw < store.requestLost + store.answerLost) return { ...delays, lose: 'answer' }
    if (draw < store.requestLost + store.answerLost + store.late) return { ...delays, requestMs: this.#dice.between(0, network.latestMs) }
    return delays
  }

  #append(): AppendFault {
    const write = this.#write()
    const refused = this.#dice.chance(this.#plan.store.refused)
    if (this.#calm || write.lose !== undefined || !refused) return write
    return { ...write, refuse: this.#dice.pick(['busy', 'unavailable', 'conflict'] as const) }
  }

  #read(client: string): ReadFault {
    const lost = this.#dice.chance(this.#plan.store.readLost)
    const delays = this.#delays()
    return !this.#calm && lost && !isBystander(client) ? { ...delays, lose: true } : delays
  }

  /** Of the server's schedules: the times that they name come late, twice or never (DESIGN §5 "Triggers"). */
  #alarm(): readonly number[] {
    const { alarmLost, alarmLate, alarmDoubled } = this.#plan.network
    const first = this.#hop()
    if (this.#calm) return [first]
    if (this.#dice.chance(alarmLost)) return []
    const arrivals = [this.#dice.chance(alarmLate) ? this.#dice.between(0, 90_000) : first]
    if (this.#dice.chance(alarmDoubled)) arrivals.push(this.#dice.between(0, 10_000))
    return arrivals
  }

  #message(): readonly number[] {
    const { lost, doubled, late, latestMs } = this.#plan.network
    const first = this.#hop()
    if (this.#calm) return [first]
    if (this.#dice.chance(lost)) return []
    const arrivals = [this.#dice.chance(late) ? this.#dice.between(0, latestMs) : first]
    if (this.#dice.chance(doubled)) arrivals.push(this.#dice.between(0, latestMs))
    return arrivals
  }
}

/** Who only stands by for the world itself. */
export const bystander = 'bystander'

function isBystander(client: string): boolean {
  return client === bystander
}
