/**
 * One agent process [115]: its parts put together, and its life cycle [FIG. 5] run. The same under real and virtual ports.
 *
 * 1. It takes part in nothing before the realm was read and accepted, at the start and after every reconnection.
 * 2. It ends in exactly one way: graceful (all finished or handed back, `AgentStopped` recorded), forced (calls aborted, nothing
 *    recorded), or crashed (as if the process had been killed). After that nothing of it is heard.
 */
import type { AgentEvent, AgentRole, AgentState } from '../../machines/agent/agent.ts'
import type { Manifest } from '../../machines/agent/configuration.ts'
import { startAgent as agentStarted, stopAgent as agentStopped } from '../../machines/agent/decide.ts'
import { type LifeCycleEffects, lifeCycleMachine } from '../../machines/agent/life-cycle.ts'
import { shortDigest } from '../../machines/agent/manifest.ts'
import { type Decision, nothing } from '../../machines/decision.ts'
import { type RealmState, allowsFormat, formatVersion } from '../../machines/realm/realm.ts'
import type { AgentDescription, MachineState, StopAnswer, StopRequest } from '../../streams/agent-messages.ts'
import { canonicalBytes, digestOf } from '../../streams/codec.ts'
import { leaseKey } from '../../streams/coordination.ts'
import { type Repeating, every, pause } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { startElection } from '../election/election.ts'
import { type HostedMachine, type TransitionListener, hostMachine } from '../process/host.ts'
import { inspectOnBus } from '../process/inspect.ts'
import { joinRealm } from '../realm/founding.ts'
import { answerOn } from './answers.ts'
import { checkClock } from './clock-check.ts'
import { describeAgent } from './describing.ts'
import { watchForGenericAgents } from './leaderless.ts'
import { manifestOf } from './manifest.ts'
import { watchForNearer } from './nearest-coordinator.ts'
import { OwnRecord } from './own-record.ts'
import { type LeadingDeps, type Parts, abandonParts, assembleParts, prepareToLead } from './parts.ts'
import { type AgentEnd, type AgentOptions, CannotGoOn, type RunningAgent } from './running-agent.ts'
import { handBack, sayFarewell } from './stopping.ts'

export { type AgentEnd, type AgentOptions, type AgentWithin, CannotGoOn, type RunningAgent } from './running-agent.ts'

/** Time-out [516] before an agent connects again. */
const reconnectMs = 500
const retryMs = 500
const clockCheckMs = 30_000
/** How often a skilled agent looks whether it is to lead, while nobody does. */
const planLookMs = 10_000

export function startAgent(options: AgentOptions): RunningAgent {
  return new AgentProcess(options)
}

class AgentProcess implements RunningAgent {
  readonly agent: string
  readonly joined: Promise<RealmState>
  readonly ready: Promise<void>
  readonly ended: Promise<AgentEnd>
  readonly #options: AgentOptions
  readonly #machine: HostedMachine<typeof lifeCycleMachine>
  readonly #subjects
  readonly #startedMs: number
  readonly #ending = new AbortController()
  readonly #link: { stop(): void }
  readonly #report: TransitionListener
  readonly #manifest: Manifest
  readonly #own: OwnRecord
  #parts: Parts | undefined
  #realmId: string | undefined
  /** Role and region as planned, else as it was started. */
  #role: AgentRole
  #region: string
  #recorded: { readonly instance: string; readonly done: Promise<void> } | undefined
  /** Grows with each preparation: an earlier one that is still under way says nothing any more. */
  #preparations = 0
  readonly #repeated: Repeating[] = []
  #stopAnswering: () => void = () => {}
  #end: AgentEnd | undefined
  #finish!: (end: AgentEnd) => void
  #settleJoined!: { resolve: (state: RealmState) => void; reject: (error: Error) => void }
  #settleReady!: { resolve: () => void; reject: (error: Error) => void }

