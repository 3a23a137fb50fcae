/**
 * A whole realm of real processes for fault tests: nats-server, agents, service interface and simulated sites, each a process of
 * its own, founded with short times, so that a loss is a loss after seconds. Every program reaches the server by a way of its own (`wire.ts`).
 *
 * Owns every process that it started; after the disposal none of them runs, which it verifies by their numbers.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { Operation } from '../../machines/service/operation.ts'
import { LaneSender } from '../../src/change/lane-sender.ts'
import { callIdentity } from '../../src/executor/call-identity.ts'
import { type Read, namedFiles, withArchives } from '../../src/archive/merged.ts'
import { type NoAnswer, laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { processIdentity } from '../../src/platform/process.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { RealmView } from '../../src/realm/view.ts'
import { type ApiClient, apiClient } from '../../src/service/client.ts'
import type { FencingClass } from '../../src/sites/adapter.ts'
import { NatsBus } from '../../streams/jetstream/bus.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { canonicalBytes, digestOf, newUlid } from '../../streams/codec.ts'
import type { LaneCommand, LaneCommandAnswer, LaneCommandBody, WorkAnswer } from '../../streams/lane-protocol.ts'
import { groupId, subjectsOf } from '../../streams/subjects.ts'
import { numbersOf } from '../checkers/group-replay.ts'
import { type ReadLog, commitsOf, readLog } from '../checkers/read.ts'
import type { Violation } from '../checkers/violation.ts'
import { type EventuallyOptions, eventually } from '../support/eventually.ts'
import { TestNatsCluster } from '../support/nats-cluster.ts'
import { TestNatsServer } from '../support/nats-server.ts'
import { type SimulatedSiteProcess, startSimulatedSite } from '../support/simulated-site.ts'
import { type Expected, judgeRealm, wholeJournal } from './judging.ts'
import { apply } from './applying.ts'
import { Program, mainFile, running } from './program.ts'
import { isSettled } from './settling.ts'
import { type AgentWanted, type CommandResult, type RealmWanted, shortTimes, threeGenericTwoSkilled } from './wanted.ts'
import { Wire } from './wire.ts'

export { shortTimes, threeGenericTwoSkilled } from './wanted.ts'

export const realmName = 'reeve'
export const subjects = subjectsOf(realmName)

/** For a test on a machine that does other things too; nothing waits for it. */
export const patienceMs = 300_000

export class FaultRealm implements AsyncDisposable {
  /** The one server, or the first of the cluster. */
  readonly server: TestNatsServer
  readonly #cluster: TestNatsCluster | undefined
  readonly wire: Wire
  readonly folder: string
  readonly agents = new Map<string, Program>()
  readonly sites = new Map<string, SimulatedSiteProcess>()
  readonly #fencing = new Map<string, FencingClass>()
  readonly #pids = new Map<number, string>()
  readonly #commands = new Set<ChildProcess>()
  #coordinator!: NatsCoordinator
  #closeApi: () => Promise<void> = async () => {}
  service!: Program
  view!: RealmView
  /** By a way of its own through the wire, as process `client`. */
  api!: ApiClient

  private constructor(servers: TestNatsServer | TestNatsCluster, wire: Wire, folder: string) {
    this.#cluster = servers instanceof TestNatsCluster ? servers : undefined
    this.server = servers instanceof TestNatsCluster ? servers.server('n1') : servers
    this.wire = wire
    this.folder = folder
  }

  static async start(wanted: RealmWanted = {}): Promise<FaultRealm> {
    const servers = wanted.cluster === undefined ? await TestNatsServer.start(wanted.server) : await TestNatsCluster.start({ gates: true, ...wanted.cluster })
    const ports = servers instanceof TestNatsCluster ? servers.clientPorts : [() => servers.port]
    const realm = new FaultRealm(servers, new Wire(ports), await mkdtemp(join(tmpdir(), 'reeve-faults-')))
    try {
      await realm.#start(wanted)
      return realm
    } catch (error) {
      await realm[Symbol.asyncDispose]()
      throw error
    }
  }

