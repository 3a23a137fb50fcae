/**
 * A whole realm from one seed: real lanes, executors and presence over the realm in memory, a workload, a nemesis, and the checkers
 * at the end. The same seed and the same code give the same run, to the byte of the log.
 */
import { createHash } from 'node:crypto'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type Subjects, laneName, subjectsOf } from '../../streams/subjects.ts'
import type { Logger } from '../../src/agent/context.ts'
import type { LaneState } from '../../machines/lane/state.ts'
import type { AgentRole } from '../../machines/agent/agent.ts'
import { formatVersion } from '../../machines/realm/realm.ts'
import { Administrator } from './administrator.ts'
import { startSimAgent } from './agent.ts'
import { Archivist } from './archivist.ts'
import { Asking } from './asking.ts'
import { derivedMs, leaderlessMs, leaseMs, lookMs, mostElections, mostSteps, quietMs, settleMs } from './bounds.ts'
import { busBeforeShortForm } from './build-before.ts'
import { Dice } from './dice.ts'
import { type Failpoint, Strikes, type Struck, aimsOf } from './failpoints.ts'
import { judge } from './judge.ts'
import { startNemesis } from './nemesis.ts'
import { SimNetwork } from './network.ts'
import { standBy } from './lasting-log.ts'
import { Onlooker } from './onlooker.ts'
import { type Focus, type WorldPlan, planOf } from './plan.ts'
import { SimProcess } from './process.ts'
import { type WorldAgent, type WorldProgram, type WorldService, entryIn } from './program.ts'
import { startSimService } from './service.ts'
import { SimSite, adapterTo } from './site.ts'
import { Told } from './told.ts'
import { traceLine } from './trace-line.ts'
import { type RunEnd, VirtualTime, epochMs } from './virtual-time.ts'
import { Workload } from './workload.ts'
import { spansKept } from '../../src/realm/lane-rates.ts'
import type { Violation } from '../checkers/violation.ts'

/** So that what a world does is much: its leader measures over 2 s. */
const balance = { spanMs: 400, leastWork: 50 }

export interface WorldOptions {
  readonly seed: number
  /** Absent: the seed chooses. */
  readonly focus?: Focus
  /** Each log line of each process, with its virtual time. */
  readonly onLine?: (line: string) => void
}

export interface WorldResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly steps: number
  readonly virtualMs: number
  readonly turns: number
  readonly kills: number
  readonly groups: number
  readonly calls: number
  readonly struck: Struck
  /** Of everything that the log holds: equal for equal seeds. */
  readonly digest: string
}

export async function runWorld(options: WorldOptions): Promise<WorldResult> {
  const world = new World(options)
  try {
    return await world.run()
  } finally {
    world.close()
  }
}

export class World {
  readonly seed: number
  readonly dice: Dice
  readonly plan: WorldPlan
  readonly time = new VirtualTime()
  readonly sites = new Map<string, SimSite>()
  readonly agents: WorldAgent[] = []
  readonly services: WorldService[] = []
  /** Processes of agents that were replaced while frozen (P20), still to be woken. */
  readonly frozen: SimProcess[] = []
  readonly realm: MemoryRealm
  readonly subjects: Subjects
  readonly network: SimNetwork
  /** Of those whom nothing befalls: over restores too. */
  readonly log: EventLog
  readonly onlooker: Onlooker
  readonly lanes: readonly string[]
  /** Clients that are never killed, but cut off like all. */
  readonly otherClients: string[] = []
  kills = 0
  readonly #strikes: Strikes
  readonly administrator: Administrator
  readonly archivist: Archivist
  /** Ids of programs of an older build. */
  readonly old = new Set<string>()
  calm = false
  readonly #told = new Told()
  readonly #line: (line: string) => void
  #processes = 0
  readonly #coordinators = new Map<SimProcess, Coordinator>()
  #failures: Violation[] = []
  #restored = false
  readonly #onRejection = (error: unknown) => this.fail('crash', `unhandled: ${error instanceof Error ? error.stack : String(error)}`)