  constructor(options: AgentOptions) {
    const { coordinator, clock } = options
    this.#options = options
    this.agent = options.agent
    this.#subjects = subjectsOf(options.realmName)
    this.#own = new OwnRecord({ log: coordinator.log, clock, random: options.random, signal: this.#ending.signal }, coordinator.bus, this.#subjects, this.agent)
    this.#manifest = manifestOf(options.build, this.#newestFormat)
    this.#role = options.role
    this.#region = options.region
    this.#startedMs = clock.nowMs()
    this.joined = new Promise((resolve, reject) => (this.#settleJoined = { resolve, reject }))
    this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }))
    // Who does not ask does not have to catch them.
    this.joined.catch(() => {})
    this.ready.catch(() => {})
    this.ended = new Promise((resolve) => (this.#finish = resolve))
    const publish = inspectOnBus(coordinator.bus, this.#subjects, { agent: this.agent, instance: () => this.instance })
    this.#report = (transition) => {
      publish(transition)
      options.onTransition?.(transition)
    }
    this.#machine = hostMachine<typeof lifeCycleMachine, LifeCycleEffects>({
      machine: lifeCycleMachine,
      input: { role: options.role, reconnectMs },
      clock,
      onTransition: this.#report,
      onTags: (has) => this.#parts?.executing.setWorking(has('works')),
      effects: {
        connect: () => this.#perform(() => this.#connect()),
        disposeConfiguration: () => this.#disposeConfiguration(),
        campaign: () => this.#campaign(),
        leaveElection: () => this.#leaveElection(),
        moveNearer: () => coordinator.place?.moveNearer(),
        prepare: () => this.#perform(() => this.#prepare()),
        applyConfiguration: () => this.#perform(() => this.#applyConfiguration()),
        sayLeaderExecutes: () =>
          options.logger.warn({ agent: this.agent }, 'the leader executes jobs itself: it is the only agent that could'),
        drain: () => this.#perform(() => this.#drain()),
        shutDown: () => this.#perform(() => this.#shutDown()),
      },
    })
    this.#link = coordinator.bus.onLink((state) => {
      if (state === 'disconnected') this.#machine.send({ type: 'Disconnected' })
    })
  }

  get instance(): string {
    return this.#parts?.presence.instance ?? ''
  }

  get leading(): number | undefined {
    return this.#parts?.election?.leading
  }

  get held(): readonly string[] {
    return this.#parts?.lanes.held ?? []
  }

  describe(): AgentDescription {
    const { instance, leading, held } = this
    const [startedMs, manifest, state] = [this.#startedMs, this.#manifest, this.#machine.state.value as MachineState]
    return describeAgent(this.#options, this.#parts, { instance, leading, held, startedMs, manifest, state })
  }

  stop(): Promise<AgentEnd> {
    this.#machine.send({ type: 'Stop' })
    return this.ended
  }

  force(): Promise<AgentEnd> {
    return this.#halt({ kind: 'forced' })
  }

  crash(): Promise<AgentEnd> {
    return this.#halt({ kind: 'crashed' })
  }

  /** Effects run beside the machine; an error that is no lack of connection ends the agent. */
  #perform(effect: () => Promise<void>): void {
    effect().catch((error: unknown) => {
      if (this.#ending.signal.aborted) return
      void this.#halt({ kind: 'failed', error: error as Error })
    })
  }

  /** Tries until the coordinator answers. */
  async #untilAvailable<T>(attempt: () => Promise<T>): Promise<T | undefined> {
    while (!this.#ending.signal.aborted) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
      }
      await pause(this.#options.clock, retryMs, this.#ending.signal)
    }
    return undefined
  }

  /** [508]: the connection itself heals by itself; what has to be done is to read the realm before anything is written. */
  async #connect(): Promise<void> {
    const state = await this.#join(this.#region)
    if (state === undefined || this.#ending.signal.aborted) return
    this.#realmId = state.realm
    this.#parts ??= this.#assemble(state)
    await this.#readPlan()
    if (this.#ending.signal.aborted) return
    this.#settleJoined.resolve(state)
    if (this.#options.coordinator.bus.link === 'connected') this.#machine.send({ type: 'Connected', role: this.#role })
    else this.#machine.send({ type: 'Disconnected' })
  }

  /** Also sees to it that the region has lanes. */
  #join(region: string): Promise<RealmState | undefined> {
    const { coordinator, clock, random, acceptWeakDurability, constants } = this.#options
    const expectedRealm = this.#options.expectedRealm ?? this.#realmId
    return this.#untilAvailable(() =>
      joinRealm({ log: coordinator.log, clock, random, signal: this.#ending.signal }, this.#subjects, {
        actor: `agent:${this.agent}`,
        region,
        durability: coordinator.durability,
        acceptWeakDurability,
        newestFormat: this.#newestFormat,
        ...(constants === undefined ? {} : { constants }),
        ...(expectedRealm === undefined ? {} : { expectedRealm }),
      }),
    )
  }

  /** What the log says is planned for this agent [608]: its role has to be known before the election. */
  async #readPlan(): Promise<void> {
    const { configuration } = this.#parts!
    if (!this.#isConfigured) return
    const state = await this.#untilAvailable(() => this.#own.read())
    if (state === undefined) return
    this.#role = state.planned.role ?? this.#options.role
    configuration.require(state.planRevision)
  }

  /** Who would push that this agent may lead again, while nobody leads? */
  async #lookAtPlan(): Promise<void> {
    if (this.#role === 'generic' || !this.#isConfigured) return
    const { coordinator } = this.#options
    const lease = await this.#untilAvailable(async () => ({ entry: await coordinator.lease.get(leaseKey) }))
    if (lease === undefined || lease.entry !== undefined) return
    await this.#readPlan()
    this.#machine.send({ type: 'RoleChanged', role: this.#role })
  }

  /** Configurations are shapes of format 2: in an older realm an agent goes by how it was started. */
  get #isConfigured(): boolean {
    return allowsFormat(this.#parts!.realm.state, 2)
  }

  get #leadingDeps(): LeadingDeps {
    return {
      options: this.#options,
      report: this.#report,
      superseded: (epoch) => this.#parts?.election?.supersededBy(epoch),
      stuck: () => this.#parts?.election?.declareAgain(),
    }
  }

  get #newestFormat(): number {
    return this.#options.newestFormat ?? formatVersion
  }

  #assemble(joined: RealmState): Parts {
    const { agent, role, coordinator, clock } = this.#options
    const parts = assembleParts({
      ...this.#leadingDeps,
      joined,
      subjects: this.#subjects,
      newestFormat: this.#newestFormat,
      fail: (error) => void this.#halt({ kind: 'failed', error }),
    })
    const { presence } = parts
    coordinator.ends?.show(agent)
    presence.onReplaced((by) => void this.#halt({ kind: 'replaced', by }))
    presence.onAcknowledged(() => this.#perform(() => this.#recordStart(parts)))
    parts.configuration.onChange(() => this.#machine.send({ type: 'ConfigurationChanged' }))
    parts.sites.onChange(() => this.#machine.send({ type: 'ConfigurationChanged' }))
    parts.executing.onQueue((state) => this.#machine.send({ type: state === 'waiting' ? 'QueueWaiting' : 'QueueEmpty' }))
    this.#repeated.push(every(clock, clockCheckMs, () => this.#perform(() => checkClock(parts))))
    if (role === 'skilled') this.#repeated.push(watchForGenericAgents(parts.context))
    this.#repeated.push(every(clock, planLookMs, () => this.#perform(() => this.#lookAtPlan())))
    const { place } = coordinator
    if (place !== undefined) this.#repeated.push(watchForNearer(place, clock, () => this.#machine.send({ type: 'NearerFound' })))
    this.#stopAnswering = answerOn(coordinator.bus, this.#subjects, agent, {
      pong: (follower) => {
        const leading = this.leading !== undefined
        const againMs = follower === undefined ? undefined : this.#parts?.election?.askedBy(follower)
        return { agent, instance: this.instance, leading, ...(leading || this.#machine.state.hasTag('works') ? {} : { ready: false }), ...(againMs === undefined ? {} : { againMs }) }
      },
      describe: () => this.describe(),
      stop: (request) => this.#stopAsAsked(request),
    })
    return parts
  }

  /** Once for each instance. From then on only a configuration counts that knows of this start. */
  #recordStart(parts: Parts): Promise<void> {
    const { instance } = parts.presence
    if (this.#recorded?.instance !== instance) this.#recorded = { instance, done: this.#writeStart(parts, instance) }
    return this.#recorded.done
  }

  async #writeStart({ configuration }: Parts, instance: string): Promise<void> {
    const { role, region, skills, build } = this.#options
    const manifest = this.#isConfigured ? { manifest: shortDigest(digestOf(canonicalBytes(this.#manifest))) } : {}
    const state = await this.#record(instance, (before) => agentStarted(before, { instance, role, region, skills, build, ...manifest }))
    if (state !== undefined) configuration.require(state.planRevision)
  }

  #stopAsAsked(request: StopRequest): StopAnswer {
    if (request.instance !== undefined && request.instance !== this.instance) {
      return { kind: 'refused', text: `agent ${this.agent} runs as instance ${this.instance}, not ${request.instance}` }
    }
    // Answered before it ends.
    this.#options.clock.after(0, () => void (request.mode === 'graceful' ? this.stop() : this.force()))
    return { kind: 'stopping', instance: this.instance }
  }

  /** [514]: what was received is worth nothing until it is received anew; no call starts meanwhile (the state has no tag `works`). */
  #disposeConfiguration(): void {
    this.#parts?.configuration.dispose()
    this.#options.logger.warn({ agent: this.agent }, 'disconnected from the coordinator')
  }

  #campaign(): void {
    const parts = this.#parts!
    // After a reconnection the election has gone on by itself.
    if (parts.election !== undefined) {
      const epoch = parts.election.leading
      this.#machine.send(epoch === undefined ? { type: 'NotElected' } : { type: 'Elected', epoch })
      return
    }
    const { leader } = (parts.leading ??= prepareToLead(parts.context, this.#leadingDeps))
    parts.election = startElection({
      context: parts.context,
      presence: parts.presence,
      keeper: parts.keeper,
      onTransition: this.#report,
      ...(this.#options.electionTimes === undefined ? {} : { times: this.#options.electionTimes }),
      listener: {
        onLead: (epoch) => {
          leader.lead(epoch)
          this.#machine.send({ type: 'Elected', epoch })
        },
        onStopLeading: () => {
          leader.stopLeading()
          this.#machine.send({ type: 'NotElected' })
        },
        onFollowing: () => this.#machine.send({ type: 'NotElected' }),
      },
    })
  }

  #leaveElection(): void {
    const parts = this.#parts!
    void parts.election?.resign()
    parts.election = undefined
    parts.leading?.leader.stopLeading()
  }

  /** [528]: the configuration was received, the adapters answered, presence is acknowledged, the clock was compared. */
  async #prepare(): Promise<void> {
    const number = ++this.#preparations
    const parts = this.#parts!
    const { presence, sites, configuration } = parts
    await presence.present()
    await this.#recordStart(parts)
    await this.#untilAvailable(() => sites.current())
    const without = sites.adaptersAnswered()
    if (without.length > 0) this.#options.logger.debug({ agent: this.agent, kinds: without }, 'sites of kinds for which this build has no adapter')
    if (this.#isConfigured) await this.#untilAvailable(() => configuration.receive())
    await checkClock(this.#parts!)
    if (this.#ending.signal.aborted || number !== this.#preparations) return
    await this.#applyConfiguration()
    this.#machine.send({ type: 'Ready' })
    this.#settleReady.resolve()
  }

  /** [540, 541]: tells the scheduler. The directory of sites has taken its change already, and the scheduler asks it for every job. */
  async #applyConfiguration(): Promise<void> {
    const { configuration, executing } = this.#parts!
    const received = configuration.inForce?.configuration
    if (received !== undefined) {
      executing.setCapacity(received.capacity)
      this.#role = received.role
      if (received.region !== this.#region) await this.#join((this.#region = received.region))
    }
    this.#machine.send({ type: 'ConfigurationApplied' })
    this.#machine.send({ type: 'RoleChanged', role: this.#role })
  }

  /** [536] */
  async #drain(): Promise<void> {
    if (this.#parts !== undefined) await handBack(this.#parts, this.#ending.signal)
    this.#machine.send({ type: 'Drained' })
  }

  /** [542] */
  async #shutDown(): Promise<void> {
    if (this.#parts !== undefined) {
      const { presence } = this.#parts
      await sayFarewell(this.#parts, () => this.#record(presence.instance, (state) => agentStopped(state, presence.instance)), this.#ending.signal)
    }
    await this.#halt({ kind: 'graceful' })
  }

  /**
   * Undefined where there was nothing to record any more: an instance that was lost meanwhile has nothing to say, and at no later attempt
   * either, since the start of the next one may stand in the log by then.
   */
  async #record(instance: string, decide: (state: AgentState) => Decision<AgentEvent>): Promise<AgentState | undefined> {
    const isLost = () => instance !== this.instance
    const decideStill = (state: AgentState) => (isLost() ? nothing<AgentEvent>(`instance ${instance} was lost`) : decide(state))
    return this.#untilAvailable(async () => (isLost() ? undefined : this.#own.write(decideStill, this.#parts?.realm.state.format)))
  }

  /** Whatever runs is ended without a word; idempotent. */
  #halt(end: AgentEnd): Promise<AgentEnd> {
    if (this.#end !== undefined) return this.ended
    this.#end = end
    this.#ending.abort()
    this.#link.stop()
    this.#machine.stop()
    this.#stopAnswering()
    for (const each of this.#repeated) each.stop()
    const error = end.kind === 'failed' ? end.error : new CannotGoOn(`agent ${this.agent} has ended: ${end.kind}`)
    this.#settleJoined.reject(error)
    this.#settleReady.reject(error)
    void abandonParts(this.#parts)
      .catch((failure: unknown) => this.#options.logger.error({ err: failure }, 'an agent did not end cleanly'))
      .then(() => this.#finish(end))
    return this.ended
  }
}