  async #start({ agents = threeGenericTwoSkilled, sites = {}, format, serviceNewestFormat }: RealmWanted): Promise<void> {
    const observing = this.#cluster === undefined ? this.server : await this.wire.open('observer')
    // Servers that have just met choose a leader among them first.
    this.#coordinator = await eventually(
      () => connectCoordinator({
        servers: observing.url.split(','),
        realm: realmName,
        name: 'observer',
        clock: systemClock,
        random: systemRandom,
        create: true,
        durability: { level: 'synced' },
      }),
      { what: 'a realm on the server' },
    )
    const { log } = this.#coordinator
    const founding = { actor: 'program:test', region: 'here', constants: shortTimes, durability: { level: 'synced' }, acceptWeakDurability: false, ...(format === undefined ? {} : { newestFormat: format }) } as const
    await joinRealm({ log, clock: systemClock, random: systemRandom }, subjects, founding)
    this.view = new RealmView(log, subjects)
    const client = await this.wire.open('client')
    const link = await openLink({ servers: client.url.split(','), name: 'client', clock: systemClock })
    this.#closeApi = () => link.close()
    this.api = apiClient(new NatsBus(link), subjects, { actor: 'program:test' })
    this.service = this.#program('serve', ['serve', '--id', 'one', ...newest(serviceNewestFormat)])
    // Of an older realm: nobody of the newer format is alone in it, or it would rise.
    if (format !== undefined) await this.service.start()
    const started = await Promise.allSettled([
      this.service.start(),
      ...agents.map((agent) => this.addAgent(agent)),
      ...Object.entries(sites).map(async ([id, settings]) => {
        const site = await startSimulatedSite(settings)
        this.sites.set(id, site)
        this.#fencing.set(id, settings.fencing ?? 'enforced')
        this.#pids.set(site.pid, processIdentity(site.pid) ?? '')
      }),
    ])
    // Only when all of them have been waited for is it known what has to be ended.
    for (const one of started) if (one.status === 'rejected') throw one.reason
    for (const [id, site] of this.sites) await this.api.call('site', 'add', { site: id, kind: 'simulated', address: site.adapterAddress })
    await this.settled()
  }

  #program(name: string, args: readonly string[]): Program {
    const common = () => ['--realm', realmName, '--data', join(this.folder, 'data'), '--monitoring-url', this.monitoringUrl]
    return new Program(name, (url) => [...args, '--server', url, ...common()], { wire: this.wire, folder: this.folder, pids: this.#pids })
  }

  get cluster(): TestNatsCluster {
    if (this.#cluster === undefined) throw new Error('this realm has one server')
    return this.#cluster
  }

  /** Of every server. */
  get monitoringUrl(): string {
    return this.#cluster === undefined ? this.server.monitoringUrl : [...this.#cluster.servers.values()].map((server) => server.monitoringUrl).join(',')
  }

  /** As a program of ours has it: every server of the realm, by a way of its own. */
  get coordinator(): NatsCoordinator {
    return this.#coordinator
  }

  async addAgent({ id, role, skills = [], newestFormat }: AgentWanted): Promise<Program> {
    const program = this.#program(id, ['agent', '--id', id, '--role', role, ...(skills.length === 0 ? [] : ['--skill', ...skills]), ...newest(newestFormat)])
    this.agents.set(id, program)
    await program.start()
    return program
  }

  /** Of another service interface; it takes the place of the first one for whoever starts and ends programs here. */
  async replaceService(id: string, newestFormat?: number): Promise<void> {
    const former = this.service
    this.service = this.#program(`serve-${id}`, ['serve', '--id', id, ...newest(newestFormat)])
    await this.service.start()
    await former.stop()
  }

  agent(id: string): Program {
    const program = this.agents.get(id)
    if (program === undefined) throw new Error(`this realm has no agent ${id}`)
    return program
  }

  /** Every program runs, each lane is held by the follower that is to hold it, and the leader knows everybody (`settling.ts`). */
  async settled(): Promise<void> {
    for (const site of this.sites.values()) await site.removeSwitches()
    await Promise.all([this.service, ...this.agents.values()].map((program) => program.start()))
    await this.eventually(() => isSettled(this), { what: 'a settled realm', everyMs: 50 })
  }

  /** The same as `eventually`; a failure says where the realm stands and what its programs said. */
  async eventually<T>(probe: () => T | Promise<T>, options: EventuallyOptions): Promise<Exclude<T, undefined | null | false>> {
    return eventually(probe, options).catch(async (error: unknown) => {
      const { lanes, agents, realm } = this.view.state
      const held = [...lanes.values()].map(({ lane, holder }) => `${lane}: ${holder?.agent ?? 'nobody'}`)
      const here = [...agents.values()].map(({ agent, phase }) => `${agent}: ${phase}`)
      throw new Error(`${(error as Error).message}; leader ${realm.leader?.agent}; ${held.join(', ')}; ${here.join(', ')}\n${await this.logs()}`, { cause: error })
    })
  }

  get leader(): string {
    return this.view.state.realm.leader?.agent ?? ''
  }

  holderOf(lane: string): string | undefined {
    return this.view.state.lanes.get(lane)?.holder?.agent
  }

  /** A lane that moves just now is held by nobody for a moment. */
  holding(lane: string): Promise<string> {
    return this.eventually(() => this.holderOf(lane), { what: `a holder of lane ${lane}`, everyMs: 5 })
  }

  group(id: string): GroupState {
    const state = this.view.state.group(id)
    if (state === undefined) throw new Error(`group ${id} is not in the log`)
    return state
  }

  /** Ids of the first services of a site. */
  async services(site: string, count: number): Promise<readonly string[]> {
    const { services } = (await this.sites.get(site)!.request('GET', '/v1/services')).body as { readonly services: readonly { readonly id: string }[] }
    return services.slice(0, count).map(({ id }) => id)
  }

  /** Opens a group on services of a site; resolves when it is sealed. */
  async open(site: string, request: { readonly services?: readonly string[]; readonly operation?: Operation; readonly window?: number } = {}): Promise<string> {
    const applied = await apply(this.api, {
      command: this.newCommandId(),
      selector: request.services === undefined ? { sites: [site] } : { services: request.services.map((service) => `${site}/${service}`) },
      // One that changes something each time, so that no service is left out as so already.
      operation: request.operation ?? { name: 'rename', to: `Name ${(this.#names += 1)}` },
      confirmed: true,
      // Over all agents, so that locks change hands.
      distributionFactor: 100,
      ...(request.window === undefined ? {} : { window: request.window }),
    })
    if (applied.group === null) throw new Error('nothing to do')
    return applied.group
  }
  #names = 0

  /** Resolves with the phase in which it ended, or was stopped (blocked, faulted). */
  async stopped(group: string, withinMs = 120_000): Promise<string> {
    const phase = () => this.group(group).phase
    const stopped = () => groupTable.isFinal(phase()) || phase() === 'blocked' || phase() === 'faulted'
    await this.eventually(stopped, { withinMs, what: `the end of group ${group}` }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${this.#shown(group)}`, { cause: error })
    })
    return phase()
  }

  /** Throws, saying where it stands, unless every job of the group succeeds. */
  async completes(group: string, withinMs?: number): Promise<void> {
    if ((await this.stopped(group, withinMs)) !== 'completed') throw new Error(`group ${group} did not complete: ${this.#shown(group)}`)
  }

  #shown(group: string): string {
    const { phase, position, queued, head, grant, assignments, failed, unknown } = this.group(group)
    return JSON.stringify({ phase, position, queued, head, grant, assignments, failed, unknown })
  }

  /** Resolves with the agent that holds the lock of the group, once it holds one and so many jobs are settled. */
  async executing(group: string, settledJobs = 0): Promise<string> {
    return this.eventually(() => this.group(group).position >= settledJobs && this.group(group).grant?.agent, { what: `an executor in group ${group}`, everyMs: 5 })
  }

  /** A job of the group is inside a call at the site. Resolves with the executor. */
  async inCall(group: string, site: string): Promise<string> {
    return this.eventually(
      async () => {
        const grant = this.group(group).grant
        if (grant === null) return undefined
        const calls = await this.sites.get(site)!.journal()
        return calls.some((call) => call.token.scope === group && call.token.revision === grant.revision && call.beganOrder > 0 && call.endedOrder === 0) && grant.agent
      },
      { what: `a call of group ${group} at site ${site}`, everyMs: 10 },
    )
  }

  /** Numbers of the jobs of a group in the order of execution, as the log has them at its end. */
  jobsOf(group: string): readonly number[] {
    return numbersOf(this.group(group).queue)
  }

  /** Jobs of the group for which the site has made a change, by its own journal, in the order of the changes. */
  async changes(site: string, group: string): Promise<readonly number[]> {
    const made = (await wholeJournal(this.sites.get(site)!)).filter(({ token, outcome, repeatOf }) => token.scope === group && outcome?.kind === 'done' && repeatOf === null)
    return made.sort((a, b) => a.endedOrder - b.endedOrder).map(({ idempotencyKey }) => Number(idempotencyKey.slice(idempotencyKey.lastIndexOf('/') + 1)))
  }

  async eventsOf(group: string): Promise<readonly GroupEvent[]> {
    return [...commitsOf(await this.log(), 'group')].filter(({ commit }) => commit.id === group).flatMap(({ commit }) => commit.events as readonly GroupEvent[])
  }

  /** Every grant of a group, in order; `grant` is its token's revision. */
  async grantsOf(group: string): Promise<readonly { readonly grant: number; readonly agent: string; readonly instance: string; readonly jobs: readonly number[] }[]> {
    return [...commitsOf(await this.log(), 'group')].flatMap(({ commit }) =>
      (commit.id === group ? (commit.events as readonly GroupEvent[]) : []).flatMap((event, index) =>
        event.type === 'LockGranted' ? [{ grant: commit.revision + index, agent: event.data.agent, instance: event.data.instance, jobs: numbersOf(event.data.jobs) }] : []))
  }

  /** On the wire, in an agent's name: asks for one job by name. The agent must hold no grant of that lane. */
  async ask(lane: string, agent: string, asks: { readonly group: string; readonly job: number }): Promise<WorkAnswer | NoAnswer> {
    const { log, bus } = this.#coordinator
    const instance = this.view.state.agents.get(agent)!.instance
    const request = { builtOn: { incarnation: log.incarnation, number: 0 }, agent, instance, capacity: 0, held: [], outcomes: [], stopped: [], asks }
    return this.#atHolder(() => laneClient({ bus, subjects }).work(lane, request))
  }

  /** On the wire, to whoever holds the lane. */
  toLane(lane: string, command: Omit<LaneCommand, 'builtOn'>): Promise<LaneCommandAnswer | NoAnswer> {
    const { log, bus } = this.#coordinator
    return this.#atHolder(() => laneClient({ bus, subjects }).send(lane, { builtOn: { incarnation: log.incarnation, number: 0 }, ...command }))
  }

  /** A lane that moves just now is held by nobody for a moment, and a holder that is replaced drops what it was asked (P2): it is asked again, as every program does. */
  #atHolder<A extends { readonly kind: string }>(ask: () => Promise<A | NoAnswer>): Promise<A | NoAnswer> {
    return this.eventually(
      () => ask().then((answer) => (answer.kind === 'no-answer' ? undefined : answer)),
      { what: 'a holder', everyMs: 100 },
    ) as Promise<A | NoAnswer>
  }

  /** On the wire: jobs as they are given here, which no plan of an adapter makes; proposed to the agent, where one is named. Resolves when the group is sealed. */
  async openJobs(lane: string, jobs: readonly JobSpec[], agent?: string): Promise<string> {
    const group = groupId(lane, this.newCommandId())
    const plan = digestOf(canonicalBytes({ jobs }))
    const bodies: readonly ((revision: number) => LaneCommandBody)[] = [
      () => ({ kind: 'open', name: 'jobs of a test', jobs: jobs.length, parts: 1, plan, window: 1, region: 'here', distributionFactor: 100 }),
      () => ({ kind: 'add', plan, part: 1, jobs }),
      ...(agent === undefined ? [] : [(revision: number): LaneCommandBody => ({ kind: 'assign', assignments: [{ first: 1, last: jobs.length, agent }], ifRevision: revision })]),
      () => ({ kind: 'seal', plan }),
    ]
    const { bus, log } = this.#coordinator
    // As a service does: repeated while a lane moves, or its server is away.
    const sender = new LaneSender({ lanes: laneClient({ bus, subjects }), view: this.view, incarnation: log.incarnation, clock: systemClock, answerMs: 90_000, signal: new AbortController().signal })
    let revision = 0
    for (const body of bodies) {
      const answer = await sender.send(lane, { group, actor: 'program:test', body: body(revision) })
      if (answer.kind !== 'done') throw new Error(`${body(revision).kind} of group ${group}: ${JSON.stringify(answer)}`)
      revision = answer.revision
    }
    return group
  }

  newCommandId(): string {
    return newUlid(systemClock.nowMs(), systemRandom)
  }

  /** The command line as a process; a failure of the test kills it with the rest. */
  async command(args: readonly string[], started: (child: ChildProcess) => void = () => {}): Promise<CommandResult> {
    const way = await this.wire.open('command')
    const child = spawn(process.execPath, [mainFile, ...args, '--server', way.url, '--realm', realmName, '--data', join(this.folder, 'data')], { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    this.#commands.add(child)
    this.#pids.set(child.pid!, processIdentity(child.pid!) ?? '')
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    started(child)
    const [code] = (await once(child, 'close')) as [number | null]
    running.delete(child)
    this.#commands.delete(child)
    await way.close()
    return { code, stdout, stderr }
  }

  /** Where turns of lanes were archived: the log is read with them. */
  archives: string | undefined

  async log(): Promise<ReadLog> {
    const { log } = this.#coordinator
    const messages: StoredMessage[] = []
    const end = await log.last(subjects.allEvents)
    const live: Read = (options) => log.read(options)
    const read = this.archives === undefined ? live : withArchives((await namedFiles([{ path: this.archives, isFolder: true }])).archives!, subjects, live)
    if (end !== undefined) for await (const batch of read({ subjects: [subjects.allEvents], from: 1, until: end.position })) messages.push(...batch)
    return readLog(messages, realmName)
  }

  /** All checkers (`judging.ts`). */
  async judge(expected: Expected = {}): Promise<Violation[]> {
    const journals = await Promise.all([...this.sites].map(async ([site, process]) => ({ site, fencing: this.#fencing.get(site)!, calls: await wholeJournal(process) })))
    const { agents, view, api, wire } = this
    return judgeRealm({ coordinator: this.#coordinator, log: () => this.log(), view, api, wire, agents, journals, late: this.#late, constants: shortTimes }, expected)
  }

  /**
   * At a site, in an agent's name: a call that its frozen process had checked and not yet made (P23). Resolves with what the site
   * says of it.
   */
  async callLate(site: string, call: { readonly group: string; readonly grant: number; readonly job: number; readonly service: string; readonly operation: Operation }): Promise<unknown> {
    const { group, grant, job, service, operation } = call
    const body = { operation, ...callIdentity(group, this.#coordinator.log.incarnation, grant, job), deadlineMs: Date.now() + shortTimes.siteCallDeadlineMs, fencing: this.#fencing.get(site)! }
    const answer = await this.sites.get(site)!.request('POST', `/v1/services/${encodeURIComponent(service)}/operations`, body)
    this.#late.add(`${site} ${answer.body.call}`)
    return answer.body.outcome
  }
  readonly #late = new Set<string>()

  /** What the programs said, for a failure's message. */
  async logs(): Promise<string> {
    const files = (await readdir(this.folder)).filter((file) => file.endsWith('.log'))
    return (await Promise.all(files.map(async (file) => `--- ${file}\n${await readFile(join(this.folder, file), 'utf8')}`))).join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#commands) child.kill('SIGKILL')
    await Promise.all([...this.agents.values(), ...(this.service === undefined ? [] : [this.service])].map((program) => program.kill()))
    await Promise.all([...this.sites.values()].map((site) => site.stop()))
    await this.view?.stop().catch(() => {})
    await this.#closeApi()
    await this.#coordinator?.close()
    await this.wire[Symbol.asyncDispose]()
    await (this.#cluster ?? this.server)[Symbol.asyncDispose]()
    await rm(this.folder, { recursive: true, force: true })
    const left = [...this.#pids].filter(([pid, identity]) => identity !== '' && processIdentity(pid) === identity)
    if (left.length > 0) throw new Error(`processes are left: ${left.map(([pid]) => pid).join(' ')}`)
  }
}

function newest(format: number | undefined): readonly string[] {
  return format === undefined ? [] : ['--newest-format', String(format)]
}
