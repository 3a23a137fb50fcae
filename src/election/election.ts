/**
 * This agent's part in the election of the leader [504, 518-522]: performs what `machines/election` asks for.
 *
 * 1. The lease is written only on "nothing there", or on the revision that was read or watched last (conditional, DESIGN §5).
 * 2. Who leads has its `LeaderElected` in the log; its revision is the epoch. A later one ends leading (I7).
 */
import { electionMachine, type ElectionEffects, type LeaseSeen } from '../../machines/election/machine.ts'
import { happened } from '../../machines/decision.ts'
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { type LeaseValue, fromBytes, isRecord, leaseIn as readLease, leaseKey, toBytes } from '../../streams/coordination.ts'
import type { AgentPong, FollowerPing } from '../../streams/lane-protocol.ts'
import { type Paced, every, pause } from '../../streams/ports/clock.ts'
import type { BucketEntry, WriteOutcome } from '../../streams/ports/bucket.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { singletons } from '../../streams/subjects.ts'
import type { AgentContext } from '../agent/context.ts'
import type { Kept, Keeper } from '../presence/keeper.ts'
import type { OwnPresence } from '../presence/presence.ts'
import { type HostedMachine, type TransitionListener, hostMachine } from '../process/host.ts'
import { writeAggregate } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'
import { CloseFollower, acceptedPaceMs } from './close-follower.ts'

export interface ElectionTimes {
  /** The lease lives for so long after its last renewal. */
  readonly leaseMs: number
  /** Of a follower, until the leader has said when it is to ask again (`close-follower.ts`). */
  readonly pingMs: number
  readonly confirmMs: number
  readonly answerMs: number
  readonly retryMs: number
  /** Who has the lease has so long to append `LeaderElected`; longer than a stream's own leader change (4-8 s). */
  readonly declareMs: number
}

/** Take-over after a death: until the coordinator tells it, or the close follower asks, + confirmMs and two writes, about 130 ms; after a hang: leaseMs + stallMs. */
export const electionTimes: ElectionTimes = { leaseMs: 6_000, pingMs: 200, confirmMs: 60, answerMs: 1_000, retryMs: 200, declareMs: 12_000 }

const renewalsPerLease = 3

export interface ElectionListener {
  onLead(epoch: number): void
  onStopLeading(): void
  /** It is known who leads, or that somebody else does. */
  onFollowing(): void
}

export interface Election {
  readonly machine: HostedMachine<typeof electionMachine>
  /** Epoch while leading. */
  readonly leading: number | undefined
  /** A follower pings: when it is to ask again, milliseconds; undefined while this one does not lead. */
  askedBy(follower: string): number | undefined
  /** The log names a later leader. */
  supersededBy(epoch: number): void
  /** Leading led to nothing: it goes on only after a `LeaderElected` of its own was acknowledged again, else others try (P7). */
  declareAgain(): void
  /** Gives the lease back where it is held. Resolves whatever becomes of it; idempotent. */
  resign(): Promise<void>
  /** Ends without a word, as a crash does. */
  abandon(): void
}

export interface ElectionDeps {
  readonly context: AgentContext
  readonly presence: OwnPresence
  readonly keeper: Keeper
  readonly listener: ElectionListener
  readonly times?: ElectionTimes
  readonly onTransition?: TransitionListener
}

export function startElection(deps: ElectionDeps): Election {
  return new Candidate(deps)
}

class Candidate implements Election {
  leading: number | undefined
  readonly machine: HostedMachine<typeof electionMachine>
  readonly #context: AgentContext
  readonly #presence: OwnPresence
  readonly #keeper: Keeper
  readonly #listener: ElectionListener
  readonly #times: ElectionTimes
  readonly #watch: { stop(): void }
  readonly #link: { stop(): void }
  #kept: Kept | undefined
  /** Instance that one's own last write of the lease names. */
  #leaseInstance = ''
  #leaseRevision = 0
  #writing = false
  /** Ends what the present state started when that state is left. */
  #term = new AbortController()
  /** Pings of the leader, while following. */
  #watching: { stop(): void } | undefined
  readonly #closeFollower: CloseFollower
  /** Grows with each effect: an answer to an earlier one is not heard any more. */
  #asked = 0
  #resigned: Promise<void> | undefined
  #resolveResigned: () => void = () => {}

