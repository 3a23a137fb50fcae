/**
 * The leader procedure [524, 526; FIG. 6]: configurations to agents, lanes to agents, jobs to agents, grants of lost agents
 * closed, lost agents recorded.
 *
 * 1. Everything it does is a conditional write or a command that a lane judges by revision, token and epoch: two leaders at
 *    once lose time, never order (I7, P27).
 * 2. A grant is closed only by the waits of P18 and I9 (`machines/placement/expiry.ts`).
 * 3. Whatever it knows is rebuilt when it begins to lead; nothing outlives `stop`.
 */
import { leaderMachine, type LeaderEffects } from '../../machines/leader/machine.ts'
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { loseAgent } from '../../machines/agent/decide.ts'
import type { Assignment } from '../../machines/execution-group/events.ts'
import { type Grant, type GroupState, openGrants } from '../../machines/execution-group/state.ts'
import { expiresAtMs, isRecordedLost } from '../../machines/placement/expiry.ts'
import { riseTo } from '../../machines/realm/rise.ts'
import { allowsFormat } from '../../machines/realm/realm.ts'
import type { Timer } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { AgentContext } from '../agent/context.ts'
import { type HostedMachine, type TransitionListener, hostMachine } from '../process/host.ts'
import { writeAggregate } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'
import type { RealmFold, RealmView, TurnSeen } from '../realm/view.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import { type LeadingTriggers, leadTriggers } from '../trigger/leading.ts'
import { AgentWatch } from './agent-watch.ts'
import { withWatchedAppends } from './append-watch.ts'
import { Complaints } from './complaints.ts'
import { riseIfAllKnow } from './format-rise.ts'
import { Configurations } from './configurations.ts'
import { GrantWatch } from './grant-watch.ts'
import { GroupWatch } from './group-watch.ts'
import { LaneCommands } from './lane-commands.ts'
import { LaneWatch } from './lane-watch.ts'
import { LaneFitness } from './lane-fitness.ts'
import { type BalanceTimes, LanePlacing, defaultBalanceTimes } from './lane-placing.ts'
import { MappingTable } from './mapping-table.ts'
import { PassedOver } from './passed-over.ts'
import { type Plan, emptyPlan } from './plan.ts'
import { type Placing, placeGivenUp, placeOpenGroups } from './placing.ts'
import { PresenceWatch } from './presence-watch.ts'
import { QueueWatch } from './queue-watch.ts'
import { SnapshotCutter, type SnapshotTimes } from './snapshot-cutter.ts'

/** P27. */
export const reconcileMs = 2_000
const retryMs = 500
/** A step that takes longer is stuck; longer than a stream's own leader change (4-8 s). */
const stepMs = 12_000
/** How often all open groups are looked at, changed or not. */
const lookAtAllMs = 10_000

export interface Leader {
  readonly machine: HostedMachine<typeof leaderMachine>
  lead(epoch: number): void
  stopLeading(): void
  /** Ends for good. Idempotent. */
  stop(): void
}

export interface LeaderDeps {
  readonly context: AgentContext
  readonly view: RealmView
  readonly snapshots?: SnapshotTimes
  readonly balance?: BalanceTimes
  /** A mapping or the log shows a later leader. */
  readonly onSuperseded: (epoch: number) => void
  /** A round does not come to an end: what this agent writes is not taken. */
  readonly onStuck: () => void
  readonly onTransition?: TransitionListener
  /** For the runs of triggers; default: those of `src/sites/registry.ts`. */
  readonly adapterOf?: (kind: string) => SiteAdapter
}

export function startLeader(deps: LeaderDeps): Leader {
  let term: Term | undefined
  const machine = hostMachine<typeof leaderMachine, LeaderEffects>({
    machine: leaderMachine,
    input: { reconcileMs, retryMs },
    clock: deps.context.clock,
    effects: {
      collect: () => term?.collect(),
      compare: () => term?.compare(),
      place: () => term?.place(),
      push: () => term?.push(),
    },
    ...(deps.onTransition === undefined ? {} : { onTransition: deps.onTransition }),
  })
  const end = () => {
    term?.stop()
    term = undefined
    machine.send({ type: 'StopLeading' })
  }
  return {
    machine,
    lead(epoch) {
      term?.stop()
      term = new Term(deps, epoch, (signal) => machine.send(signal))
      machine.send({ type: 'Lead', epoch })
    },
    stopLeading: end,
    stop() {
      end()
      machine.stop()
    },
  }
}

