/**
 * One agent process [115]: its parts put together, and its life cycle [FIG. 5] run. The same under real and virtual ports.
 *
 * 1. It takes part in nothing before the realm was read and accepted, at the start and after every reconnection.
 * 2. It ends in exactly one way: graceful (all finished or handed back, `AgentStopped` recorded), forced (calls aborted, nothing
 *    recorded), or crashed (as if the process had been killed). After that nothing of it is heard.
 */
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { startAgent as agentStarted, stopAgent as agentStopped } from '../../machines/agent/decide.ts'
import { type LifeCycleEffects, lifeCycleMachine } from '../../machines/agent/life-cycle.ts'
import type { Decision } from '../../machines/decision.ts'
import { type RealmState, formatVersion } from '../../machines/realm/realm.ts'
import { type AgentDescription, type MachineState, type StopAnswer, type StopRequest, laneHolderName } from '../../streams/agent-messages.ts'
import { type Repeating, every, pause } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { startElection } from '../election/election.ts'
import { type HostedMachine, type TransitionListener, hostMachine } from '../process/host.ts'
import { inspectOnBus } from '../process/inspect.ts'
import { writeAggregate } from '../realm/aggregate-writer.ts'
import { joinRealm } from '../realm/founding.ts'
import { adapters } from '../sites/registry.ts'
import { answerOn } from './answers.ts'
import { clockSkewMs } from './clock-check.ts'
import { watchForGenericAgents } from './leaderless.ts'
import { type Parts, abandonParts, assembleParts } from './parts.ts'
import { type AgentEnd, type AgentOptions, CannotGoOn, type RunningAgent } from './running-agent.ts'

export { type AgentEnd, type AgentOptions, type AgentWithin, CannotGoOn, type RunningAgent } from './running-agent.ts'

