/**
 * One service interface [105]: the endpoints `<realm>.api.v1.<noun>.<verb>`, and the reactor that finishes what others began.
 *
 * Owns: its view of the realm, its connections to sites, the requests in hand. Equivalent services share a queue group.
 * 1. A query answers from a view that holds everything that was in the log when the request came.
 * 2. `ok: true` to a command is said only of what is durable (I8).
 * 3. Stopping: no new request is taken; those in hand end, at most `stopGraceMs` long; then nothing of it is heard any more.
 */
import { formatVersion } from '../../machines/realm/realm.ts'
import { apiCatalogue, answerJsonSchema, answerLimitBytes, requestJsonSchema } from '../../streams/api/catalogue.ts'
import type { CatalogueEntry } from '../../streams/api/catalogue.ts'
import { ApiFailure, type Failure } from '../../streams/api/errors.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import { pathOfPassword } from '../../streams/login-in-text.ts'
import type { BusMessage, EndpointDefinition, Subscription } from '../../streams/ports/bus.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { type Repeating, pause } from '../../streams/ports/clock.ts'
import { MalformedId, parseEventSubject } from '../../streams/subjects.ts'
import { GroupOpener } from '../change/group-opener.ts'
import { LaneLoads } from '../change/lane-loads.ts'
import { LaneSender } from '../change/lane-sender.ts'
import { candidatesHere } from '../change/proposal.ts'
import { laneClient } from '../lane/client.ts'
import { type Keeper, directKeeper } from '../presence/keeper.ts'
import { WrongIncarnation } from '../realm/commit-append.ts'
import { RealmRefused, newerThan } from '../realm/founding.ts'
import { standingOf } from '../realm/standing.ts'
import { LaneRates } from '../realm/lane-rates.ts'
import { RealmView } from '../realm/view.ts'
import { archivedLanes } from '../realm/view-start.ts'
import type { SiteConnection } from '../sites/adapter.ts'
import { adapterOf as registeredAdapter } from '../sites/registry.ts'
import { type ServiceContext, type ServicePorts, type ServiceTimings, defaultTimings } from './context.ts'
import { DirectExecutor, demandOwnId } from './direct.ts'
import { changeHandlers } from './handle-changes.ts'
import { commandHandlers } from './handle-commands.ts'
import { groupHandlers } from './handle-groups.ts'
import { logHandlers } from './handle-log.ts'
import { agentHandlers } from './handle-agents.ts'
import { machineHandlers } from './handle-machines.ts'
import { laneHandlers, realmHandlers } from './handle-realm.ts'
import { serviceHandlers } from './handle-services.ts'
import { siteHandlers } from './handle-sites.ts'
import { triggerHandlers } from './handle-triggers.ts'
import type { Handlers } from './handlers.ts'
import { startLeftRuns } from '../trigger/left-runs.ts'
import { Machines } from './machines.ts'
import { Projection } from './projection.ts'
import { SilentExecutors } from './silent-executors.ts'
import { Sites } from './sites.ts'

export interface ServiceOptions extends Pick<ServicePorts, 'coordinator' | 'subjects' | 'clock' | 'random' | 'logger' | 'service' | 'build' | 'region'> {
  readonly timings?: Partial<ServiceTimings>
  /** Default: those of `src/sites/registry.ts`. */
  readonly adapterOf?: ServicePorts['adapterOf']
  /** `--newest-format`; default: all that this build knows. */
  readonly newestFormat?: number
  /** Default: `laneClient` on the coordinator's bus. */
  readonly lanes?: ServicePorts['lanes']
  /** Renews its presence; on this thread with this coordinator when absent (P8). Closed when the service stops. */
  readonly keeper?: Keeper
}

export interface RunningService {
  readonly view: RealmView
  /** Rejects when the log cannot be followed any further, the realm's format rises above what this program goes along with, the realm was restored (P12), or another program has its id (P20): the process should end. Never resolves; stopping does not settle it. */
  readonly broken: Promise<never>
  /** Idempotent. The coordinator stays open: it is the caller's. */
  stop(): Promise<void>
}

