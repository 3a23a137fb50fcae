/** One fault under a running load, with an agent killed in the same moment, and what the log says of it afterwards. */
import { expect } from 'vitest'
import { checkGoesOn, grantsOpenAt, succeededBetween } from '../checkers/goes-on.ts'
import { eventually } from '../support/eventually.ts'
import { Load, type LoadPart } from './load.ts'
import { type FaultRealm, shortTimes } from './realm.ts'
import { Leaderless } from './servers.ts'

/** Within which everything that is alive goes on after the last repair and the servers' own choice of a leader; what a killed agent held has so long more. */
const livingMs = 10_000
/** Some waits of the servers' own, of 4 to 9 s each. */
const mostChoosingMs = 30_000
const heldMs = livingMs + shortTimes.presenceMs + shortTimes.siteCallDeadlineMs
/** Jobs in flight when it strikes, at the least, by the log's own stamps. */
const inFlightJobs = 6
/** As many as the log has told of, before it strikes: it tells late, and some end until it does. Of the 14 that can be. */
const inFlightJobsHeard = 10
/** Of them at the agent that is killed, so that it holds one when it is. */
const ofVictimHeard = 3
/** Jobs of which the log has to tell after the repair while the load still runs. */
const followingJobs = 40
/** Of the jobs that the log tells of from a moment on: some have a stamp of the time before it. */
const stampedAfter = 1 / 2

/** Jobs of each group that runs at once. */
const groups = [3, 4, 5, 6, 7, 8]
const servicesOfSite = groups.reduce((sum, jobs) => sum + jobs, 0)
export const sitesOfLoad = {
  desk: { services: servicesOfSite, seed: 'd', fencing: 'enforced' },
  shop: { services: servicesOfSite, seed: 's', fencing: 'recorded' },
} as const

/** Jobs that take a while at sites that keep a journal, and jobs that cost only what Reeve costs. The drill site has 40 services. */
export async function drillAndDesk(realm: FaultRealm): Promise<readonly LoadPart[]> {
  const parts: LoadPart[] = []
  for (const site of ['desk', 'shop']) {
    await realm.sites.get(site)!.addSwitch({ fault: { kind: 'latency', latencyMs: 400 } })
    parts.push({ site, groups, services: await realm.services(site, servicesOfSite), operation: (number) => ({ name: 'rename', to: `Renamed ${number}` }) })
  }
  const drilled = Array.from({ length: 40 }, (_, index) => `s${String(index + 1).padStart(5, '0')}`)
  return [...parts, { site: 'drill', groups: [15, 25], services: drilled, operation: () => ({ name: 'rehearse' }) }]
}

export class UnderFault {
  readonly #realm: FaultRealm
  readonly #load: Load
  readonly #victim: string
  readonly #victimLeads: boolean
  /** Jobs that the log told of between the fault and its repair, since the test asked for them. */
  #awayJobs = 0
  #leaderless: Leaderless | undefined
  #struckMs = 0
  #repairedMs = 0

  private constructor(realm: FaultRealm, load: Load, victim: string, victimLeads: boolean) {
    this.#realm = realm
    this.#load = load
    this.#victim = victim
    this.#victimLeads = victimLeads
  }

  /** Resolves when enough jobs are in flight, some of them at the agent that is to be killed unless that is the leader, which executes none. */
  static async begin(realm: FaultRealm, parts: readonly LoadPart[], victim: string): Promise<UnderFault> {
    const load = new Load(realm, parts)
    await load.goesOn(10)
    await realm.eventually(
      () => {
        const held = load.inFlight()
        return [...held.values()].reduce((sum, count) => sum + count, 0) >= inFlightJobsHeard && (victim === realm.leader || (held.get(victim) ?? 0) >= ofVictimHeard)
      },
      { what: `${inFlightJobsHeard} jobs in flight, ${ofVictimHeard} of them at ${victim}`, everyMs: 2 },
    )
    return new UnderFault(realm, load, victim, victim === realm.leader)
  }

  /** The fault and the kill, in the same moment. */
  async strike(fault: () => Promise<unknown>): Promise<void> {
    this.#struckMs = Date.now()
    await Promise.all([fault(), this.#realm.agent(this.#victim).kill()])
  }

  get struckMs(): number {
    return this.#struckMs
  }

  /** While what was struck is away. */
  goesOn(more: number): Promise<void> {
    this.#awayJobs += more
    return this.#load.goesOn(more)
  }

  /** Counted from here, where what was done has been undone; some group stands open then. */
  async repair(undo: () => Promise<unknown>): Promise<void> {
    await this.#realm.eventually(() => this.#load.inFlight().size > 0, { what: 'a job in flight', everyMs: 2 })
    await undo()
    this.#repairedMs = Date.now()
    this.#leaderless = new Leaderless(this.#realm)
    // The load is followed from the log, which a busy machine does late: what is counted from here on was not written before.
    await this.#realm.eventually(() => this.#realm.view.current(), { what: 'the log up to the repair' })
  }

  /** The load goes on, then ends; the log says that jobs were in flight when it struck, and how soon everything went on. */
  async end(): Promise<void> {
    await this.#load.goesOn(followingJobs)
    const stoppedMs = Date.now()
    await this.#load.stop()
    const log = await eventually(() => this.#realm.log(), { what: 'the log' })
    const inFlight = grantsOpenAt(log, this.#struckMs)
    await this.#leaderless!.stop()
    const choosingMs = Math.max(0, this.#leaderless!.lastMs - this.#repairedMs)
    const { violations, living, held, laterMs } = checkGoesOn(log, { atMs: this.#repairedMs, killed: new Set([this.#victim]), livingMs: livingMs + choosingMs, heldMs: heldMs + choosingMs })
    const away = succeededBetween(log, this.#struckMs, this.#repairedMs)
    const after = succeededBetween(log, this.#repairedMs, stoppedMs)
    console.info(`    in flight ${[...inFlight].map(([agent, count]) => `${agent} ${count}`).join(', ')}; ${away} jobs in the ${this.#repairedMs - this.#struckMs} ms of the fault, ${after} in the ${stoppedMs - this.#repairedMs} ms after it, of which the servers chose a leader for ${choosingMs}; `
      + `of living agents ${living.groups} groups, the last after ${living.longestMs} ms; of the killed ${held.groups}, the last after ${held.longestMs} ms; no pause longer than ${laterMs} ms after that`)
    expect(violations).toEqual([])
    expect(choosingMs).toBeLessThan(mostChoosingMs)
    expect([...inFlight.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(inFlightJobs)
    if (!this.#victimLeads) expect(inFlight.get(this.#victim) ?? 0).toBeGreaterThan(0)
    expect(living.groups + held.groups).toBeGreaterThan(0)
    expect(away).toBeGreaterThanOrEqual(this.#awayJobs * stampedAfter)
    expect(after).toBeGreaterThanOrEqual(followingJobs * stampedAfter)
  }
}
