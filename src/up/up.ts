/**
 * `reeve up`: everything on this machine. Starts the server, the service interface, the agents and, for a demonstration or
 * after one, two simulated sites, each a process of its own; keeps them running, and ends all of them with itself.
 *
 * 1. One `up` a data folder: the folder's lock is taken first and let go last.
 * 2. What was started is stopped in the order agents and service, sites, server, whatever happened in between.
 */
import { join } from 'node:path'
import { counted } from '../../machines/counted.ts'
import { type RealmState, allowsFormat, formatVersion } from '../../machines/realm/realm.ts'
import { presenceKey } from '../../streams/coordination.ts'
import { connectCoordinator, type NatsCoordinator } from '../../streams/jetstream/connect.ts'
import { removeLeftReaders } from '../../streams/jetstream/left-readers.ts'
import { withoutLogin } from '../../streams/login-in-text.ts'
import { type Clock, type Random, type Repeating, pause } from '../../streams/ports/clock.ts'
import { type Subjects, subjectsOf } from '../../streams/subjects.ts'
import type { Settings } from '../command-line/configuration.ts'
import { hint, print, sayFetching, showStatus, styled } from '../command-line/output.ts'
import { apiOf, type Session } from '../command-line/session.ts'
import { type DataFolder, dataFolderAt, lockFolder } from '../platform/data-folder.ts'
import { makeFolder, namesIn } from '../platform/folders.ts'
import { environment, ownProcessId, processIdentity } from '../platform/process.ts'
import { RealmRefused, joinRealm } from '../realm/founding.ts'
import { putIntoQuarantine, reasonText } from '../realm/quarantine.ts'
import { RealmView } from '../realm/view.ts'
import { archivedLanes } from '../realm/view-start.ts'
import { type NatsServer, startNatsServer } from '../server/run.ts'
import { adapters } from '../sites/registry.ts'
import { durabilityAt } from './ask-durability.ts'
import { compileOnce } from './compile-once.ts'
import { demoKind, type DemoSite, portOf, sitesToStart } from './demo.ts'
import { holdersIn, namedInstances } from './holders.ts'
import { loginVariables } from './login-variables.ts'
import { rememberRealm, rememberedRealm } from './realm-identity.ts'
import { removeRunning, writeRunning } from './running-file.ts'
import { leastFreeMebibytes, watchStore } from './store-watch.ts'
import { sayingWhoIsSlow } from './slow-start.ts'
import { Supervised, forcedText } from './supervisor.ts'

export interface UpOptions {
  readonly settings: Settings
  readonly demo: boolean
  /** Why nothing is to be executed: in the log before any agent starts. */
  readonly quarantine?: string
  /** Of the own nats-server, on the loopback interface; absent: any free one. */
  readonly port?: number
  readonly clock: Clock
  readonly random: Random
  /** Ends the start, where it aborts before that is done. */
  readonly signal: AbortSignal
}

export interface RunningUp {
  readonly session: Session
  readonly view: RealmView
  /** As it was when everything had started. */
  readonly quarantined: boolean
  /** Resolves, with why, when it cannot go on by itself. */
  readonly failed: Promise<string>
  /** Everything that was started, within 3 s. Idempotent. */
  stop(): Promise<void>
  /** At once, by force. */
  kill(): void
}

/** The start was ended by a person. */
export class UpStopped extends Error {
  override readonly name = 'UpStopped'
  readonly retryable = true
}

const genericAgents = 3
const skilledAgentsAKind = 2
/** Together well under the 3 s in which Ctrl-C has to be done. */
const childGraceMs = 1_300
const serverGraceMs = 900
/** A server that ran for so long is started again when it ends by itself. */
const serverSteadyMs = 3_000
/** Whatever has not ended by then is ended by force: what was acknowledged is on the disk. */
const stopDeadlineMs = 2_300
const readyMs = 60_000