/** How long its presence may take before it answers without. */
const presentMs = 3_000

/** Most requests in hand; further ones are told that it is busy. */
const requestLimit = { count: 1_000, bytes: 64 * 1024 * 1024 } as const

/** Resolves when the endpoints answer. Throws `Unavailable`, `ServiceReplaced`. */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { coordinator, subjects, clock, logger } = options
  const abort = new AbortController()
  const timings = { ...defaultTimings, ...options.timings }
  const adapterOf = options.adapterOf ?? registeredAdapter
  const view = new RealmView(coordinator.log, subjects, undefined, archivedLanes({ coordinator, subjects, clock }))
  const projection = new Projection(subjects, view.state)
  const ports: ServicePorts = {
    ...options,
    timings,
    adapterOf,
    lanes: options.lanes ?? laneClient({ bus: coordinator.bus, subjects }),
    signal: abort.signal,
  }
  const sender = new LaneSender({
    lanes: ports.lanes,
    view,
    incarnation: coordinator.log.incarnation,
    clock,
    answerMs: timings.laneAnswerMs,
    signal: abort.signal,
  })
  const opener = new GroupOpener({
    view,
    texts: coordinator.texts,
    sender,
    clock,
    logger,
    actorOf: (command) => projection.actorOf(command),
    continueMs: timings.continueMs,
    proposer: { actor: `service:${options.service}`, candidates: () => candidatesHere(coordinator, view.state) },
  })
  const loads = new LaneLoads(view, options)
  const rates = new LaneRates(clock)
  view.onBeginning((begun) => projection.begin(begun))
  view.onForgotten((command) => projection.forget(command))
  view.onTurn((seen) => {
    projection.take(seen)
    const at = parseEventSubject(subjects.realm, seen.subject)
    if (at?.kind === 'lane') rates.see(at.lane, seen.turn)
    if (at?.kind === 'instruction') opener.taken(at.id)
  })
  const sites = new Sites({ clock, readMs: timings.siteReadMs, adapterOf })
  const silent = new SilentExecutors({ coordinator, subjects, view, clock })
  const machines = new Machines(coordinator.bus, subjects, clock)
  const keeper = options.keeper ?? directKeeper({ agents: coordinator.agents, lease: coordinator.lease }, clock)
  let requests: Requests | undefined
  let leftRuns: Repeating | undefined
  let direct: DirectExecutor | undefined
  let replace!: (error: Error) => void
  const replaced = new Promise<never>((_resolve, reject) => (replace = reject))
  // Nobody has to listen.
  replaced.catch(() => {})
  let served: Subscription | undefined
  let stopping: Promise<void> | undefined
  const idled = new AbortController()
  const stop = async () => {
    served?.stop()
    // Behind this, nothing that was routed to this service is still on its way.
    await coordinator.bus.flush(timings.stopGraceMs).catch(() => {})
    const handedBack = direct?.stop(timings.stopGraceMs) ?? keeper.close()
    await Promise.race([requests?.idle(), pause(clock, timings.stopGraceMs, idled.signal)])
    idled.abort()
    abort.abort()
    leftRuns?.stop()
    await handedBack
    machines.stop()
    await opener.stop()
    await view.stop()
    await sites.close()
  }
  try {
    const { realm } = await view.current()
    // What was heard up to here happened at other times.
    rates.begin()
    const { newestFormat = formatVersion } = options
    const standing = standingOf(view, subjects)
    const demandFormat = () => {
      const newer = newerThan(standing.state, newestFormat)
      if (newer !== undefined) replace(new RealmRefused(newer))
    }
    standing.onChange(demandFormat)
    demandFormat()
    const executor = { coordinator, subjects, clock, random: options.random, logger, constants: realm.constants, realm: standing, newestFormat, agent: options.service, role: 'service', region: options.region, skills: [], build: options.build } as const
    await demandOwnId(executor)
    direct = new DirectExecutor({
      context: executor,
      keeper,
      sites: { connection: (id) => connectionTo(view, sites, id) },
      view,
      sender,
      answerMs: timings.directAnswerMs,
      continueMs: timings.continueMs,
      signal: abort.signal,
      onReplaced: replace,
    })
    // Whoever counts who lives (the format of the realm) sees it before anybody else does.
    const waited = new AbortController()
    await Promise.race([direct.present(), pause(clock, presentMs, waited.signal)])
    waited.abort()
    const context: ServiceContext = { ...ports, view, loads, rates, projection, sites, opener, machines, silent, direct }
    const taking = new Requests(handlersOf(context, sender), context, replace)
    requests = taking
    opener.start()
    leftRuns = startLeftRuns(context)
    served = await coordinator.bus.serve({
      name: 'reeve',
      version: versionOf(options.build),
      description: `Service interface of the Reeve realm ${subjects.realm}`,
      metadata: { realm: subjects.realm, service: options.service, region: options.region, build: options.build },
      queue: 'reeve-api',
      endpoints: apiCatalogue.map((entry) => endpointOf(entry, context, taking)),
    })
    const broken = Promise.race([brokenView(view, () => stopping !== undefined), replaced])
    broken.catch(() => {})
    return { view, broken, stop: () => (stopping ??= stop()) }
  } catch (error) {
    await stop()
    throw error
  }
}