  constructor({ seed, focus, onLine }: WorldOptions) {
    this.seed = seed
    this.#line = onLine ?? (() => {})
    this.dice = new Dice(`reeve/${seed}`)
    this.plan = planOf(this.dice.stream('plan'), focus)
    this.#strikes = new Strikes(this.dice, this.plan.nemesis.failpoint, this.plan.nemesis.aims ? aimsOf(this.plan, this.dice.stream('aims')) : [])
    this.subjects = subjectsOf('sim')
    this.network = new SimNetwork(this.dice.stream('network'), this.plan)
    const { time } = this
    const realmClock = { nowMs: () => Math.floor(epochMs + time.nowMs), monotonicMs: () => time.nowMs, after: (delayMs: number, task: () => void) => time.after(delayMs, task) }
    this.realm = new MemoryRealm({ realm: 'sim', clock: realmClock, random: this.dice.stream('realm'), faults: this.network.faults })
    this.lanes = Array.from({ length: this.plan.lanes }, (_, index) => laneName('r', index + 1))
    for (const site of this.plan.sites) this.sites.set(site.site, new SimSite(site, realmClock, this.dice.stream(site.site)))
    const { coordinator, log } = standBy(this.realm, realmClock)
    this.log = log
    this.onlooker = new Onlooker({ coordinator, log, subjects: this.subjects, clock: realmClock, dice: this.dice.stream('onlooker') })
    this.administrator = new Administrator(this.realm, this.subjects, realmClock, this.dice.stream('administrator'), (what) => this.say('admin', what))
    this.archivist = new Archivist(this.realm, this.subjects, realmClock, this.dice.stream('archivist'), (what) => this.say('archivist', what))
    process.on('unhandledRejection', this.#onRejection)
  }

  fail(rule: string, what: string): void {
    this.#failures.push({ rule, what, position: undefined })
  }

  get programs(): readonly WorldProgram[] {
    return [...this.agents, ...this.services]
  }

  start(program: WorldProgram): void {
    if (program.role === 'service') this.startService(program.agent)
    else this.startAgent(program.agent, program.role)
  }

  async run(): Promise<WorldResult> {
    const bounds = { steps: mostSteps(this.plan.faultsUntilMs), untilMs: this.plan.faultsUntilMs + settleMs }
    const crashed = () => this.#failures.length > 0 || this.onlooker.epochs.length > mostElections(this.plan.faultsUntilMs)
    let founded = false
    void this.onlooker.found(this.lanes, this.plan.sites, this.plan.format).then(() => (founded = true))
    await this.time.run(() => crashed() || founded, bounds)
    if (this.plan.format === 1) for (let index = 1; index <= 9; index++) for (const kind of ['a', 's', 'v']) this.old.add(`${kind}${index}`)
    for (let index = 1; index <= this.plan.agents; index++) this.startAgent(`a${index}`, 'generic')
    for (let index = 1; index <= this.plan.skilled; index++) this.startAgent(`s${index}`, 'skilled')
    for (let index = 1; index <= this.plan.services; index++) this.startService(`v${index}`)
    const { groups, windows, windowSizes, unordered, mostJobs, smooth, skilled, services, changes, triggers } = this.plan
    const common = { sites: this.sites, smooth, openUntilMs: this.plan.faultsUntilMs * 0.8, log: this.log, told: this.#told, end: () => this.onlooker.endPosition, isCalm: () => this.calm }
    const workload = new Workload({
      ...this.#newClient('person'), ...common, dice: this.dice.stream('workload'), lanes: this.#hotLanes(), groups, windows, windowSizes, unordered, mostJobs, skilled: skilled > 0,
    })
    const asking =
      services === 0 ? undefined : new Asking({ ...this.#newClient('asker'), ...common, dice: this.dice.stream('asking'), changes, triggers })
    startNemesis(this, this.dice.stream('nemesis'))
    const isOver = () => this.calm && workload.done && asking?.done !== false && this.onlooker.format === formatVersion
    const isBroken = () => crashed() || asking?.failure !== undefined
    let end: RunEnd
    do {
      end = await this.time.run(() => isBroken() || isOver(), bounds)
      if (end === 'reached' && !isBroken()) {
        const quietFrom = this.time.nowMs
        end = await this.time.run(() => isBroken() || this.time.nowMs >= quietFrom + quietMs, { ...bounds, untilMs: quietFrom + quietMs + 60_000 })
      }
      if (end === 'reached' && !isBroken()) end = await this.#untilDerived(bounds.untilMs)
      // A request that was still under way has opened a group meanwhile.
    } while (end === 'reached' && !isBroken() && !isOver())
    if (end !== 'reached') this.fail('I3', `the world is ${end} at ${Math.round(this.time.nowMs)} ms, ${this.time.steps} steps`)
    if (workload.failure !== undefined) this.fail('I3', workload.failure)
    if (asking?.failure !== undefined) this.fail('I3', asking.failure)
    if (this.onlooker.epochs.length > mostElections(this.plan.faultsUntilMs)) this.fail('I7', `${this.onlooker.epochs.length} elections: the lead goes to and fro`)
    if (this.archivist.failure !== undefined) this.fail('archive', this.archivist.failure.message)
    const messages = this.archivist.whole(await this.onlooker.readAll())
    const violations = [
      ...this.#failures,
      ...judge({
        messages,
        subjects: this.subjects,
        told: this.#told,
        sites: [...this.sites.values()],
        writers: this.network.writers,
        live: this.#liveLanes(),
        groups: workload.groups,
        leaderless: this.plan.nemesis.leaderlessAtMs === undefined ? undefined : { fromMs: epochMs + this.plan.nemesis.leaderlessAtMs + leaseMs, untilMs: epochMs + this.plan.faultsUntilMs, mostMs: leaderlessMs },
        balance: this.plan.peaceful ? { lanes: this.lanes, leastWork: balance.leastWork, measuredMs: balance.spanMs * spansKept, drift: this.plan.drift, fromMs: epochMs + this.plan.faultsUntilMs } : undefined,
        quarantineLagMs: this.plan.heardWithinMs,
        endedAtMs: epochMs + this.time.nowMs,
        ended: !crashed() || end !== 'reached',
      }),
    ]
    const digest = createHash('sha256')
    for (const { bytes } of messages) digest.update(bytes)
    return {
      seed: this.seed,
      violations,
      steps: this.time.steps,
      virtualMs: Math.round(this.time.nowMs),
      turns: messages.length,
      kills: this.kills,
      struck: this.#strikes.counts,
      groups: workload.groups.length,
      calls: [...this.sites.values()].reduce((sum, site) => sum + site.journal.length, 0),
      digest: digest.digest('hex'),
    }
  }

  /** I11: lease, presence and mappings are there again, whatever was deleted, and the log knows who runs. */
  async #untilDerived(untilMs: number): Promise<RunEnd> {
    const byMs = Math.max(this.time.nowMs + derivedMs, untilMs)
    let missing: string[] | undefined
    const look = () => {
      const running = this.agents.flatMap(({ agent, running }) => (running === undefined ? [] : [{ agent, instance: running.running.instance }]))
      void this.onlooker.missing(this.lanes, running, this.network.sick).then((found) => {
        missing = found
        if (found.length > 0 && this.time.nowMs < byMs) this.time.after(lookMs, look)
      })
    }
    look()
    const over = () => missing !== undefined && (missing.length === 0 || this.time.nowMs >= byMs)
    const end = await this.time.run(() => this.#failures.length > 0 || over(), { steps: mostSteps(this.plan.faultsUntilMs), untilMs: byMs + 10_000 })
    if (missing !== undefined && missing.length > 0) this.fail('I11', `${missing.join(', ')} did not come back`)
    return end
  }

  close(): void {
    process.off('unhandledRejection', this.#onRejection)
  }

  say(who: string, message: string, fields?: object): void {
    this.#line(traceLine(this.time.nowMs, who, message, fields))
  }

  startAgent(agent: string, role: AgentRole): void {
    const client = this.#newClient(agent)
    const { process: own, coordinator } = client
    const entry = entryIn<WorldAgent>(this.agents, { agent, role, process: own, running: undefined, coordinator })
    entry.running = startSimAgent({
      agent,
      role,
      ...this.#given(agent, client),
      balance: this.plan.hotLanes === undefined ? undefined : balance,
      told: this.#told,
      end: () => this.onlooker.endPosition,
      failpoint: (name) => this.#failpoint(own, name),
      onExit: (ended) => {
        this.say(own.name, `ended: ${ended.kind}`, ended)
        if (ended.kind === 'failed' && !this.#stopsForRestore(ended.error) && !this.#tooOld(agent, ended.error)) this.fail('crash', `${own.name} failed: ${ended.error.stack}`)
        this.#ended(entry, own, coordinator)
      },
    })
    this.say(own.name, 'started')
  }

  startService(service: string): void {
    const client = this.#newClient(service)
    const { process: own, coordinator } = client
    const entry = entryIn<WorldService>(this.services, { agent: service, role: 'service', process: own, running: undefined, coordinator })
    entry.running = startSimService({
      service,
      ...this.#given(service, client),
      onExit: (error) => {
        if (own.state === 'dead') return
        this.say(own.name, 'ended', { error })
        const expected = error === undefined || ['Unavailable', 'ServiceReplaced'].includes(error.name) || this.#tooOld(service, error) || this.#stopsForRestore(error)
        if (!expected) this.fail('crash', `${own.name} failed: ${error.stack}`)
        this.#ended(entry, own, coordinator)
      },
    })
    this.say(own.name, 'started')
  }

  /** A newer build takes the place of an older one; does nothing where that was done. */
  upgrade(id: string): void {
    if (!this.old.delete(id)) return
    this.say(id, 'is upgraded')
    void this.programs.find(({ agent }) => agent === id)?.running?.stop()
  }

  kill(target: SimProcess, coordinator: Coordinator): void {
    if (target.state === 'dead') return
    this.say(target.name, 'killed')
    this.kills += 1
    target.kill()
    void coordinator.close()
    for (const entry of this.programs) if (entry.process === target) entry.running = undefined
  }

  /** Somebody who believes to lead maps a lane to anybody. */
  moveLane(dice: Dice): void {
    const lane = dice.pick(this.lanes)
    const { agent } = dice.pick(this.agents)
    const epoch = this.onlooker.epochs.at(dice.chance(0.5) ? -1 : -2)
    if (epoch === undefined) return
    this.say('world', `maps ${lane} to ${agent}`)
    this.onlooker.map(lane, agent, epoch)
  }

  /** Something that is derived is gone (I11). */
  wipe(dice: Dice): void {
    const bucket = dice.pick(this.plan.nemesis.wiped)
    this.say('world', `wipes bucket ${bucket}`)
    this.realm.wipe(bucket)
  }

  /** As after an import: who knows the former incarnation has to stop (P12). */
  restore(): void {
    this.#restored = true
    this.say('world', `is restored as incarnation ${this.realm.raiseIncarnation()}`)
  }

  async #failpoint(own: SimProcess, name: Failpoint): Promise<void> {
    const { dice, plan } = this
    const struck = this.#strikes.passes(name, this.calm, own.state === 'running')
    if (struck === undefined) return
    if (struck === 'any' && dice.chance(0.5) && plan.nemesis.pauseEveryMs !== undefined) {
      this.say(own.name, `paused at ${name}`)
      own.pause()
      this.time.after(dice.between(100, 12_000), () => own.resume(false))
      return own.pass(Promise.resolve())
    }
    this.say(own.name, `to be killed at ${name}`)
    const entry = this.programs.find(({ process }) => process === own)
    this.kill(own, this.#coordinators.get(own)!)
    this.time.after(dice.between(50, 6_000), () => {
      if (entry !== undefined && entry.running === undefined) this.start(entry)
    })
    return new Promise(() => {})
  }

  /** Who started it starts it again. */
  #ended(entry: WorldProgram, own: SimProcess, coordinator: Coordinator): void {
    const isPresent = entry.process === own
    own.kill()
    void coordinator.close()
    if (!isPresent) return
    entry.running = undefined
    if (this.calm && entry.role !== 'service') this.start(entry)
    else this.time.after(this.dice.between(50, 4_000), () => entry.running === undefined && this.start(entry))
  }

  /** What every program is given. */
  #given(id: string, { process: own, coordinator }: { readonly process: SimProcess; readonly coordinator: Coordinator }) {
    return {
      newestFormat: this.old.has(id) ? 1 : undefined,
      process: own,
      coordinator: this.#isBeforeShortForm(id, own) ? { ...coordinator, bus: busBeforeShortForm(coordinator.bus, this.subjects, id) } : coordinator,
      subjects: this.subjects,
      dice: this.dice.stream(own.name),
      adapter: adapterTo(this.sites, own, this.plan.skilled > 0 ? 'required' : 'none'),
      logger: this.#logger(own.name),
    }
  }

  /** In four worlds of ten the processes are of several builds, also those of one agent that follow one another. */
  #isBeforeShortForm(id: string, own: SimProcess): boolean {
    return this.old.has(id) || (this.dice.stream('builds').chance(0.4) && this.dice.stream(`build of ${own.name}`).chance(0.5))
  }

  /** In which groups are opened. */
  #hotLanes(): readonly string[] {
    const dice = this.dice.stream('hot lanes')
    const lanes = [...this.lanes]
    while (lanes.length > (this.plan.hotLanes ?? Infinity)) lanes.splice(dice.whole(0, lanes.length - 1), 1)
    return lanes
  }

  #stopsForRestore(error: Error): boolean {
    return this.#restored && ['CannotGoOn', 'WrongIncarnation', 'LogMissing'].includes(error.name)
  }

  /** The realm has risen without it: it has to be upgraded. */
  #tooOld(id: string, error: Error): boolean {
    if (error.name !== 'RealmRefused' || this.plan.format !== 1) return false
    this.old.delete(id)
    return true
  }