  constructor(deps: ElectionDeps) {
    const { context, times = electionTimes } = deps
    this.#context = context
    this.#presence = deps.presence
    this.#keeper = deps.keeper
    this.#listener = deps.listener
    this.#times = times
    this.#closeFollower = new CloseFollower(context.clock, context.coordinator.ends)
    const { bus } = context.coordinator
    this.machine = hostMachine<typeof electionMachine, ElectionEffects>({
      machine: electionMachine,
      input: { agent: context.agent, confirmMs: times.confirmMs, retryMs: times.retryMs, declareMs: times.declareMs, asideMs: 2 * times.leaseMs },
      clock: context.clock,
      effects: {
        prepare: () => this.#do(() => this.#prepare()),
        createLease: () => this.#do(() => this.#writeLease(undefined)),
        takeOver: ({ revision }) => this.#do(() => this.#takeOver(revision)),
        readLease: () => this.#do(() => this.#readLease()),
        watchLeader: (lease) => this.#watchLeader(lease),
        stopWatching: () => this.#stopWatching(),
        ping: (lease) => this.#do(() => this.#ping(lease)),
        keepLease: ({ revision }) => this.#keepLease(revision),
        dropLease: () => this.#dropLease(),
        declare: () => this.#do(() => this.#declare()),
        lead: ({ epoch }) => this.#lead(epoch),
        stopLeading: () => this.#stopLeading(),
        resign: () => void this.#resign(),
      },
      ...(deps.onTransition === undefined ? {} : { onTransition: deps.onTransition }),
    })
    this.#watch = context.coordinator.lease.watch((change) => {
      if (change.kind === 'set' && change.entry.key === leaseKey) this.#see(change.entry)
      // Older than one's own lease: it went before that was written.
      else if (change.kind === 'gone' && change.key === leaseKey && change.revision > this.#leaseRevision) this.machine.send({ type: 'LeaseGone' })
    })
    this.#link = bus.onLink((state) => this.machine.send({ type: state === 'connected' ? 'Connected' : 'Disconnected' }))
    if (bus.link === 'connected') this.machine.send({ type: 'Connected' })
  }

  askedBy(follower: string): number | undefined {
    return this.leading === undefined ? undefined : this.#closeFollower.againMs(follower)
  }

  supersededBy(epoch: number): void {
    if (this.leading !== undefined && epoch > this.leading) this.machine.send({ type: 'LeaseLost' })
  }

  declareAgain(): void {
    if (this.leading !== undefined) this.machine.send({ type: 'LeaseLost' })
  }

  resign(): Promise<void> {
    this.#resigned ??= new Promise<void>((resolve) => {
      this.#resolveResigned = resolve
      this.machine.send({ type: 'Resign' })
    })
    return this.#resigned
  }

  abandon(): void {
    this.#end()
    this.#kept?.drop()
  }

  #end(): void {
    this.#term.abort()
    this.#stopWatching()
    this.#watch.stop()
    this.#link.stop()
    this.leading = undefined
    this.machine.stop()
    this.#resolveResigned()
  }

  /** Signals only if no later effect was asked for meanwhile. */
  #do(effect: () => Promise<Parameters<HostedMachine<typeof electionMachine>['send']>[0]>): void {
    const asked = ++this.#asked
    effect()
      .catch((error: unknown) => {
        if (!(error instanceof Unavailable)) throw error
        return { type: 'Unsettled' as const }
      })
      .then(
        (signal) => {
          if (asked === this.#asked) this.machine.send(signal)
        },
        (error: unknown) => {
          this.#context.logger.error({ agent: this.#context.agent, err: error }, 'election failed')
          if (asked === this.#asked) this.machine.send({ type: 'Unsettled' })
        },
      )
  }

  #see(entry: BucketEntry): void {
    const lease = leaseIn(entry)
    // One's own writes come by here too, perhaps before their answers.
    if (lease.instance === this.#leaseInstance && (this.#kept !== undefined || this.#writing)) return
    this.machine.send({ type: 'LeaseHeld', lease })
    if (lease.agent !== this.#context.agent) this.#listener.onFollowing()
  }

  /** Its own subject is heard by now (`src/agent/answers.ts` subscribes at the start); the server has to know it. */
  async #prepare() {
    await this.#presence.present()
    await this.#context.coordinator.bus.flush(this.#times.answerMs)
    return { type: 'Prepared' as const }
  }

  /**
   * A lease in this agent's name that this process never wrote is a former process's, or a later one's: that one stays (P20), and two
   * that took the lease from each other would fill the log with elections.
   */
  async #takeOver(revision: number) {
    const seen = this.machine.state.context.lease
    const isForeign = seen?.agent === this.#context.agent && !this.#presence.isOwn(seen.instance)
    if (isForeign && !(await this.#presence.isTheAgent())) {
      // Which of the two it is will be told to the other's presence; until then the lease is looked at now and then.
      await pause(this.#context.clock, this.#times.retryMs)
      return { type: 'Unsettled' as const }
    }
    return this.#writeLease(revision)
  }

  async #writeLease(revision: number | undefined) {
    const { lease } = this.#context.coordinator
    const value: LeaseValue = { agent: this.#context.agent, instance: this.#presence.instance }
    this.#leaseInstance = value.instance
    const options = { ttlMs: this.#times.leaseMs }
    this.#writing = true
    let outcome: WriteOutcome
    try {
      outcome = await (revision === undefined
        ? lease.create(leaseKey, toBytes(value), options)
        : lease.update(leaseKey, toBytes(value), revision, options))
    } finally {
      this.#writing = false
    }
    if (outcome.kind === 'written') return { type: 'LeaseTaken' as const, revision: outcome.revision }
    return outcome.kind === 'conflict' ? this.#readLease() : { type: 'Unsettled' as const }
  }

  async #readLease() {
    const entry = await this.#context.coordinator.lease.get(leaseKey)
    return entry === undefined ? { type: 'LeaseGone' as const } : { type: 'LeaseHeld' as const, lease: leaseIn(entry) }
  }

  /** A leader that died with a question in its hands answers neither yes nor no: the next one goes out all the same. */
  #watchLeader(lease: LeaseSeen): void {
    const ask = () => {
      void this.#ping(lease, (againMs) => pace.setPeriod(againMs)).then((found) => {
        if (found.type === 'NoResponders' && this.#watching === watching) this.machine.send(found)
      })
    }
    const pace: Paced = every(this.#context.clock, this.#times.pingMs, ask)
    const ends = this.#context.coordinator.ends?.onEnd((agent) => agent === lease.agent && ask())
    const watching = {
      stop: () => {
        pace.stop()
        ends?.stop()
      },
    }
    this.#watching = watching
  }

  #stopWatching(): void {
    this.#watching?.stop()
    this.#watching = undefined
  }

  async #ping(lease: LeaseSeen, onPace: (againMs: number) => void = () => {}) {
    const { bus } = this.#context.coordinator
    if (lease.agent === '') return { type: 'NoResponders' as const }
    const ping: FollowerPing = { follower: this.#context.agent }
    const asked = await bus.ask(this.#context.subjects.toAgent(lease.agent, 'ping'), toBytes(ping), { timeoutMs: this.#times.answerMs, accept: isRecord })
    switch (asked.kind) {
      case 'no-responders':
        return { type: 'NoResponders' as const }
      case 'timeout':
      case 'offline':
        return { type: 'NoAnswer' as const }
      case 'answer': {
        const pong = fromBytes<AgentPong>(asked.data)
        onPace(acceptedPaceMs(pong.againMs) ?? this.#times.pingMs)
        // A later process of the same agent answers: the one that the lease names is no more (P20).
        return pong.instance === lease.instance || pong.leading ? { type: 'Answered' as const } : { type: 'NoResponders' as const }
      }
    }
  }

  #keepLease(revision: number): void {
    const { leaseMs } = this.#times
    this.#leaseRevision = revision
    this.#kept?.drop()
    this.#kept = this.#keeper.keep(
      {
        bucket: 'lease',
        key: leaseKey,
        value: { agent: this.#context.agent, instance: this.#leaseInstance } as LeaseValue,
        revision,
        ttlMs: leaseMs,
        periodMs: Math.floor(leaseMs / renewalsPerLease),
      },
      { onRenewed: (renewed) => (this.#leaseRevision = renewed), onUnsettled: () => {}, onGone: () => this.machine.send({ type: 'LeaseLost' }) },
    )
  }

  #dropLease(): void {
    this.#asked += 1
    // Who resigns removes it instead.
    if (this.#resigned === undefined) {
      this.#kept?.drop()
      this.#kept = undefined
    }
    this.#term.abort()
    this.#term = new AbortController()
  }

  async #declare() {
    const { agent, coordinator, clock, random, subjects } = this.#context
    const instance = this.#leaseInstance
    const written = await writeAggregate<RealmState, RealmEvent>(
      { log: coordinator.log, clock, random, signal: this.#term.signal },
      {
        subject: subjects.aggregate('realm', singletons.realm),
        aggregate: 'realm',
        id: singletons.realm,
        empty: emptyRealm(),
        fold: foldRealm,
        decide: () => happened<RealmEvent>({ type: 'LeaderElected', data: { agent, instance } }),
        actor: `agent:${agent}`,
      },
    )
    feedWritten(coordinator.bus, subjects, written)
    return written.kind === 'written' ? { type: 'Declared' as const, epoch: written.revision } : { type: 'Unsettled' as const }
  }

  #lead(epoch: number): void {
    this.leading = epoch
    this.#context.logger.info({ agent: this.#context.agent, epoch }, 'elected leader')
    this.#listener.onLead(epoch)
  }

  #stopLeading(): void {
    this.#context.logger.info({ agent: this.#context.agent, epoch: this.leading }, 'leads no longer')
    this.leading = undefined
    this.#listener.onStopLeading()
  }

  async #resign(): Promise<void> {
    await this.#kept?.remove()
    this.#kept = undefined
    this.machine.send({ type: 'Resigned' })
    this.#end()
  }
}

function leaseIn(entry: BucketEntry): LeaseSeen {
  // A damaged one names nobody, and nobody answers for it.
  const { agent, instance } = readLease(entry.value) ?? { agent: '', instance: '' }
  return { agent, instance, revision: entry.revision }
}