function handlersOf(context: ServiceContext, sender: LaneSender): Handlers {
  return {
    site: siteHandlers(context),
    service: serviceHandlers(context),
    change: changeHandlers(context),
    group: groupHandlers(context, sender),
    trigger: triggerHandlers(context),
    command: commandHandlers(context, sender),
    agent: agentHandlers(context),
    lane: laneHandlers(context),
    log: logHandlers(context),
    machine: machineHandlers(context),
    realm: realmHandlers(context),
  }
}

function endpointOf(entry: CatalogueEntry, { subjects }: ServiceContext, requests: Requests): EndpointDefinition {
  return {
    name: `${entry.noun}-${entry.verb}`,
    subject: subjects.api(entry.noun, entry.verb),
    metadata: {
      kind: entry.kind,
      summary: entry.summary,
      request: JSON.stringify(requestJsonSchema(entry)),
      answer: JSON.stringify(answerJsonSchema(entry)),
      errors: entry.allErrors.join(' '),
    },
    handle: (message) => requests.take(entry, message),
  }
}

/** Requests in hand. Every one is answered exactly once. */
class Requests {
  readonly #handlers: Handlers
  readonly #context: ServiceContext
  readonly #onFatal: (error: Error) => void
  #inHand = 0
  #inHandBytes = 0
  /** Ids of the commands among them. */
  readonly #commands = new Set<string>()
  #idle: (() => void) | undefined

  /** `onFatal`: this program cannot write in the realm any more. */
  constructor(handlers: Handlers, context: ServiceContext, onFatal: (error: Error) => void) {
    this.#handlers = handlers
    this.#context = context
    this.#onFatal = onFatal
  }