/** Time-out [516] before an agent connects again. */
const reconnectMs = 500
const retryMs = 500
const clockCheckMs = 30_000
/** How long the log may take to record a graceful end before the agent ends without the record. */
const farewellMs = 3_000

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
  #parts: Parts | undefined
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
      effects: {
        connect: () => this.#perform(() => this.#connect()),
        disposeConfiguration: () => this.#disposeConfiguration(),
        campaign: () => this.#campaign(),
        prepare: () => this.#perform(() => this.#prepare()),
        applyConfiguration: () => this.#applyConfiguration(),
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
    const { agent, role, region, skills, build } = this.#options
    const parts = this.#parts
    const machines: Record<string, MachineState> = { agent: this.#machine.state.value as MachineState }
    if (parts !== undefined) machines['presence'] = parts.presence.machine.state.value as MachineState
    if (parts?.election !== undefined) machines['election'] = parts.election.machine.state.value as MachineState
    if (parts?.leader !== undefined) machines['leader'] = parts.leader.machine.state.value as MachineState
    for (const [lane, phase] of parts?.lanes.phases ?? []) machines[laneHolderName(lane)] = phase
    return {
      agent,
      instance: this.instance,
      role,
      region,
      skills,
      build,
      adapters: adapters.map((adapter) => adapter.kind),
      machines,
      leading: this.leading ?? null,
      lanes: this.held,
      load: parts?.executing.load ?? { queued: 0, held: 0 },
      startedMs: this.#startedMs,
    }
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
    const { coordinator, clock, random, region, acceptWeakDurability, constants } = this.#options
    const expectedRealm = this.#options.expectedRealm ?? this.#realmId
    const state = await this.#untilAvailable(() =>
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
    if (state === undefined || this.#ending.signal.aborted) return
    this.#realmId = state.realm
    this.#parts ??= this.#assemble(state)
    this.#settleJoined.resolve(state)
    if (coordinator.bus.link === 'connected') this.#machine.send({ type: 'Connected' })
    else this.#machine.send({ type: 'Disconnected' })
  }
  #realmId: string | undefined

  get #newestFormat(): number {
    return this.#options.newestFormat ?? formatVersion
  }

  #assemble(joined: RealmState): Parts {
    const { agent, role, region, skills, build, coordinator, clock } = this.#options
    const parts = assembleParts({
      options: this.#options,
      joined,
      subjects: this.#subjects,
      newestFormat: this.#newestFormat,
      report: this.#report,
      fail: (error) => void this.#halt({ kind: 'failed', error }),
      superseded: (epoch) => this.#parts?.election?.supersededBy(epoch),
      stuck: () => this.#parts?.election?.declareAgain(),
    })
    const { presence } = parts
    presence.onReplaced((by) => void this.#halt({ kind: 'replaced', by }))
    presence.onAcknowledged(() =>
      this.#perform(async () => {
        await this.#record(presence.instance, (state) => agentStarted(state, { instance: presence.instance, role, region, skills, build }))
      }),
    )
    parts.sites.onChange(() => this.#machine.send({ type: 'ConfigurationChanged' }))
    parts.executing.onQueue((state) => this.#machine.send({ type: state === 'waiting' ? 'QueueWaiting' : 'QueueEmpty' }))
    this.#repeated.push(every(clock, clockCheckMs, () => this.#perform(() => this.#checkClock())))
    if (role === 'skilled') this.#repeated.push(watchForGenericAgents(parts.context))
    this.#stopAnswering = answerOn(coordinator.bus, this.#subjects, agent, {
      pong: () => ({ agent, instance: this.instance, leading: this.leading !== undefined }),
      describe: () => this.describe(),
      stop: (request) => this.#stopAsAsked(request),
    })
    return parts
  }

  #stopAsAsked(request: StopRequest): StopAnswer {
    if (request.instance !== undefined && request.instance !== this.instance) {
      return { kind: 'refused', text: `agent ${this.agent} runs as instance ${this.instance}, not ${request.instance}` }
    }
    // Answered before it ends.
    this.#options.clock.after(0, () => void (request.mode === 'graceful' ? this.stop() : this.force()))
    return { kind: 'stopping', instance: this.instance }
  }

  /** [514]: what was received is worth nothing until it is received anew; no call starts meanwhile (`mayStartCall`). */
  #disposeConfiguration(): void {
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
    parts.election = startElection({
      context: parts.context,
      presence: parts.presence,
      keeper: parts.keeper,
      onTransition: this.#report,
      ...(this.#options.electionTimes === undefined ? {} : { times: this.#options.electionTimes }),
      listener: {
        onLead: (epoch) => {
          parts.leader!.lead(epoch)
          this.#machine.send({ type: 'Elected', epoch })
        },
        onStopLeading: () => {
          parts.leader!.stopLeading()
          this.#machine.send({ type: 'NotElected' })
        },
        onFollowing: () => this.#machine.send({ type: 'NotElected' }),
      },
    })
  }

  /** [528]: the configuration was received, presence is acknowledged, the clock was compared. */
  async #prepare(): Promise<void> {
    const { presence, sites } = this.#parts!
    await presence.present()
    await this.#untilAvailable(() => sites.current())
    await this.#checkClock()
    if (this.#ending.signal.aborted) return
    this.#machine.send({ type: 'Ready' })
    this.#settleReady.resolve()
  }

  /** P15: who is further than `clockSkewMs` from the server's stamp takes no lane. */
  async #checkClock(): Promise<void> {
    const { presence, lanes, context } = this.#parts!
    try {
      const skewMs = await clockSkewMs(context, presence)
      if (skewMs === undefined) return
      const trusted = Math.abs(skewMs) <= context.constants.clockSkewMs
      if (!trusted) context.logger.error({ agent: this.agent, skewMs }, 'the clock of this machine is wrong; it takes no lane until that is set right')
      lanes.setClockTrusted(trusted)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
    }
  }

  /** [540, 541]: the directory has taken the change already, and the scheduler asks it for every job. */
  #applyConfiguration(): void {
    this.#machine.send({ type: 'ConfigurationApplied' })
  }

  /** [536] */
  async #drain(): Promise<void> {
    const parts = this.#parts
    if (parts !== undefined) {
      parts.presence.announceStopping()
      await parts.election?.resign()
      parts.leader?.stop()
      // A call has its deadline; beyond that it is a coordinator that does not answer, and others find what this agent held.
      const enoughMs = parts.context.constants.siteCallDeadlineMs + farewellMs
      const handBack = async () => {
        await parts.executing.drain()
        await parts.lanes.release()
      }
      await Promise.race([handBack(), pause(this.#options.clock, enoughMs, this.#ending.signal)])
    }
    this.#machine.send({ type: 'Drained' })
  }

  /** [542] */
  async #shutDown(): Promise<void> {
    const parts = this.#parts
    if (parts !== undefined) {
      const { presence } = parts
      const farewell = async () => {
        await this.#record(presence.instance, (state) => agentStopped(state, presence.instance))
        await presence.leave()
      }
      await Promise.race([farewell(), pause(this.#options.clock, farewellMs, this.#ending.signal)])
    }
    await this.#halt({ kind: 'graceful' })
  }

  async #record(instance: string, decide: (state: AgentState) => Decision<AgentEvent>): Promise<void> {
    const { coordinator, clock, random } = this.#options
    await this.#untilAvailable(async () => {
      // An instance that was lost meanwhile has nothing to record any more.
      if (instance !== this.instance) return
      await writeAggregate<AgentState, AgentEvent>(
        { log: coordinator.log, clock, random, signal: this.#ending.signal },
        {
          subject: this.#subjects.aggregate('agent', this.agent),
          aggregate: 'agent',
          id: this.agent,
          empty: absentAgent(this.agent),
          fold: foldAgent,
          decide,
          actor: `agent:${this.agent}`,
        },
      )
    })
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
