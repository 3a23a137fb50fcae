/**
 * A load that runs while something is done to the realm: many groups at once, each on services of its own, a new one as soon as one has
 * ended. Whoever asks for them repeats with the same command id until it is answered, as a program of a customer would (P15).
 */
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import type { Operation } from '../../machines/service/operation.ts'
import { apply } from './applying.ts'
import type { FaultRealm } from './realm.ts'

export interface LoadPart {
  readonly site: string
  /** One for each group that is to run at once: of how many jobs. Of different lengths, so that they do not go in step. */
  readonly groups: readonly number[]
  /** Of the site, enough for all of them. */
  readonly services: readonly string[]
  readonly operation: (number: number) => Operation
}

/** One attempt; a service whose server is away is not waited for longer. */
const attemptMs = 5_000
const patienceMs = 120_000

export class Load {
  readonly #realm: FaultRealm
  readonly #running: Promise<void>
  readonly #unfollow: () => void
  /** Failed before it was stopped. */
  #failure: unknown
  #over = false
  #names = 0
  /** Of jobs that succeeded, as the log came in. */
  succeeded = 0
  /** Groups that were answered as opened. */
  readonly groups: string[] = []

  constructor(realm: FaultRealm, parts: readonly LoadPart[]) {
    this.#realm = realm
    this.#unfollow = realm.view.onTurn(({ turn }) => {
      for (const { aggregate, events } of turn.commits) {
        if (aggregate === 'group') for (const { type } of events as readonly GroupEvent[]) if (type === 'JobSucceeded') this.succeeded += 1
      }
    })
    const loops = parts.flatMap((part) => {
      let next = 0
      return part.groups.map((jobs) => this.#repeat(part, part.services.slice(next, (next += jobs))))
    })
    this.#running = Promise.all(loops).then(() => {}, (error: unknown) => {
      this.#over = true
      this.#failure = error
    })
  }

  /** Grants that are open now, as far as the log has come in, by the agent that holds them. */
  inFlight(): ReadonlyMap<string, number> {
    const held = new Map<string, number>()
    for (const { phase, grant } of this.#realm.view.state.groups()) {
      if (grant !== null && !groupTable.isFinal(phase)) held.set(grant.agent, (held.get(grant.agent) ?? 0) + 1)
    }
    return held
  }

  /** So many more jobs succeed from now on. */
  async goesOn(jobs: number, withinMs = 90_000): Promise<void> {
    const enough = this.succeeded + jobs
    await this.#realm.eventually(() => {
      if (this.#failure !== undefined) return true
      return this.succeeded >= enough
    }, { what: `${jobs} more jobs of the load`, withinMs })
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Opens no more, and resolves when every group has ended. */
  async stop(): Promise<void> {
    this.#over = true
    await this.#running
    this.#unfollow()
    if (this.#failure !== undefined) throw this.#failure
  }

  async #repeat({ site, operation }: LoadPart, services: readonly string[]): Promise<void> {
    while (!this.#over) {
      const group = await this.#open(site, services, operation((this.#names += 1)))
      this.groups.push(group)
      await this.#realm.completes(group, patienceMs)
    }
  }

  async #open(site: string, services: readonly string[], operation: Operation): Promise<string> {
    const { api } = this.#realm
    const request = { command: this.#realm.newCommandId(), selector: { services: services.map((service) => `${site}/${service}`) }, operation, confirmed: true, distributionFactor: 100, includeUnchanged: true }
    return (await apply(api, request, { attemptMs, withinMs: patienceMs })).group!
  }
}