/** One time of leading, under one epoch. */
class Term {
  readonly #deps: LeaderDeps
  readonly #context: AgentContext
  readonly #epoch: number
  readonly #signal: HostedMachine<typeof leaderMachine>['send']
  readonly #commands: LaneCommands
  readonly #presence: PresenceWatch
  readonly #agents: AgentWatch
  readonly #mappings: MappingTable
  readonly #configurations: Configurations
  readonly #laneWatch: LaneWatch
  readonly #fitness: LaneFitness
  readonly #lanes: LanePlacing
  readonly #grants: GrantWatch
  readonly #queues: QueueWatch
  readonly #cutter: SnapshotCutter
  readonly #triggers: LeadingTriggers
  readonly #placing: Placing
  readonly #ending = new AbortController()
  readonly #unfollow: () => void
  #groups: GroupWatch | undefined
  #ableBefore = ''
  #lookedAtAllMs = -Infinity
  readonly #complaints: Complaints
  #due: Timer | undefined
  #plan: Plan = emptyPlan()

  constructor(deps: LeaderDeps, epoch: number, signal: HostedMachine<typeof leaderMachine>['send']) {
    const { view } = deps
    const context = withWatchedAppends(deps.context, epoch, () => this.#ending.signal.aborted || deps.onStuck())
    const { coordinator, subjects, clock, constants } = context
    const { bus } = coordinator
    this.#deps = deps
    this.#context = context
    this.#epoch = epoch
    this.#signal = (told) => {
      if (!this.#ending.signal.aborted) signal(told)
    }
    const changed = () => this.#signal({ type: 'Changed' })
    this.#commands = new LaneCommands({ context, view, epoch, signal: this.#ending.signal })
    this.#presence = new PresenceWatch({ agents: coordinator.agents, bus, clock, logger: context.logger, presenceMs: constants.presenceMs, isLostInLog: (instance) => isRecordedLost(this.#state.agents.values(), instance), onChange: changed })
    this.#agents = new AgentWatch({ bus, ends: coordinator.ends, subjects, clock, presence: this.#presence, self: context.agent, awaited: () => this.#awaited(), onChange: changed })
    this.#mappings = new MappingTable(coordinator.mappings, changed)
    this.#configurations = new Configurations({ context, epoch, signal: this.#ending.signal, onChange: changed, adapterOf: deps.adapterOf })
    this.#fitness = new LaneFitness(clock)
    this.#lanes = new LanePlacing({ context, view, mappings: this.#mappings, fitness: this.#fitness, times: deps.balance ?? defaultBalanceTimes })
    this.#laneWatch = new LaneWatch({
      bus,
      subjects,
      clock,
      held: () => this.#heldAsMapped(),
      position: () => view.state.position,
      onUnfit: (held, why) => {
        context.logger.warn({ lane: held.lane, holder: held.agent, why }, 'the holder of a lane is unfit; mapping the lane elsewhere')
        // A process may have gone on under a later instance than the one that its `LaneTaken` names (P17); or it was restarted, and is about to take.
        const sameProcess = why === 'stuck' || this.#fitness.isUnfit(held.lane, held.instance)
        this.#fitness.unfit(held.lane, held.instance)
        const present = sameProcess ? this.#agents.instanceOf(held.agent) : undefined
        if (present !== undefined) this.#fitness.unfit(held.lane, present)
        // Is the whole agent gone, then all its lanes move at once, and none to it.
        if (why === 'dead') void this.#agents.suspect(held.agent).then(changed)
        else changed()
      },
    })
    const passedOver = new PassedOver(clock)
    const watched = { context, view, passedOver, open: () => this.#groups?.open() ?? [] }
    this.#grants = new GrantWatch({
      ...watched,
      epoch,
      isHere: (instance) => this.#presence.isHere(instance),
      giveUp: (group, grant) => this.#giveUp(group, grant),
      onChange: changed,
    })
    this.#queues = new QueueWatch({
      ...watched,
      ready: () => new Set(this.#ready().map(({ agent }) => agent)),
      onChange: () => {
        this.#groups?.lookAtAll()
        changed()
      },
    })
    this.#placing = { leader: context.agent, load: (agent) => this.#groups!.load(agent), avoids: (agent) => passedOver.has(agent) }
    this.#complaints = new Complaints(context.logger)
    this.#cutter = new SnapshotCutter(context, view, deps.snapshots)
    const unfollow = [
      view.onTurn((seen) => this.#see(seen)),
      view.onBeginning(({ state }) => {
        this.#groups?.begin(state.groups.values())
        changed()
      }),
    ]
    this.#unfollow = () => unfollow.forEach((end) => end())
    this.#triggers = leadTriggers({ context, view, epoch, ...(deps.adapterOf === undefined ? {} : { adapterOf: deps.adapterOf }) })
  }

  stop(): void {
    this.#ending.abort()
    this.#unfollow()
    this.#cutter.stop()
    this.#triggers.stop()
    this.#laneWatch.stop()
    this.#grants.stop()
    this.#queues.stop()
    this.#agents.stop()
    this.#configurations.stop()
    this.#presence.stop()
    this.#mappings.stop()
    this.#due?.cancel()
  }

  get #state(): RealmFold {
    return this.#deps.view.state
  }

  #see(seen: TurnSeen): void {
    this.#lanes.see(seen)
    const calls = this.#groups?.see(seen) === true
    this.#agents.groupsGoOn()
    const others = seen.turn.commits.some((commit) => commit.aggregate !== 'group' && commit.aggregate !== 'trigger')
    const leader = this.#state.realm.leader
    if (leader !== null && leader.epoch > this.#epoch) this.#deps.onSuperseded(leader.epoch)
    else if (calls || others) this.#signal({ type: 'Changed' })
  }

  #awaited(): ReadonlySet<string> {
    const agents = new Set<string>()
    for (const { lane, holder } of this.#state.lanes.values()) if (holder !== null && this.#groups?.goOnIn(lane) !== false) agents.add(holder.agent)
    return agents
  }

  /** Lanes whose holder is who the mapping names; the others are being handed over. */
  #heldAsMapped() {
    const held = []
    for (const { lane } of this.#state.realm.lanes) {
      const holder = this.#state.lanes.get(lane)?.holder
      if (holder !== null && holder !== undefined && this.#mappings.agentOf(lane) === holder.agent) held.push({ lane, ...holder })
    }
    return held
  }

  /** Each step ends in one signal, unless the term has ended meanwhile; one that does not end ends the term (P7). */
  #step(done: Parameters<HostedMachine<typeof leaderMachine>['send']>[0], perform: () => Promise<void>): void {
    const timer = this.#context.clock.after(stepMs, () => {
      if (this.#ending.signal.aborted) return
      this.#context.logger.error({ epoch: this.#epoch }, 'a round of the leader does not end; it lets others try')
      this.#deps.onStuck()
    })
    perform()
      .finally(() => timer.cancel())
      .then(
        () => this.#signal(done),
        (error: unknown) => {
          if (this.#ending.signal.aborted) return
          if (!(error instanceof Unavailable)) this.#context.logger.error({ err: error }, 'a round of the leader failed')
          this.#signal({ type: 'Failed' })
        },
      )
  }

  collect(): void {
    this.#step({ type: 'Collected' }, async () => {
      // What was in the log when this round began is known, its own election included.
      const state = await this.#deps.view.current()
      if (!this.#presence.current || !this.#mappings.current || !this.#configurations.current) {
        throw new Unavailable('presence, mappings and configurations are not known yet')
      }
      this.#groups ??= new GroupWatch(state)
      this.#groups.settle()
      const able = this.#configurations.looksOf(this.#agents.able())
      const nowMs = this.#context.clock.monotonicMs()
      if (able !== this.#ableBefore || nowMs - this.#lookedAtAllMs >= lookAtAllMs) {
        this.#groups.lookAtAll()
        this.#ableBefore = able
        this.#lookedAtAllMs = nowMs
      }
    })
  }

  compare(): void {
    const plan = emptyPlan()
    const able = this.#agents.able()
    plan.configurations = this.#configurations.compare(this.#state, able)
    plan.agents = this.#configurations.inForce(this.#state, able, plan.configurations)
    const placed = this.#lanes.place(able, plan.agents.filter(({ configuration }) => configuration.holdsLanes))
    for (const [lane, agent] of placed) {
      if (this.#mappings.agentOf(lane) !== agent) plan.mappings.push({ lane, agent })
    }
    this.#complaints.unheld(able.length > 0 && placed.size < this.#state.realm.lanes.length)
    for (const agent of this.#state.agents.values()) {
      if (this.#presence.lostSinceMs(agent.instance) === undefined) continue
      if (loseAgent(agent, agent.instance).kind === 'events') plan.lost.push({ agent: agent.agent, instance: agent.instance })
    }
    let nextMs = Infinity
    const nowMs = this.#context.clock.monotonicMs()
    for (const group of this.#groups!.open()) {
      for (const grant of openGrants(group)) {
        if (this.#presence.isHere(grant.instance)) continue
        const lostMs = this.#presence.lostSinceMs(grant.instance)
        const atMs = lostMs === undefined ? this.#presence.mayBeLostAtMs(grant.instance)! : expiresAtMs(group, grant, lostMs, (site) => this.#enforces(site))
        if (lostMs !== undefined && atMs <= nowMs) plan.expiries.push({ group, grant: grant.revision })
        else if (atMs > nowMs) nextMs = Math.min(nextMs, atMs)
      }
    }
    this.#remind(nextMs - nowMs)
    plan.toAssign = this.#groups!.toAssign().filter((group) => !this.#commands.areUnderWay(group.group))
    plan.rise = riseTo(this.#state.realm, this.#presence.present(), this.#inDoubt()) !== undefined
    this.#plan = plan
    const changes = plan.configurations.length + plan.mappings.length + plan.lost.length + plan.expiries.length + plan.toAssign.length
    this.#signal({ type: 'Compared', differs: plan.rise || changes > 0 || this.#configurations.differs(this.#collection()) })
  }

  place(): void {
    const { assignments, complete, missing } = placeOpenGroups(this.#plan.toAssign, this.#ready(), this.#placing)
    this.#plan.assignments = assignments
    for (const group of complete) this.#groups!.assigned(group)
    this.#complaints.missing(missing.join(', '))
    this.#signal({ type: 'Placed' })
  }

  push(): void {
    const { configurations, mappings, lost, expiries, assignments, rise } = this.#plan
    this.#step({ type: 'Pushed' }, async () => {
      // All at once: a dead agent's lanes wait for this.
      const superseded = await Promise.all(mappings.map(({ lane, agent }) => this.#map(lane, agent)))
      if (superseded.includes(true)) return
      await this.#configurations.push(configurations)
      for (const { group, grant } of expiries) this.#expire(group, grant)
      for (const { group, assignments: given, complete } of assignments) {
        this.#commands.send(group, { kind: 'assign', assignments: given, ifRevision: group.revision }, group.group, () => {
          if (complete) this.#groups?.assigned(group.group)
        })
      }
      for (const { agent, instance } of lost) await this.#recordLost(agent, instance)
      if (rise) await riseIfAllKnow(this.#context, this.#epoch, this.#ending.signal)
      await this.#configurations.keep(this.#collection())
    })
  }

  /** Of the agents of the last round, those that may be given jobs. */
  #ready() {
    return this.#plan.agents.filter(({ agent }) => this.#agents.isReady(agent))
  }

  #expire(group: GroupState, grant: number, assignments: readonly Assignment[] = []): void {
    const body = assignments.length > 0 && allowsFormat(this.#state.realm, 2) ? ({ kind: 'expire', grant, assignments } as const) : ({ kind: 'expire', grant } as const)
    this.#commands.send(group, body, `${group.group} ${grant}`)
  }

  /** Its executor is still there, and would be granted the same jobs again before a round of this leader gave them to others. */
  #giveUp(group: GroupState, grant: Grant): void {
    this.#expire(group, grant.revision, placeGivenUp(group, grant, this.#ready(), this.#placing))
  }

  /** [624] */
  #collection() {
    const lanes = []
    for (const { lane } of this.#state.realm.lanes) {
      const agent = this.#mappings.agentOf(lane)
      if (agent !== undefined) lanes.push({ lane, agent })
    }
    return this.#configurations.collect(this.#state, lanes)
  }

  /** True when the mapping shows a later leader. */
  async #map(lane: string, agent: string): Promise<boolean> {
    const written = await this.#mappings.write(lane, agent, this.#epoch, allowsFormat(this.#state.realm, 2) ? this.#context.build : undefined)
    if (written.kind === 'superseded') this.#deps.onSuperseded(written.epoch)
    else if (written.kind === 'written') this.#fitness.mapped(lane, agent)
    this.#context.logger.debug({ lane, agent, epoch: this.#epoch, written: written.kind }, 'lane mapped')
    return written.kind === 'superseded'
  }

  async #recordLost(agent: string, instance: string): Promise<void> {
    const { coordinator, clock, random, subjects } = this.#context
    const written = await writeAggregate<AgentState, AgentEvent>(
      { log: coordinator.log, clock, random, signal: this.#ending.signal },
      {
        subject: subjects.aggregate('agent', agent),
        aggregate: 'agent',
        id: agent,
        empty: absentAgent(agent),
        fold: foldAgent,
        decide: (state) => loseAgent(state, instance),
        actor: `agent:${this.#context.agent}`,
        epoch: this.#epoch,
      },
    )
    feedWritten(coordinator.bus, subjects, written)
  }

  /** An agent that has started, or an instance that was present, may live unseen. */
  #inDoubt(): boolean {
    if (this.#presence.inDoubt) return true
    for (const { phase, instance } of this.#state.agents.values()) if (phase === 'started' && !this.#presence.isHere(instance)) return true
    return false
  }

  #enforces(site: string): boolean {
    return this.#state.sites.get(site)?.fencing === 'enforced'
  }

  #remind(delayMs: number): void {
    this.#due?.cancel()
    this.#due = Number.isFinite(delayMs) ? this.#context.clock.after(Math.max(1, delayMs), () => this.#signal({ type: 'Changed' })) : undefined
  }
}