/** Throws `FolderInUse`, `NatsServerError`, `Unavailable`, `RealmRefused`, `ChildDidNotStart`, `UpStopped`, `ApiFailure`; then nothing of it runs. */
export async function startUp(options: UpOptions): Promise<RunningUp> {
  const up = new Up(options)
  try {
    await up.start()
    return up
  } catch (error) {
    await up.stop()
    throw options.signal.aborted ? new UpStopped('stopped before everything had started', { cause: error }) : error
  }
}

class Up implements RunningUp {
  readonly #options: UpOptions
  readonly #folder: DataFolder
  readonly #subjects: Subjects
  readonly #programs: Supervised[] = []
  readonly #sites: Supervised[] = []
  readonly #kinds = new Set<string>()
  #lock: { release(): void } | undefined
  #server: NatsServer | undefined
  #storeWatch: Repeating | undefined
  #endsByUs = false
  /** The server is being started again. */
  #again: Promise<void> | undefined
  #coordinator: NatsCoordinator | undefined
  #place: readonly string[] = []
  #stopping: Promise<void> | undefined
  #fail: (why: string) => void = () => {}
  readonly failed: Promise<string>
  session!: Session
  view!: RealmView
  #servers: readonly string[] = []
  quarantined = false

  constructor(options: UpOptions) {
    this.#options = options
    this.#folder = dataFolderAt(options.settings.data)
    this.#subjects = subjectsOf(options.settings.realm)
    this.failed = new Promise((resolve) => (this.#fail = resolve))
  }

  async start(): Promise<void> {
    const { settings, demo, signal } = this.#options
    // Also while they start: who waits for one of them to be ready waits no longer.
    signal.addEventListener('abort', () => void endAll(this.#programs), { once: true })
    this.#lock = await lockFolder(settings.data)
    await makeFolder(this.#folder.logs)
    await this.#startServer()
    await this.#joinRealm()
    const { view } = this
    const former = namedInstances(await view.current())
    await compileOnce()
    this.#demandGoing()
    // Everything that does not need another is started together.
    showStatus('starting service, agents and sites …')
    const service = this.#supervise(this.#programs, 'service', () => ['serve', ...this.#place, '--id', 'service'])
    const generic = Array.from({ length: genericAgents }, (_, index) => this.#agent(`generic-${index + 1}`, 'generic', undefined))
    const held = sitesToStart(demo, view.state.sites, new Set(await namesIn(this.#folder.sites)))
    const sites = held.map((site) => this.#demoSite(site))
    const skilled = [...new Set([...[...view.state.sites.values()].filter((site) => site.managed).map((site) => site.kind), ...(demo ? [demoKind] : [])])].flatMap((kind) => this.#skilledFor(kind))
    const programs = [service, ...sites, ...generic, ...skilled]
    const started = await sayingWhoIsSlow(this.#options.clock, programs, Promise.all(programs.map((program) => program.start())))
    this.#demandGoing()
    line('service', 'answers on the NATS subjects of the realm')
    line('agents', [...generic, ...skilled].map((agent) => agent.name).join(' '))
    await this.#addDemoSites(held, started.slice(1, 1 + sites.length).map((ready) => ready.address))
    view.onTurn(() => void this.#followSites())
    await this.#followSites()
    await this.#untilLanesAreHeld(former)
    this.#sayQuarantine()
  }

  async #startServer(): Promise<void> {
    const { settings } = this.#options
    if (settings.server !== undefined) {
      this.#servers = settings.servers.map(({ url }) => url)
      this.#place = ['--server', settings.server, ...(settings.monitoringUrl === undefined ? [] : ['--monitoring-url', settings.monitoringUrl])]
      return
    }
    showStatus('starting nats-server …')
    const server = await this.#runServer(this.#options.port)
    line('server', `nats-server ${server.version} at ${server.url}, every write synced`)
    this.#storeWatch = watchStore({ clock: this.#options.clock, folder: this.#folder.server, monitoringUrl: () => this.#server?.monitoringUrl, onFull: () => this.#sayFull(), onStartAgain: () => this.#startServerAgain() })
    this.#demandGoing()
  }

  /** On the same port and store it is the same server to everybody who was connected. */
  async #runServer(port: number | undefined): Promise<NatsServer> {
    const { settings, clock } = this.#options
    const server = await startNatsServer({
      clock,
      folder: this.#folder.server,
      ...(settings.natsServer === undefined ? {} : { program: settings.natsServer }),
      ...(port === undefined ? {} : { port }),
      onFetch: sayFetching,
    })
    this.#server = server
    this.#servers = [server.url]
    this.#place = ['--server', server.url, '--monitoring-url', server.monitoringUrl]
    const startedMs = clock.monotonicMs()
    void server.exited.then(({ code, signal }) => {
      if (this.#stopping === undefined) this.#again = this.#serverEnded(signal ?? `exit code ${code}`, startedMs)
    })
    return server
  }

  #sayFull(): void {
    print(`${styled('red', '✖')} the disk of ${this.#folder.server} is full: nothing new is started until ${leastFreeMebibytes} MiB are free; all goes on by itself then`)
  }

  #startServerAgain(): void {
    this.#endsByUs = true
    print(`${styled('yellow', '!')} nats-server could not write its store; there is space, it is started again`)
    void this.#server?.stop()
  }

  async #serverEnded(how: string, startedMs: number): Promise<void> {
    const { clock } = this.#options
    const ended = this.#server!
    const failed = `nats-server ended by itself (${how})`
    // One that does not stay up would take every program with it again and again.
    if (clock.monotonicMs() - startedMs < serverSteadyMs) return this.#fail(`${failed} soon after its start; its log is ${ended.logFile}`)
    if (!this.#endsByUs) print(`${styled('yellow', '!')} ${failed}; it is started again`)
    try {
      const server = await this.#runServer(Number(new URL(ended.url).port))
      if (this.#stopping !== undefined) return await server.stop(serverGraceMs)
      await this.#remember()
      this.#endsByUs = false
      print(`${styled('green', '✔')} nats-server is back`)
    } catch (error) {
      this.#fail(`${failed}, and could not be started again: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  async #joinRealm(): Promise<void> {
    const { settings, clock, random, signal } = this.#options
    showStatus('joining the realm …')
    const durability = this.#server === undefined ? await durabilityAt(settings.monitoringUrl) : ({ level: 'synced' } as const)
    const coordinator = await connectCoordinator({
      servers: this.#servers, realm: settings.realm, name: 'reeve up', clock, random, create: true, ...settings.login, ...(durability === undefined ? {} : { durability }),
    })
    this.#coordinator = coordinator
    if (this.#server !== undefined) await removeLeftReaders(coordinator.connection, this.#subjects.snapshotsName)
    const expectedRealm = await rememberedRealm(settings.data)
    const realm = await joinRealm({ log: coordinator.log, clock, random, signal }, this.#subjects, {
      actor: 'program:reeve-up',
      region: settings.region,
      durability: coordinator.durability,
      acceptWeakDurability: settings.acceptWeakDurability,
      ...(settings.newestFormat === undefined ? {} : { newestFormat: settings.newestFormat }),
      ...(expectedRealm === undefined ? {} : { expectedRealm }),
    })
    await rememberRealm(settings.data, realm.realm)
    await this.#quarantine(coordinator, realm)
    if (this.#server === undefined) line('server', `${this.#servers.map(withoutLogin).join(', ')}, durability ${coordinator.durability.level}`)
    this.view = new RealmView(coordinator.log, this.#subjects, undefined, archivedLanes({ coordinator, subjects: this.#subjects, clock }))
    this.session = {
      bus: coordinator.bus,
      subjects: this.#subjects,
      ask: await apiOf(coordinator.bus, this.#subjects),
      close: async () => {},
    }
    await this.#remember()
    this.#demandGoing()
  }

  /** Where other commands on this machine find it. */
  async #remember(): Promise<void> {
    const { settings } = this.#options
    const pid = ownProcessId()
    const identity = processIdentity(pid)
    const monitoringUrl = this.#server?.monitoringUrl ?? settings.monitoringUrl
    await writeRunning(settings.data, {
      url: this.#servers[0]!, servers: this.#servers, realm: settings.realm, pid, ...(identity === undefined ? {} : { identity }), ...(monitoringUrl === undefined ? {} : { monitoringUrl }),
    })
  }

  async #quarantine(coordinator: NatsCoordinator, realm: RealmState): Promise<void> {
    const { settings, quarantine: why, clock, random, signal } = this.#options
    if (why === undefined) return
    // An older realm's format may rise for it where nobody lives who does not know the newer one. What a former run left expires.
    const nobody = async () => (await coordinator.agents.entries()).every(({ key }) => !key.startsWith(presenceKey('')))
    const mayRise = !allowsFormat(realm, formatVersion) && (settings.newestFormat ?? formatVersion) === formatVersion
    let nobodyPresent = mayRise && (await nobody())
    const endMs = clock.monotonicMs() + 2 * realm.constants.presenceMs
    while (mayRise && !nobodyPresent && clock.monotonicMs() < endMs && !signal.aborted) {
      await pause(clock, 200, signal)
      nobodyPresent = await nobody()
    }
    const written = await putIntoQuarantine({ log: coordinator.log, clock, random, signal }, this.#subjects, { actor: 'program:reeve-up', why, nobodyPresent })
    if (written.kind === 'refused') throw new RealmRefused(`no quarantine: ${written.refusal.text}`)
  }

  #sayQuarantine(): void {
    const { quarantine } = this.view.state.realm
    this.quarantined = quarantine !== null
    if (quarantine !== null) hint(`${styled('yellow', '•')} ${'quarantine'.padEnd(nameWidth)} ${reasonText(quarantine.why, this.#options.quarantine)}`)
  }

  #agent(id: string, role: 'generic' | 'skilled', kind: string | undefined): Supervised {
    return this.#supervise(this.#programs, id, () => ['agent', ...this.#place, '--id', id, '--role', role, ...(kind === undefined ? [] : ['--skill', kind])])
  }

  /** Two, so that one may be killed. */
  #skilledFor(kind: string): readonly Supervised[] {
    if (this.#kinds.has(kind)) return []
    this.#kinds.add(kind)
    // A kind that needs no skill is carried out by generic agents; one without an adapter here by nobody.
    const adapter = adapters.find((one) => one.kind === kind)
    if (adapter === undefined || adapter.skill === 'none') return []
    return Array.from({ length: skilledAgentsAKind }, (_, index) => this.#agent(`${kind}-${index + 1}`, 'skilled', kind))
  }

  async #followSites(): Promise<void> {
    for (const site of this.view.state.sites.values()) {
      if (!site.managed || this.#stopping !== undefined || this.#options.signal.aborted) continue
      for (const agent of this.#skilledFor(site.kind)) {
        try {
          await agent.start()
          line('agent', `${agent.name}, for sites of kind ${site.kind}`)
        } catch (error) {
          if (this.#stopping === undefined && !this.#options.signal.aborted) print(`${styled('red', '✖')} ${(error as Error).message}`)
        }
      }
    }
  }

  #demoSite({ site, name, services, seed }: DemoSite): Supervised {
    // The same one for the whole run, so that a restart finds its callers.
    let port = portOf(this.view.state.sites.get(site))
    const program = this.#supervise(this.#sites, `site ${site}`, () => [
      'simulated-site', '--data', join(this.#folder.sites, site), '--port', String(port), '--name', name, '--services', String(services), '--seed', seed,
    ])
    const start = program.start.bind(program)
    program.start = async () => {
      const ready = await start()
      port = ready.port ?? port
      return ready
    }
    return program
  }

  async #addDemoSites(sites: readonly DemoSite[], addresses: readonly (string | undefined)[]): Promise<void> {
    for (const [index, { site }] of sites.entries()) {
      const known = this.view.state.sites.get(site)
      if (known === undefined || known.revision === 0) {
        await this.session.ask('site', 'add', { site, kind: demoKind, address: addresses[index]!, region: this.#options.settings.region, actor: 'program:reeve-up' })
      }
      line('site', `${site} at ${addresses[index]} (simulated desktops)`)
    }
    await this.view.current()
  }

  async #untilLanesAreHeld(former: ReadonlySet<string>): Promise<void> {
    const { clock } = this.#options
    showStatus('waiting for a leader and the lanes …')
    const endMs = clock.monotonicMs() + readyMs
    for (;;) {
      this.#demandGoing()
      const { leader, lanes, held } = holdersIn(await this.view.current(), this.#options.settings.region, former)
      if (leader !== undefined && held === lanes) return line('leader', `${leader}; ${counted(lanes, 'lane')}, each with a holder`)
      if (clock.monotonicMs() >= endMs) {
        return hint(`${styled('yellow', '•')} ${leader === undefined ? 'no leader yet' : `${lanes - held} of ${counted(lanes, 'lane')} ${lanes - held === 1 ? 'has' : 'have'} no holder yet`}; "reeve doctor" says more`)
      }
      await pause(clock, 50, this.#options.signal)
    }
  }

  #supervise(list: Supervised[], name: string, args: () => readonly string[]): Supervised {
    const { clock } = this.#options
    const program = new Supervised({
      name,
      args: () => [...args(), ...this.#shared(name)],
      environment: { ...environment(), ...loginVariables(this.#options.settings) },
      logFile: join(this.#folder.logs, `${name.replace(' ', '-')}.log`),
      clock,
      onEnded: (ended, exit, againInMs) => print(`${styled('yellow', '!')} ${ended} ended (${exit.signal ?? `exit code ${exit.code}`}); it is started again in ${againInMs / 1000} s`),
      onNotMade: (missing, error, againInMs) => print(`${styled('red', '✖')} ${missing} cannot be started (${(error as Error).message}); it is tried again in ${againInMs / 1000} s`),
      onStopped: (stopped) => print(`${styled('yellow', '•')} ${stopped} was told to stop, and did`),
      onBack: (back) => print(`${styled('green', '✔')} ${back} is back`),
    })
    list.push(program)
    return program
  }

  #shared(name: string): readonly string[] {
    if (name.startsWith('site ')) return []
    const { settings } = this.#options
    return ['--realm', settings.realm, '--region', settings.region, '--data', settings.data, ...(settings.acceptWeakDurability ? ['--accept-weak-durability'] : []), ...(settings.newestFormat === undefined ? [] : ['--newest-format', String(settings.newestFormat)])]
  }

  #demandGoing(): void {
    if (this.#options.signal.aborted) throw new UpStopped('stopped before everything had started')
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  async #stop(): Promise<void> {
    const deadline = this.#options.clock.after(stopDeadlineMs, () => this.kill())
    try {
      await this.#stopInOrder()
    } finally {
      deadline.cancel()
    }
    const forced = forcedText([...this.#programs, ...this.#sites], (await this.#server?.exited)?.signal === 'SIGKILL')
    if (forced !== undefined) print(`${styled('yellow', '!')} ${forced}`)
  }

  async #stopInOrder(): Promise<void> {
    await endAll(this.#programs)
    await Promise.all([...this.#sites.map((site) => site.stop(childGraceMs / 2)), this.view?.stop().catch(() => {})])
    await this.#coordinator?.close().catch(() => {})
    this.#storeWatch?.stop()
    await this.#again
    // It puts its state on the disk, which takes as long as it takes: it has what the others have left of the time.
    await this.#server?.stop(stopDeadlineMs)
    if (this.#lock !== undefined) {
      await removeRunning(this.#options.settings.data).catch(() => {})
      this.#lock.release()
    }
  }

  kill(): void {
    for (const program of [...this.#programs, ...this.#sites]) program.kill()
    void this.#server?.stop(0)
  }
}

const endAll = (programs: readonly Supervised[]) => Promise.all(programs.map((program) => program.stop(childGraceMs)))
const nameWidth = 8

function line(name: string, text: string): void {
  print(`${styled('green', '✔')} ${name.padEnd(nameWidth)} ${text}`)
}