  #newClient(name: string) {
    const clockDice = this.dice.stream(`clock-${name}-${++this.#processes}`)
    const { skewMs, drift } = this.plan
    const own = new SimProcess(`${name}.${this.#processes}`, this.time, {
      skewMs: clockDice.whole(-skewMs, skewMs),
      rate: 1 + clockDice.between(-drift, drift),
    })
    if (name === 'person' || name === 'asker') this.otherClients.push(own.name)
    const strikes = name !== 'person' && name !== 'asker'
    const coordinator = own.coordinator(this.realm.connect({ name: own.name, clock: own.clock }), strikes ? (at) => this.#failpoint(own, at) : undefined)
    this.#coordinators.set(own, coordinator)
    return { process: own, coordinator, subjects: this.subjects }
  }

  #logger(who: string): Logger {
    const at = (level: string) => (fields: object, message: string) => this.say(who, `${level} ${message}`, fields)
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #liveLanes(): { readonly lane: string; readonly holder: string; readonly state: LaneState }[] {
    // A sick holder's turn in flight is never answered: what it has is not what anybody acts on.
    return this.agents.filter(({ agent }) => agent !== this.network.sick).flatMap(({ process: own, running }) =>
      (running?.running.held ?? []).map((lane) => ({ lane, holder: own.name, state: running!.lanes()!.stateOf(lane)! })),
    )
  }
}
