/**
 * A site in virtual time: the call desk, store and switches of the simulated site itself, its journal in memory, and a network of
 * its own between it and every process.
 */
import type { Clock } from '../../streams/ports/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import { type SiteAdapter, type SiteCall, type SiteConnection, type SiteResult, SiteUnreachable } from '../../src/sites/adapter.ts'
import { simulatedAdapter } from '../../src/sites/simulated/adapter.ts'
import { type Answered, CallDesk } from '../../src/sites/simulated/calls.ts'
import type { CallOutcome, CallRequest, JournalEntry } from '../../src/sites/simulated/protocol.ts'
import { Store } from '../../src/sites/simulated/store.ts'
import { Switches, type TakenFault } from '../../src/sites/simulated/switches.ts'
import type { Dice } from './dice.ts'
import type { SitePlan } from './plan.ts'
import type { SimProcess } from './process.ts'
import { epochMs } from './virtual-time.ts'

const serviceCount = 40
/** Longest way of a call to its site, milliseconds, and some. */
const wayMs = 5
/** Kind of all sites of a world, and the skill for them. */
export const simulatedKind = 'simulated'

/** A change takes its time at the site: two calls may run at once there. */
class Slowness extends Switches {
  readonly #latencyMs: () => number

  constructor(latencyMs: () => number) {
    super()
    this.#latencyMs = latencyMs
  }

  override take(operation: string, service: string | undefined): readonly TakenFault[] {
    const slow = { kind: 'latency', latencyMs: this.#latencyMs(), pastDeadline: false } as const
    return [...super.take(operation, service), { fault: slow, removed: Promise.resolve() }]
  }
}

export class SimSite {
  readonly plan: SitePlan
  readonly #store = new Store()
  readonly #switches: Switches
  readonly #desk: CallDesk
  readonly #clock: Clock
  readonly #dice: Dice
  readonly #unreachable = new Set<string>()
  readonly #callers = new Map<number, SimProcess>()

  constructor(plan: SitePlan, clock: Clock, dice: Dice) {
    this.plan = plan
    this.#clock = clock
    this.#dice = dice
    this.#store.fold({ type: 'created', format: 1, name: plan.site, services: serviceCount, seed: plan.site, atMs: clock.nowMs() })
    this.#switches = new Slowness(() => dice.whole(0, plan.latencyMs))
    this.#desk = new CallDesk({
      store: this.#store,
      journal: {
        append: (line) => this.#store.fold(line),
        synced: () => pause(clock, dice.between(0.1, 2)),
        close: async () => {},
      },
      switches: this.#switches,
      clock,
      fencing: plan.fencing,
      stopping: new AbortController().signal,
    })
  }

  get services(): readonly string[] {
    return [...this.#store.services()].map(({ id }) => id)
  }

  /** `frozen`: its caller stood still between its check and its call, or during it (P23). */
  get journal(): readonly (JournalEntry & { readonly frozen: boolean })[] {
    return this.#store.calls(0, Infinity).map((call) => {
      const arrivedMs = call.arrivedMs - epochMs
      const endedMs = call.endedMs === null ? Infinity : call.endedMs - epochMs
      return { ...call, frozen: this.#callers.get(call.number)!.wasPaused(arrivedMs - wayMs, endedMs) }
    })
  }

  /** The next few calls meet something. */
  trouble(): void {
    const dice = this.#dice
    const when = dice.pick(['before', 'after'] as const)
    const fault = dice.pick([
      { kind: 'latency', latencyMs: dice.whole(10, 5_000), pastDeadline: dice.chance(0.3) },
      { kind: 'refuse', reason: 'refused by the world' },
      { kind: 'error', when },
      { kind: 'drop', when },
      { kind: 'hang', when },
    ] as const)
    this.#switches.add({ operation: '*', count: dice.whole(1, 3), fault })
  }

  join(process: string): void {
    this.#unreachable.delete(process)
  }

  cut(process: string): void {
    this.#unreachable.add(process)
  }

  calm(): void {
    this.#switches.removeAll()
    this.#unreachable.clear()
  }

  connect(process: SimProcess): SiteConnection {
    return {
      read: (signal) => process.pass(this.#read(process, signal)),
      carryOut: (call) => process.pass(this.#carryOut(process, call)),
      close: async () => {},
    }
  }

  #hop(): Promise<void> {
    return pause(this.#clock, this.#dice.between(0.05, 2))
  }

  async #read(process: SimProcess, signal: AbortSignal) {
    await this.#hop()
    if (this.#unreachable.has(process.name) || signal.aborted) throw new SiteUnreachable(`site ${this.plan.site} cannot be reached`)
    const services = [...this.#store.services()]
    await this.#hop()
    return { site: this.plan.site, services }
  }

  async #carryOut(process: SimProcess, call: SiteCall): Promise<SiteResult> {
    await this.#hop()
    if (this.#unreachable.has(process.name)) return { kind: 'failed', code: 'unreachable', reason: `site ${this.plan.site} not reached` }
    const { operation, token, idempotencyKey, deadlineMs } = call
    if (operation.name === 'rehearse') return { kind: 'failed', code: 'unsupported', reason: 'not here' }
    const request: CallRequest = { operation, token, idempotencyKey, deadlineMs, fencing: this.plan.fencing }
    // As the adapter does: what the abort leaves behind goes on at the site.
    const aborted = new Promise<'aborted'>((resolve) => {
      if (call.signal.aborted) resolve('aborted')
      else call.signal.addEventListener('abort', () => resolve('aborted'), { once: true })
    })
    const taken = this.#desk.take(call.service, request)
    this.#callers.set(this.#store.callCount, process)
    const answered = await Promise.race([aborted, taken])
    await this.#hop()
    if (answered === 'aborted') return { kind: 'unknown', reason: 'no answer in the time of the call' }
    return this.#resultOf(answered, call)
  }

  #resultOf(answered: Answered, call: SiteCall): SiteResult {
    if (answered.kind === 'outcome') return fromOutcome(answered.outcome)
    const entry = this.#store
      .callsOf(call.idempotencyKey)
      .findLast(({ token, deadlineMs }) => token.revision === call.token.revision && deadlineMs === call.deadlineMs)
    return entry?.outcome ? fromOutcome(entry.outcome) : { kind: 'unknown', reason: 'the site did not say what became of the call' }
  }
}

/** What a process of this world reaches its sites by. */
export function adapterTo(sites: ReadonlyMap<string, SimSite>, process: SimProcess, skill: SiteAdapter['skill']): SiteAdapter {
  return {
    ...simulatedAdapter,
    skill,
    // Some of what is asked for through services may not be repeated by itself.
    repeatable: new Set([...simulatedAdapter.repeatable].filter((name) => name !== 'assign' && name !== 'deassign')),
    connect: ({ site }) => sites.get(site)!.connect(process),
  }
}

function fromOutcome(outcome: CallOutcome): SiteResult {
  switch (outcome.kind) {
    case 'busy':
    case 'expired':
    case 'lost':
      return { kind: 'failed', code: 'refused-by-site', reason: `${outcome.kind}; nothing was changed` }
    default:
      return outcome
  }
}
