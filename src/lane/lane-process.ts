/**
 * One lane as seen from one agent: performs the effects of `machines/lane-holder/`, and is the lane's actor while it is held.
 */
import { stopsWriter } from '../../machines/lane/state.ts'
import { laneHolderMachine } from '../../machines/lane-holder/machine.ts'
import { type MachineState, laneHolderName } from '../../streams/agent-messages.ts'
import { type LaneMappingValue, MalformedMessage, laneMappingIn, laneMappingKey, toBytes, toText } from '../../streams/coordination.ts'
import { readAnswer, readLaneCommand, readReleaseRequest, readWorkRequest } from '../../streams/lane-messages.ts'
import { grantsInShort } from '../../streams/short-form.ts'
import type { LaneAnnounced, LaneCommandAnswer, ReleaseAnswer, ReleaseRequest, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import type { BusMessage, Subscription } from '../../streams/ports/bus.ts'
import { type Timer, pause } from '../../streams/ports/clock.ts'
import type { AgentContext, LocalListener, Presence } from '../agent/context.ts'
import { type HostedMachine, type TransitionListener, hostMachine } from '../process/host.ts'
import { beginningOf } from './beginning.ts'
import { LaneFeed } from './feed.ts'
import { type FoldedLane, feedAgainTurns, foldOn, unfoldedLane } from './fold.ts'
import { LaneHolder } from './holder.ts'
import type { HolderFailpoint, HoldingEnded } from './holding.ts'
import { foldFromSnapshot } from './snapshot.ts'
import { mustFollow, takeFolded, takeFollowing } from './taking.ts'

export interface LaneTimes {
  /** Longest wait for a holder to release, from the first asking (P1). */
  readonly laneHandoverMs: number
  /** P14. */
  readonly openDeadlineMs: number
}

export const defaultLaneTimes: LaneTimes = { laneHandoverMs: 2_000, openDeadlineMs: 60_000 }

/** P1: two "no responders" at least so far apart are a death. */
const secondOpinionMs = 50
const releaseWaitMs = 300
/** Pause before a lane that could not be taken is looked at again. */
const reconsiderMs = 200
const flushWaitMs = 2_000

export interface LaneProcessOptions {
  readonly context: AgentContext
  readonly presence: Presence
  readonly lane: string
  readonly times: LaneTimes
  readonly local: () => LocalListener | undefined
  readonly trusted: () => boolean
  readonly onTransition: TransitionListener
  readonly onFatal: (why: HoldingEnded) => void
  readonly failpoint?: (name: HolderFailpoint) => Promise<void>
}

export class LaneProcess {
  readonly lane: string
  readonly #options: LaneProcessOptions
  readonly #machine: HostedMachine<typeof laneHolderMachine>
  readonly #feed: LaneFeed
  /** By agent: its instance that has said so last. */
  readonly #readsShort = new Map<string, string>()
  #folded: FoldedLane
  #conflicts = 0
  #holder: LaneHolder | undefined
  #subscriptions: Subscription[] = []
  #asking = new AbortController()
  /** Of the folding that was begun last. */
  #folding = new AbortController()
  readonly #over = new AbortController()
  #releasing = false
  #idle: (() => void) | undefined
  /** When it looks again. */
  #next: Timer | undefined

  constructor(options: LaneProcessOptions) {
    this.#options = options
    this.lane = options.lane
    const { coordinator, subjects, clock } = options.context
    this.#feed = new LaneFeed({ bus: coordinator.bus, subjects, clock })
    this.#folded = unfoldedLane(options.lane, options.context.constants)
    this.#machine = hostMachine({
      machine: laneHolderMachine,
      name: laneHolderName(options.lane),
      input: undefined,
      clock: options.context.clock,
      effects: {
        fold: () => this.#attempt(this.#fold()),
        askRelease: () => this.#attempt(this.#askRelease()),
        stopAsking: () => this.#asking.abort(),
        take: () => this.#attempt(this.#take()),
        hold: () => this.#attempt(this.#hold()),
        release: () => this.#attempt(this.#release()),
        drop: () => this.#drop(),
        report: () => this.#options.context.logger.warn({ lane: this.lane }, 'lane could not be folded; it is looked at again'),
        reconsider: () => this.#becameIdle(),
      },
      onTransition: options.onTransition,
    })
  }

  /** Where it stands with this lane. */
  get phase(): MachineState {
    return this.#machine.state.value
  }

  get holder(): LaneHolder | undefined {
    return this.#holder?.accepts === true ? this.#holder : undefined
  }

  /** An executor has something to say to who holds it, or may have once this process does: who held it before lets go for this one, and for nobody else. */
  get awaited(): boolean {
    return this.holder?.awaited ?? this.phase !== 'idle'
  }

  /** The mapping's key changed, or something else that makes it worth looking. */
  async reconsider(): Promise<void> {
    if (this.#over.signal.aborted) return
    try {
      const mapped = await this.#mappedTo()
      if (this.#over.signal.aborted) return
      if (mapped !== this.#options.context.agent || this.#releasing || !this.#options.trusted()) this.#machine.send({ type: 'Unmapped' })
      else this.#machine.send({ type: 'Mapped' })
    } catch (error) {
      // Nothing else may tell: while the servers of a cluster choose their leader no bucket can be read, and the connection stands.
      this.#options.context.logger.debug({ error, lane: this.lane }, 'mapping of the lane cannot be read')
      this.#reconsiderLater()
    }
  }

  #reconsiderLater(): void {
    if (this.#over.signal.aborted) return
    this.#next?.cancel()
    this.#next = this.#options.context.clock.after(reconsiderMs, () => void this.reconsider())
  }

  /** After a reconnection (P11). */
  verify(): void {
    this.#holder?.verifyTail()
    void this.reconsider()
  }

  work(request: WorkRequest): Promise<WorkAnswer> | undefined {
    const holder = this.holder
    return holder === undefined ? undefined : new Promise((resolve) => holder.work(request, resolve))
  }

  /** Releases, and takes it no more until `resume`. Resolves when the lane is let go. */
  async letGo(): Promise<void> {
    this.#releasing = true
    const idle = new Promise<void>((resolve) => (this.#idle = resolve))
    if (this.#machine.state.value === 'idle') return
    this.#machine.send({ type: 'LetGo' })
    await idle
  }

  resume(): void {
    this.#releasing = false
    void this.reconsider()
  }

  abandon(): void {
    this.#over.abort()
    this.#next?.cancel()
    this.#folding.abort()
    this.#asking.abort()
    this.#holder?.abandon()
    this.#feed.abandon()
    this.#unsubscribe()
    this.#machine.stop()
    this.#idle?.()
  }

  #becameIdle(): void {
    this.#idle?.()
    this.#reconsiderLater()
  }

  #attempt(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (this.#over.signal.aborted) return
      this.#options.context.logger.warn({ error, lane: this.lane }, 'lane process failed on the way; it starts over')
      this.#drop()
      this.#machine.send({ type: 'FoldFailed' })
      this.#machine.send({ type: 'Replaced' })
      this.#machine.send({ type: 'Unmapped' })
    })
  }

  async #mapping(): Promise<LaneMappingValue | undefined> {
    const entry = await this.#options.context.coordinator.mappings.get(laneMappingKey(this.lane))
    return entry === undefined ? undefined : laneMappingIn(entry.value)
  }

  async #mappedTo(): Promise<string | undefined> {
    return (await this.#mapping())?.agent
  }

  get #subject(): string {
    return this.#options.context.subjects.lane(this.lane)
  }

  /** One that was given up may still be on its way: it must neither fold on beside this one or beside the holder, nor say how it ended. */
  async #fold(): Promise<void> {
    this.#folding.abort()
    const { signal } = (this.#folding = new AbortController())
    try {
      await this.#foldUntil(signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #foldUntil(signal: AbortSignal): Promise<void> {
    const { coordinator, clock, agent } = this.#options.context
    if (this.#folded.tail.position === 0) {
      const from = await foldFromSnapshot(this.#options.context, this.lane, signal)
      if (signal.aborted) return
      if (from !== undefined) this.#folded = from
    }
    await foldOn(coordinator.log, clock, this.#subject, this.#folded, signal, beginningOf(this.#options.context, this.lane))
    if (signal.aborted) return
    const { state } = this.#folded
    const why = stopsWriter(state)
    if (why !== undefined) {
      this.#options.context.logger.error({ lane: this.lane, why }, 'lane cannot be written by this build')
      return this.#machine.send({ type: 'FoldFailed' })
    }
    // This process does not hold it now, so an own `LaneTaken` is a former process's (P20: one process an agent).
    const free = state.holder === null || state.holder.agent === agent
    this.#machine.send({ type: free ? 'FoldedFree' : 'FoldedHeld' })
  }

  async #askRelease(): Promise<void> {
    const { coordinator, clock, agent, subjects } = this.#options.context
    this.#asking = new AbortController()
    const { signal } = this.#asking
    const holder = this.#folded.state.holder!.agent
    const givesUpMs = clock.monotonicMs() + this.#options.times.laneHandoverMs
    let silences = 0
    while (!signal.aborted) {
      if (clock.monotonicMs() >= givesUpMs) return this.#machine.send({ type: 'HolderGone' })
      const mapping = await coordinator.mappings.get(laneMappingKey(this.lane))
      const request: ReleaseRequest = { lane: this.lane, asker: agent, mappingRevision: mapping?.revision ?? 0 }
      const asked = await coordinator.bus.ask(subjects.releaseLane(holder, this.lane), toBytes(request), { timeoutMs: releaseWaitMs })
      if (signal.aborted) return
      if (asked.kind === 'answer' && readAnswer(asked.data).kind === 'released') return this.#machine.send({ type: 'HolderReleased' })
      if (asked.kind === 'no-responders') {
        silences += 1
        if (silences >= 2) return this.#machine.send({ type: 'HolderGone' })
      } else {
        silences = 0
      }
      await pause(clock, secondOpinionMs, signal)
    }
  }

  async #take(): Promise<void> {
    const { coordinator, clock, random, agent } = this.#options.context
    const mapping = await this.#mapping()
    if (mapping?.agent !== agent) return this.#machine.send({ type: 'Replaced' })
    const taking = {
      epoch: mapping.epoch,
      log: coordinator.log,
      clock,
      random,
      subject: this.#subject,
      agent,
      instance: this.#options.presence.instance,
      signal: this.#over.signal,
    }
    const outcome = mustFollow(this.#conflicts) ? await takeFollowing(taking, this.#folded) : await takeFolded(taking, this.#folded)
    if (outcome === 'taken') {
      this.#conflicts = 0
      const { state } = this.#folded
      // What was folded behind the own `LaneTaken` may already be a successor's.
      const mine = state.holder?.agent === agent && state.holder.instance === taking.instance
      return this.#machine.send({ type: mine ? 'Taken' : 'Conflict' })
    }
    if (outcome === 'conflict') {
      this.#conflicts += 1
      return this.#machine.send({ type: 'Conflict' })
    }
    if (outcome === 'wrong-incarnation') this.#options.onFatal('wrong-incarnation')
    this.#machine.send({ type: 'Replaced' })
  }

  async #hold(): Promise<void> {
    this.#folding.abort()
    const { context, times, failpoint, local, onFatal } = this.#options
    const { coordinator, subjects, clock, random, constants, realm, logger, agent } = context
    const { bus, log } = coordinator
    const { state, tail, recent } = this.#folded
    const holder: LaneHolder = new LaneHolder({
      lane: state,
      tail,
      agent,
      instance: state.holder!.instance,
      log,
      subject: this.#subject,
      clock,
      random,
      constants,
      realm,
      openDeadlineMs: times.openDeadlineMs,
      logger,
      onTurn: (turn) => this.#feed.say(turn),
      sendGrants: (to, message) => {
        const here = to === agent ? local() : undefined
        if (here !== undefined) here.grants(message)
        else {
          const inShort = message.grants.length > 0 && message.grants[0]!.instance === this.#readsShort.get(to)
          bus.publish(subjects.toAgent(to, 'grants'), toText(inShort ? { ...message, ...grantsInShort(message.grants) } : message))
        }
      },
      sendAssigned: (to, message) => {
        const here = to === agent ? local() : undefined
        if (here !== undefined) here.assigned(message)
        else bus.publish(subjects.toAgent(to, 'assigned'), toBytes(message))
      },
      onEnded: (why) => {
        if (why !== 'replaced' && why !== 'archived') onFatal(why)
        this.#machine.send({ type: 'Replaced' })
      },
      ...(failpoint === undefined ? {} : { failpoint }),
    })
    this.#holder = holder
    this.#subscriptions = [
      bus.subscribe(subjects.toLane(this.lane, 'work'), (message) => this.#onWork(message)),
      bus.subscribe(subjects.toLane(this.lane, 'command'), (message) => this.#onCommand(message)),
      bus.subscribe(subjects.pingLane(agent, this.lane), (message) => message.answer(toBytes(holder.pong()))),
      bus.subscribe(subjects.releaseLane(agent, this.lane), (message) => void this.#onReleaseAsked(message)),
    ]
    await bus.flush(flushWaitMs)
    if (this.#holder !== holder || !holder.accepts) return
    logger.info({ lane: this.lane, number: holder.number, groups: state.groups.size }, 'lane taken')
    // P9: what the former holder may have written without saying so.
    this.#feed.sayAgain(recent.slice(-feedAgainTurns))
    recent.length = 0
    const announced: LaneAnnounced = { lane: this.lane, agent, instance: state.holder!.instance, incarnation: log.incarnation, number: holder.number }
    bus.publish(subjects.laneAnnounced(this.lane), toBytes(announced))
  }

  /** Undefined for what does not have its documented form: it counts as lost. */
  #read<T>(read: (bytes: Uint8Array) => T, message: BusMessage): T | undefined {
    try {
      return read(message.data)
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      this.#options.context.logger.warn({ lane: this.lane, subject: message.subject, why: error.message }, 'a malformed message was dropped')
      return undefined
    }
  }

  #onWork(message: BusMessage): void {
    const request = this.#read(readWorkRequest, message)
    if (request === undefined) return
    const holder = this.holder
    if (holder === undefined || holder.isBehind(request.builtOn)) return message.answer(notTheHolder)
    const { agent, instance, readsShort } = request
    if (readsShort === true) this.#readsShort.set(agent, instance)
    holder.work(request, (answer) => message.answer(toText(readsShort === true && answer.kind === 'taken' ? { ...answer, ...grantsInShort(answer.grants), readsShort } : answer)))
  }

  #onCommand(message: BusMessage): void {
    const command = this.#read(readLaneCommand, message)
    // Of the command itself, not of the lane: whoever held it would say the same, so it needs no proof (P4).
    if (command === undefined) return message.answer(malformedCommand)
    const holder = this.holder
    if (holder === undefined || holder.isBehind(command.builtOn)) return message.answer(notTheHolder)
    holder.command({ command, sizeBytes: message.data.length, answer: (answer) => message.answer(toBytes(answer)) })
  }

  async #onReleaseAsked(message: BusMessage): Promise<void> {
    const asker = this.#read(readReleaseRequest, message)?.asker
    if (asker === undefined) return
    const answer = (value: ReleaseAnswer) => message.answer(toBytes(value))
    try {
      if ((await this.#mappedTo()) !== asker) return answer({ kind: 'kept', why: `the mapping of lane ${this.lane} does not name ${asker}` })
    } catch {
      return answer({ kind: 'kept', why: 'the mapping cannot be read' })
    }
    const holder = this.#holder
    if (holder === undefined) return answer({ kind: 'not-the-holder' })
    this.#machine.send({ type: 'ReleaseAsked' })
    await holder.release()
    answer({ kind: 'released' })
  }

  async #release(): Promise<void> {
    await this.#holder?.release()
    if (this.#machine.state.value !== 'releasing') return
    this.#drop()
    this.#machine.send({ type: 'Released' })
  }

  /** Nothing that was gathered survives (P2); the next taking folds anew. */
  #drop(): void {
    this.#folding.abort()
    this.#unsubscribe()
    this.#holder?.abandon()
    this.#holder = undefined
    this.#feed.end()
    this.#folded = unfoldedLane(this.lane, this.#options.context.constants)
    this.#conflicts = 0
  }

  #unsubscribe(): void {
    for (const subscription of this.#subscriptions) subscription.stop()
    this.#subscriptions = []
  }

}

const malformedCommand = toBytes({ kind: 'refused', code: 'malformed', text: 'the command does not have its documented form: see streams/lane-protocol.ts' } satisfies LaneCommandAnswer)
const notTheHolder = toBytes({ kind: 'not-the-holder' } satisfies WorkAnswer)