  take(entry: CatalogueEntry, message: BusMessage): void {
    const sizeBytes = message.data.length
    if (this.#inHand >= requestLimit.count || this.#inHandBytes + sizeBytes > requestLimit.bytes) {
      return message.answer(toBytes(new ApiFailure('busy', `${this.#inHand} requests are in hand, of ${this.#inHandBytes} bytes together; ask again in a moment`).toAnswer()))
    }
    this.#inHand += 1
    this.#inHandBytes += sizeBytes
    void this.#answer(entry, message).finally(() => {
      this.#inHand -= 1
      this.#inHandBytes -= sizeBytes
      if (this.#inHand === 0) this.#idle?.()
    })
  }

  idle(): Promise<void> {
    return this.#inHand === 0 ? Promise.resolve() : new Promise((resolve) => (this.#idle = resolve))
  }

  async #answer(entry: CatalogueEntry, message: BusMessage): Promise<void> {
    let answer: unknown
    try {
      answer = await this.#carryOut(entry, message.data)
    } catch (error) {
      answer = this.#failure(entry, error)
    }
    const bytes = toBytes(answer)
    if (bytes.length <= answerLimitBytes) return message.answer(bytes)
    const text = `the answer takes ${bytes.length} bytes, more than one message holds: ask for less at a time`
    message.answer(toBytes(new ApiFailure('too-large', text).toAnswer()))
  }

  async #carryOut(entry: CatalogueEntry, data: Uint8Array): Promise<unknown> {
    const parsed = entry.request.safeParse(bodyOf(data))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      const at = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`
      throw new ApiFailure('malformed', `the request is malformed${at}: ${issue?.message ?? 'unknown fault'}; docs/api.md has its form`)
    }
    // I10: what people write stands in the log for ever. Of addresses each kind of site says what it takes.
    const secret = pathOfPassword(entry.noun === 'site' ? { ...(parsed.data as object), address: undefined } : parsed.data)
    if (secret !== undefined) throw new ApiFailure('malformed', `the request holds a password at ${secret}: say it without, the log keeps every text for ever`)
    const handlers = this.#handlers[entry.noun] as Record<string, (request: unknown) => Promise<unknown>>
    if (entry.kind !== 'command') return handlers[entry.verb]!(parsed.data)
    const { command } = parsed.data as { readonly command?: string }
    if (this.#context.coordinator.intake?.full === true) throw noRoom(command, command !== undefined && this.#commands.has(command))
    if (command !== undefined) this.#commands.add(command)
    try {
      return await handlers[entry.verb]!(parsed.data)
    } finally {
      if (command !== undefined) this.#commands.delete(command)
    }
  }

  #failure(entry: CatalogueEntry, error: unknown): Failure {
    if (error instanceof ApiFailure) return error.toAnswer()
    if (error instanceof MalformedId) return new ApiFailure('malformed', error.message).toAnswer()
    const { logger, view } = this.#context
    const fields = { noun: entry.noun, verb: entry.verb, error }
    // P12: the realm was restored. Another program, or this one started again, knows the present incarnation.
    if (error instanceof WrongIncarnation) {
      logger.error(fields, 'the realm was restored or imported: this program has to end')
      this.#onFatal(error)
      return new ApiFailure('unavailable', 'this service is of a former incarnation of the realm and ends; ask again').toAnswer()
    }
    if (error instanceof Unavailable || error === view.broken) {
      logger.warn(fields, 'a request could not be answered: the log is not to be had')
      return new ApiFailure('unavailable', `the log did not answer: ${(error as Error).message}; ask again`).toAnswer()
    }
    logger.error(fields, 'a request ended in a fault')
    return new ApiFailure('internal', 'a fault of the service, see its log').toAnswer()
  }
}

/** One that is in hand is attempted until there is room: it may still happen. */
function noRoom(command: string | undefined, isInHand: boolean): ApiFailure {
  const full = 'the store of the log is full'
  if (!isInHand) return new ApiFailure('unavailable', `${full}: nothing new is taken; make room ("reeve doctor" says where), then ask again`)
  return new ApiFailure('may-still-happen', `${full}, it may still happen once there is room: ask again with command id ${command}, or settle it with "reeve command withdraw ${command}"`, { command: command! })
}

/** Nothing at all is an empty request, so that `nats request SUBJECT ''` works. */
function bodyOf(data: Uint8Array): unknown {
  if (data.length === 0) return {}
  try {
    return fromBytes<unknown>(data)
  } catch {
    throw new ApiFailure('malformed', 'the request is not JSON in UTF-8')
  }
}

/** To a site in the scope of management, for the jobs that this service carries out itself. */
function connectionTo(view: RealmView, sites: Sites, id: string): SiteConnection | undefined {
  const site = view.state.sites.get(id)
  return site?.managed === true ? sites.connection(site) : undefined
}

/** The services protocol wants a semantic version. */
function versionOf(build: string): string {
  return /^\d+\.\d+\.\d+/.exec(build)?.[0] ?? '0.0.0'
}

function brokenView(view: RealmView, isStopping: () => boolean): Promise<never> {
  const broken = new Promise<never>((_resolve, reject) => {
    view.reached(Number.MAX_SAFE_INTEGER).catch((error: unknown) => {
      if (!isStopping()) reject(error)
    })
  })
  // Nobody has to listen.
  broken.catch(() => {})
  return broken
}
