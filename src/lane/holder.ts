/**
 * The actor that hosts a lane's groups while this process holds the lane (DESIGN §5 "Lanes").
 *
 * Owns: the fold of the lane, ahead of the log by at most the one turn in flight (P2); the requests that wait for the next turn.
 * 1. One append in flight; what comes meanwhile is gathered.
 * 2. An answer, a grant or a stop leaves only when the turn that it rests on is acknowledged (P3, P4, I8).
 * 3. A conflict ends holding at once: everything gathered is dropped, prepared answers too (P2, I4).
 * 4. Of one executor at most one list waits (P10); a later one takes its place.
 */
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { LaneState } from '../../machines/lane/state.ts'
import type { LaneEvent } from '../../machines/lane/machine.ts'
import { foldCommit } from '../../machines/lane/state.ts'
import { formatTooOld } from '../../machines/realm/realm.ts'
import { missingFormat } from '../../machines/realm/shapes.ts'
import { appendTurn } from '../../streams/append.ts'
import { digestOf, encodeTurnAndCommits, newUlid } from '../../streams/codec.ts'
import { type Commit, schemaVersion } from '../../streams/envelope.ts'
import type { GrantRef, LaneCommand, LaneCommandAnswer, LanePong, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { PassingMap } from '../../streams/passing.ts'
import { type Repeating, every, pause } from '../../streams/ports/clock.ts'
import type { Dispatch } from './dispatch.ts'
import type { HolderOptions, LaneTail } from './holding.ts'
import { Schedule } from './schedule.ts'
import { TurnBuilder } from './turn-builder.ts'
import { inTurnOrder, isUrgent } from './turn-order.ts'
import { type WaitingCommand, WaitingCommands } from './waiting-commands.ts'

interface WaitingWork {
  request: WorkRequest
  /** So many of its outcomes and stops were decided in an earlier turn. */
  taken: number
  readonly answer: (answer: WorkAnswer) => void
}

/** Most commands that wait for a turn; further ones are not answered, and their askers repeat. */
const commandLimit = { count: 4_096, bytes: 64 * 1024 * 1024 } as const
/** Most commands that wait for the election that they name; of more the oldest is dropped, and its asker repeats. */
const aheadLimit = { count: 256, bytes: 16 * 1024 * 1024 } as const
const verifyRetryMs = 100
/** A holder that has appended nothing for so long looks whether it was replaced: no conflict tells it (I4, P5). */
const idleCheckMs = 3_000

export class LaneHolder {
  readonly #options: HolderOptions
  readonly #lane: LaneState
  readonly #tail: LaneTail
  readonly #schedule = new Schedule()
  readonly #work = new PassingMap<string, WaitingWork>()
  readonly #commands = new WaitingCommands(commandLimit.count, commandLimit.bytes)
  /** Of an epoch that this process has not seen begin: once in the log, it would shut out every leader before it (P27). */
  readonly #ahead = new WaitingCommands(aheadLimit.count, aheadLimit.bytes)
  readonly #openings = new PassingMap<string, { parts: number; sinceMs: number }>()
  readonly #deadlines: Repeating
  readonly #idleChecks: Repeating
  readonly #unfollowRealm: () => void
  #appended = false
  #inFlight = false
  #state: 'holding' | 'releasing' | 'ended' = 'holding'
  #wake: (() => void) | undefined
  #nudged = true
  #verify = false
  readonly #abort = new AbortController()
  readonly #finished: Promise<void>

  constructor(options: HolderOptions) {
    this.#options = options
    this.#lane = options.lane
    this.#tail = options.tail
    for (const group of this.#lane.groups.values()) {
      this.#schedule.update(group)
      if (isOpening(group)) this.#openings.set(group.group, { parts: group.partsAdded, sinceMs: options.clock.monotonicMs() })
    }
    this.#deadlines = every(options.clock, Math.max(100, options.openDeadlineMs / 4), () => this.#nudge())
    this.#idleChecks = every(options.clock, idleCheckMs, () => {
      if (!this.#appended) this.verifyTail()
      this.#appended = false
    })
    // What was held back by the quarantine is granted at once when that ends.
    this.#unfollowRealm = options.realm.onChange(() => this.#onRealm())
    this.#finished = this.#run()
  }

  get number(): number {
    return this.#lane.number
  }

  get position(): number {
    return this.#tail.position
  }

  /** For those who look on from the same process; read only. */
  get state(): LaneState {
    return this.#lane
  }

  /**
   * A request that builds on a later turn than this holder knows comes from a successor's time (P5). Its own turn in flight counts
   * as known: a reader of the log may see it before its writer hears so; and if another's stands there, nothing that waits is answered (P2).
   */
  isBehind(builtOn: { readonly incarnation: number; readonly number: number }): boolean {
    const known = this.#inFlight ? this.#lane.number + 1 : this.#lane.number
    return builtOn.incarnation > this.#options.log.incarnation || builtOn.number > known
  }

  get accepts(): boolean {
    return this.#state === 'holding'
  }

  /** An executor has something to say to who holds this lane yet: how a job ended, or that it gives it back. */
  get awaited(): boolean {
    return this.#schedule.granted
  }

  work(request: WorkRequest, answer: (answer: WorkAnswer) => void): void {
    if (!this.accepts) return answer({ kind: 'not-the-holder' })
    const executor = this.#schedule.executor(request.agent)
    const waiting = this.#work.get(request.agent)
    // Half of the list may have been decided already: let that one be answered first; this one is repeated by its sender.
    if (waiting !== undefined && waiting.taken > 0) return
    this.#work.set(request.agent, { request, taken: 0, answer })
    if (executor === undefined || executor.instance !== request.instance || executor.capacity !== request.capacity) this.#nudged = true
    this.#nudge()
  }

  command(waiting: WaitingCommand): void {
    if (!this.accepts) return waiting.answer({ kind: 'not-the-holder' })
    if (this.#isAhead(waiting.command)) this.#ahead.addAsLast(waiting)
    else if (this.#commands.add(waiting)) this.#nudge()
  }

  #isAhead({ epoch = 0 }: LaneCommand): boolean {
    return epoch > Math.max(this.#options.realm.state.leader?.epoch ?? 0, this.#lane.epoch)
  }

  #onRealm(): void {
    for (const waiting of this.#ahead.takeAll()) this.command(waiting)
    this.#nudge()
  }

  pong(): LanePong {
    const { lane, agent, instance } = this.#options
    return {
      lane: lane.lane,
      agent,
      instance,
      position: this.#tail.position,
      number: this.#lane.number,
      // What is in the turn in flight waits too: a holder that is to release takes nothing more, and would look idle.
      waiting: this.#work.size + this.#commands.length + (this.#inFlight ? 1 : 0),
    }
  }

  /** After a reconnection, and while idle: the end of the lane is read before the next append (P11). */
  verifyTail(): void {
    this.#verify = true
    this.#nudge()
  }

  /** Finishes the turn in hand and appends `LaneReleased`; resolves when that is acknowledged, or holding ended otherwise. */
  async release(): Promise<void> {
    if (this.#state === 'holding') this.#state = 'releasing'
    this.#nudge()
    await this.#finished
  }

  /** Ends without a word, as a crash does. */
  abandon(): void {
    this.#end()
    this.#abort.abort()
  }

  #end(): void {
    this.#state = 'ended'
    this.#deadlines.stop()
    this.#idleChecks.stop()
    this.#unfollowRealm()
    // Says nothing about what became of the requests, only that they are to be repeated elsewhere (P5).
    for (const { answer } of this.#work.values()) answer({ kind: 'not-the-holder' })
    for (const { answer } of [...this.#commands.takeAll(), ...this.#ahead.takeAll()]) answer({ kind: 'not-the-holder' })
    for (const agent of this.#work.keys()) this.#work.delete(agent)
    this.#nudge()
  }

  #nudge(): void {
    this.#nudged = true
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      if (!this.#nudged && this.accepts) await new Promise<void>((resolve) => (this.#wake = resolve))
      this.#nudged = false
      // Whatever arrived in the same moment belongs to the same turn.
      await Promise.resolve()
      while (this.#verify && !this.#over) await this.#verifyTail()
      if (this.#over) return
      if (!(await this.#turn())) return
      if (this.#state === 'releasing' && this.#work.size === 0 && this.#commands.length === 0) return this.#appendRelease()
    }
  }

  /** False when holding is over. */
  async #turn(): Promise<boolean> {
    const { clock, log, constants, realm } = this.#options
    const nowMs = clock.monotonicMs()
    const timeMs = Math.max(clock.nowMs(), this.#lane.timeMs)
    const builder = new TurnBuilder({ lane: this.#lane, schedule: this.#schedule, constants, realm: realm.state, incarnation: log.incarnation, timeMs })
    const works: WaitingWork[] = []
    if (this.#commands.length > 0) builder.reserve(this.#commands.count(({ command }) => isUrgent(command.body.kind)))
    for (const [agent, waiting] of this.#work) {
      const { request } = waiting
      this.#schedule.heard(agent, request.instance, request.capacity, nowMs)
      waiting.taken = builder.takeWork(request, waiting.taken)
      if (waiting.taken < request.outcomes.length + request.stopped.length) break
      this.#work.delete(agent)
      builder.reconcile(request)
      works.push(waiting)
    }
    const answers = this.#takeCommands(builder)
    this.#abandonStale(builder, nowMs)
    const refusals = works.map(({ request }) => (request.asks === undefined ? undefined : builder.askByName(request, request.asks)))
    builder.grantLocks(nowMs, this.#work)
    if (builder.full || this.#work.size > 0 || this.#commands.length > 0) this.#nudged = true

    if (builder.commits.length > 0 || builder.needsProof) {
      if (!(await this.#append(builder.commits, timeMs))) {
        for (const { answer } of works) answer({ kind: 'not-the-holder' })
        for (const { answer } of answers) answer({ kind: 'not-the-holder' })
        return false
      }
    }
    const landed = { position: this.#tail.position, number: this.#lane.number }
    for (const { answer, make } of answers) answer(make(landed))
    this.#deliver(builder, works, refusals)
    await this.#options.failpoint?.('turn-after-answers')
    return true
  }

  #takeCommands(builder: TurnBuilder) {
    const answers: { answer: WaitingCommand['answer']; make: (landed: { position: number; number: number }) => LaneCommandAnswer }[] = []
    const later: WaitingCommand[] = []
    for (const item of inTurnOrder(this.#commands.takeAll())) {
      if (builder.full) {
        later.push(item)
        continue
      }
      answers.push({ answer: item.answer, make: builder.command(item.command) })
      const group = this.#lane.groups.get(item.command.group)
      if (group !== undefined && isOpening(group)) this.#openings.set(group.group, { parts: group.partsAdded, sinceMs: this.#options.clock.monotonicMs() })
    }
    this.#commands.putBack(later)
    return answers
  }

  #abandonStale(builder: TurnBuilder, nowMs: number): void {
    for (const [id, opening] of this.#openings) {
      if (builder.full) return
      const group = this.#lane.groups.get(id)
      if (group === undefined || !isOpening(group)) this.#openings.delete(id)
      else if (nowMs - opening.sinceMs >= this.#options.openDeadlineMs) {
        this.#options.logger.warn({ group: id }, 'group abandoned: its parts stopped coming')
        builder.abandon(group)
      }
    }
  }

  #deliver(builder: TurnBuilder, works: readonly WaitingWork[], refusals: readonly ({ code: string; text: string } | undefined)[]): void {
    const { lane, log, sendGrants, sendAssigned } = this.#options
    const number = this.#lane.number
    works.forEach(({ request, answer }, index) => {
      const dispatch = builder.dispatches.get(request.instance)
      builder.dispatches.delete(request.instance)
      const refused = refusals[index]
      answer({
        kind: 'taken',
        number,
        queued: this.#schedule.queued(request.agent),
        grants: dispatch?.grants ?? [],
        stops: dispatch?.stops ?? [],
        ...yieldsOf(dispatch),
        ...(request.byName === true ? { queue: builder.queueOf(request.agent) } : {}),
        ...(refused === undefined ? {} : { refused }),
      })
    })
    for (const [instance, dispatch] of builder.dispatches) {
      const { grants, stops } = dispatch
      const agent = grants[0]?.agent ?? [...this.#schedule.executors()].find((executor) => executor.instance === instance)?.agent
      if (agent !== undefined) sendGrants(agent, { lane: lane.lane, incarnation: log.incarnation, number, grants, stops, ...yieldsOf(dispatch) })
    }
    for (const [agent, assignments] of builder.assigned) sendAssigned(agent, { lane: lane.lane, assignments })
  }

  async #appendRelease(): Promise<void> {
    const { lane, agent, instance } = this.#options
    const event: LaneEvent = { type: 'LaneReleased', data: { agent, instance } }
    const commit: Commit = { aggregate: 'lane', id: lane.lane, revision: lane.revision + 1, actor: `agent:${agent}`, events: [event] }
    const timeMs = Math.max(this.#options.clock.nowMs(), lane.timeMs)
    foldCommit(lane, commit, { incarnation: this.#options.log.incarnation, timeMs })
    await this.#append([commit], timeMs)
    this.#end()
  }

  async #append(commits: readonly Commit[], timeMs: number): Promise<boolean> {
    const { log, clock, random, subject, failpoint, realm } = this.#options
    const { format } = realm.state
    for (const { events } of commits) {
      const missing = missingFormat(format, events)
      if (missing !== undefined) throw new Error(`a turn with a shape that the realm does not hold was decided: ${formatTooOld(format, missing)}`)
    }
    const turn = newUlid(clock.nowMs(), random)
    const number = this.#lane.number + 1
    const encoded = encodeTurnAndCommits({ turn, schema: schemaVersion, incarnation: log.incarnation, number, timeMs, previous: this.#tail.digest, commits })
    const { bytes, commits: commitTexts } = encoded
    await failpoint?.('turn-before-append')
    this.#inFlight = true
    const appending = appendTurn(log, clock, { subject, bytes, turn, expectedLast: this.#tail.position, signal: this.#abort.signal })
    // The next turn needs it: it is made while this one is on its way, not when everybody waits for what comes after it.
    let digest: string | undefined
    const digesting = clock.after(0, () => void (digest = digestOf(bytes)))
    const outcome = await appending
    digesting.cancel()
    await failpoint?.('turn-after-append')
    this.#inFlight = false
    // Abandoned meanwhile: a dead process says nothing.
    if (this.#over) return false
    if (outcome.kind !== 'landed') {
      this.#end()
      if (outcome.kind === 'conflict') this.#options.onEnded('replaced')
      else if (outcome.kind === 'wrong-incarnation') this.#options.onEnded('wrong-incarnation')
      return false
    }
    this.#appended = true
    this.#tail.position = outcome.position
    this.#tail.digest = digest ?? digestOf(bytes)
    this.#lane.number = number
    this.#lane.timeMs = timeMs
    this.#options.onTurn({ position: outcome.position, timeMs, number, commits, commitTexts })
    return true
  }

  /**
   * P11: the same bytes still stand where the last turn was written, and nothing after them, or holding is over. Without this an
   * idle holder that was replaced unnoticed would go on telling its own process's executor that there is nothing to do.
   */
  async #verifyTail(): Promise<void> {
    const { log, logger, clock, subject } = this.#options
    try {
      const last = await log.last(subject)
      const isLast = (last?.position ?? 0) === this.#tail.position
      const message = isLast || this.#tail.position === 0 ? last : await log.at(this.#tail.position)
      if (this.#over) return
      this.#verify = false
      const isOwn = this.#tail.position === 0 || (message !== undefined && digestOf(message.bytes) === this.#tail.digest)
      if (isOwn && (last?.position ?? 0) <= this.#tail.position) return
      this.#end()
      this.#options.onEnded(isOwn ? 'replaced' : message === undefined ? 'archived' : 'wrong-incarnation')
    } catch (error) {
      logger.debug({ error, lane: this.#lane.lane }, 'the tail of the lane cannot be read yet')
      await pause(clock, verifyRetryMs, this.#abort.signal)
    }
  }

  get #over(): boolean {
    return this.#state === 'ended'
  }
}

/** The key is absent where there are none: most answers have none. */
function yieldsOf(dispatch: Dispatch | undefined): { readonly yields?: readonly GrantRef[] } {
  return dispatch === undefined || dispatch.yields.length === 0 ? {} : { yields: dispatch.yields }
}

/** Parts may still come. */
function isOpening(group: GroupState): boolean {
  return groupTable.can(group.phase, 'JobsAdded')
}
