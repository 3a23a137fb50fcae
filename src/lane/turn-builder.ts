/**
 * One turn of a lane: the commits that are decided on everything that waits, and the answers that may leave once it is
 * durable (P3, P4). Works on the holder's own fold, which is thus ahead of the log by at most one turn.
 *
 * Order inside a turn (P10): outcomes, stops and expiries; pauses and cancels; other commands (`turn-order.ts`); locks. The outcome of a job and the
 * grant of the next are one commit.
 */
import { type Decision, type Refusal, type RefusalCode, nothing, refused } from '../../machines/decision.ts'
import { compacted } from '../../machines/execution-group/ended.ts'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import * as opening from '../../machines/execution-group/decide/opening.ts'
import { assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../machines/execution-group/decide/locks.ts'
import { cancelGroup, pauseGroup, prioritizeGroup, resolveUnknown, resumeGroup, retryFailed } from '../../machines/execution-group/decide/people.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type Grant, type GroupState, absentGroup, nextOf, openGrant, openGrants } from '../../machines/execution-group/state.ts'
import { sizeBytes } from '../../machines/execution-group/limits.ts'
import { archiveLane, judgeCommand, refuseCommand, withdrawCommand } from '../../machines/lane/decide.ts'
import { type KnownCommand, type LaneState, foldCommit } from '../../machines/lane/state.ts'
import type { LaneArchive, LaneEvent } from '../../machines/lane/machine.ts'
import { allowsFormat, type RealmConstants, type RealmState, formatTooOld, quarantinedText } from '../../machines/realm/realm.ts'
import { missingFormat } from '../../machines/realm/shapes.ts'
import { isUlid, ulidTimeMs } from '../../streams/codec.ts'
import type { Commit } from '../../streams/envelope.ts'
import { type AssignedMessage, type GrantRef, type LaneCommand, type LaneCommandAnswer, type OutcomeReport, type QueuedJob, type WorkRequest, formerInstancesLimit } from '../../streams/lane-protocol.ts'
import { Dispatch, grantOfOneMessage } from './dispatch.ts'
import { grantMessage } from './grant-message.ts'
import type { Schedule } from './schedule.ts'
import { bareCommitBytes, commandBytes, commandCommitBytes, eventsBytes } from './turn-size.ts'

/** An executor that was not heard from for so long gets no new grant; it says something every `reconcileMs`, at rest every `restMs`. */
const executorSilenceMs = 9_000
/**
 * Nothing is added to a turn from this estimate on. The largest single addition is a part or a list of assignments
 * (`partLimitBytes`), so a turn stays below the limit of the envelope (P16).
 */
const turnBudgetBytes = 160 * 1024
/** Most jobs that are named to an agent that asks by name. */
const queueLimit = 100

/** Refusals that a repeat of the same command may turn into a yes: they are not put on record. */
const passing: ReadonlySet<RefusalCode> = new Set(['too-early', 'stale', 'part-out-of-order', 'not-assigned'])

type OpenCommit = Commit & { readonly events: GroupEvent[] }

export class TurnBuilder {
  readonly commits: Commit[] = []
  /** By instance. */
  readonly dispatches = new Map<string, Dispatch>()
  /** By agent: jobs that came into its queue in this turn. */
  readonly assigned = new Map<string, AssignedMessage['assignments'][number][]>()
  /** Something negative is to be said: it needs an own turn that was appended after the request came, an empty one if need be (P4). */
  needsProof = false
  /** Whoever cannot carry it out now would be given it again at once; until its next word the leader may assign it to another. */
  readonly #handedBack = new Set<string>()
  #spentBytes = 0
  #reservedBytes = 0
  readonly #open = new Map<string, OpenCommit>()
  readonly #lane: LaneState
  readonly #schedule: Schedule
  readonly #constants: RealmConstants
  readonly #realm: Pick<RealmState, 'format' | 'quarantine'>
  readonly #incarnation: number
  readonly #timeMs: number

  constructor(options: {
    readonly lane: LaneState
    readonly schedule: Schedule
    readonly constants: RealmConstants
    readonly realm: Pick<RealmState, 'format' | 'quarantine'>
    readonly incarnation: number
    /** Time of the turn. */
    readonly timeMs: number
  }) {
    this.#lane = options.lane
    this.#schedule = options.schedule
    this.#constants = options.constants
    this.#realm = options.realm
    this.#incarnation = options.incarnation
    this.#timeMs = options.timeMs
  }

  get full(): boolean {
    return this.#spentBytes >= turnBudgetBytes
  }

  /** Room that outcomes leave to urgent commands, at most half of the turn. */
  reserve(commands: number): void {
    this.#reservedBytes = Math.min(commands * 2 * commandBytes, turnBudgetBytes / 2)
  }

  /** Outcomes, then stops, of one executor, from the one with this index on. Returns how many of them are taken by now; the rest waits for the next turn. */
  takeWork({ agent, outcomes, stopped }: WorkRequest, from: number): number {
    const actor = `agent:${agent}`
    const budgetBytes = turnBudgetBytes - this.#reservedBytes
    let index = from
    for (; index < outcomes.length + stopped.length && this.#spentBytes < budgetBytes; index++) {
      if (index < outcomes.length) this.#takeOutcome(outcomes[index]!, actor)
      else this.#takeStop(stopped[index - outcomes.length]!, agent, actor)
    }
    return index
  }

  #takeOutcome({ group, grant, job, outcome }: OutcomeReport, actor: string): void {
    const state = this.#lane.groups.get(group)
    const decision = state === undefined ? undefined : takeOutcome(state, grant, job, outcome)
    if (decision?.kind === 'events') this.#add(state!, decision.events, actor)
    else this.needsProof = true
  }

  #takeStop({ group, grant }: GrantRef, agent: string, actor: string): void {
    const state = this.#lane.groups.get(group)
    const decision = state === undefined ? undefined : handBack(state, grant)
    if (decision?.kind === 'events') {
      this.#add(state!, decision.events, actor)
      // Without order the others go on.
      this.#handedBack.add(state!.unordered === null ? group : `${group} ${agent}`)
    } else this.needsProof = true
  }

  /** P6: what the executor lacks is sent again, and what it holds without right is stopped. */
  reconcile(request: WorkRequest): void {
    const held = new Map<string, number>()
    const heldUnordered = new Set<string>()
    for (const { group, grant } of request.held) {
      const state = this.#lane.groups.get(group)
      if (state !== undefined && openGrant(state, grant) !== undefined) {
        if (state.unordered === null) held.set(group, grant)
        else heldUnordered.add(`${group} ${grant}`)
        continue
      }
      this.#dispatch(request.instance).stops.push({ group, grant })
      this.needsProof = true
    }
    // What a former instance of its process was granted, and it does not hold, it gives back.
    for (const instance of [...(request.former ?? []).slice(-formerInstancesLimit), request.instance]) this.#reconcileGrantsOf(instance, request, held, heldUnordered)
  }

  #reconcileGrantsOf(instance: string, request: WorkRequest, held: ReadonlyMap<string, number>, heldUnordered: ReadonlySet<string>): void {
    for (const id of this.#schedule.grantsOf(instance)) {
      const state = this.#lane.groups.get(id)!
      if (held.get(id) !== state.grant!.revision) this.#dispatch(request.instance).add(grantMessage(state, state.grant!, this.#incarnation))
      else this.#yield(state, state.grant!)
    }
    for (const { group, grant } of this.#schedule.unorderedGrantsOf(instance)) {
      const state = this.#lane.groups.get(group)!
      const open = openGrant(state, grant)
      if (open === undefined) continue
      if (heldUnordered.has(`${group} ${grant}`)) this.#yield(state, open)
      else this.#dispatch(request.instance).add(grantMessage(state, open, this.#incarnation))
    }
  }

  command(command: LaneCommand): (landed: { position: number; number: number }) => LaneCommandAnswer {
    const { body } = command
    // The parts of a large group come under the command that opened it.
    const continues = body.kind === 'add' || body.kind === 'seal'
    if (command.epoch !== undefined && command.epoch < this.#lane.epoch) {
      return this.#no({ code: 'stale', text: `epoch ${command.epoch} is over; lane ${this.#lane.lane} has seen ${this.#lane.epoch}` })
    }
    if (command.command !== undefined && !continues) {
      if (!isUlid(command.command)) return this.#no({ code: 'malformed', text: `command id ${JSON.stringify(command.command)} is not a ULID` })
      const judged = judgeCommand(this.#lane, command.command, ulidTimeMs(command.command), this.#timeMs, this.#constants)
      if (judged.kind === 'refused') return this.#no(judged.refusal)
      if (judged.kind === 'known') return this.#knownAnswer(command.command, judged.known)
    }
    if (body.kind === 'withdraw') return this.#withdraw(command, body.withdrawn)
    if (body.kind === 'archive') return this.#archive(command, body)
    const state = this.#lane.groups.get(command.group) ?? absentGroup(command.group)
    const decision = this.#decide(state, command)
    if (decision.kind === 'refused') return this.#refuse(command, decision.refusal)
    const missing = decision.kind === 'events' ? missingFormat(this.#realm.format, decision.events) : undefined
    if (missing !== undefined) return this.#no({ code: 'format-too-old', text: formatTooOld(this.#realm.format, missing) })
    if (decision.kind === 'nothing') {
      this.needsProof = true
      return ({ position, number }) => ({ kind: 'done', group: command.group, revision: state.revision, number, position, known: true })
    }
    if (!this.#lane.groups.has(command.group)) this.#lane.groups.set(command.group, state)
    // What the leader found lost must not be granted the very same job again in this turn.
    const lost = body.kind === 'expire' ? openGrant(state, body.grant) : undefined
    if (lost !== undefined) this.#schedule.forget(lost.instance)
    this.#addOwn(state, decision.events, command)
    for (const { type, data } of decision.events) {
      if (type !== 'JobsAssigned') continue
      for (const { first, last, agent } of data.assignments) {
        const list = this.assigned.get(agent) ?? []
        list.push({ group: command.group, first, last })
        this.assigned.set(agent, list)
      }
    }
    if (body.kind === 'pause') for (const grant of openGrants(state)) this.#yield(state, grant)
    const revision = state.revision
    return ({ position, number }) => ({ kind: 'done', group: command.group, revision, number, position })
  }

  /** A paused group ends what is in flight; of a grant with several jobs that is the one that runs. */
  #yield(state: GroupState, grant: Grant): void {
    if (grant.left < 2 || !groupTable.can(state.phase, 'GroupResumed')) return
    this.#dispatch(grant.instance).yields.push({ group: state.group, grant: grant.revision })
  }

  /** A job asked for by name. The refusal as too early needs no proof: it costs only time (P4). */
  askByName(request: WorkRequest, asks: { readonly group: string; readonly job: number }): { code: string; text: string } | undefined {
    const state = this.#lane.groups.get(asks.group)
    if (state === undefined) return { code: 'unknown-group', text: `lane ${this.#lane.lane} holds no group ${asks.group}` }
    const { quarantine } = this.#realm
    if (quarantine !== null) return { code: 'quarantined', text: quarantinedText(quarantine.why) }
    const decision = grantLock(state, this.#request(request, 1, asks.job))
    if (decision.kind === 'refused') return decision.refusal
    if (decision.kind === 'events') this.#grant(state, decision.events, request.instance, `agent:${request.agent}`)
    return undefined
  }

  /** For who asks by name: the next job of each group in its queue, of the highest priority first. */
  queueOf(agent: string): readonly QueuedJob[] {
    const next: { readonly group: string; readonly job: number; readonly priority: number }[] = []
    for (const group of this.#schedule.queuedGroups(agent)) {
      const state = this.#lane.groups.get(group)!
      const job = groupTable.can(state.phase, 'LockGranted') ? nextOf(state, agent) : undefined
      if (job !== undefined) next.push({ group, job, priority: state.priority })
    }
    return next
      .sort((left, right) => right.priority - left.priority)
      .slice(0, queueLimit)
      .map(({ group, job }) => ({ group, job }))
  }

  /**
   * To whoever offers room, what waits in its queue. `waiting`: agents whose list is not taken yet, at least not wholly; what they were given now
   * the list would seem to lack, and all of it would be sent once more in its answer (P6).
   */
  grantLocks(nowMs: number, waiting: { has(agent: string): boolean }): void {
    if (this.#realm.quarantine !== null) return
    for (const executor of this.#schedule.executors()) {
      if (nowMs - executor.heardMs > executorSilenceMs || waiting.has(executor.agent)) continue
      const { agent, instance } = executor
      const actor = `agent:${agent}`
      let room = this.#schedule.room(executor)
      for (const id of this.#schedule.runnableFor(agent)) {
        if (room <= 0 || this.full || this.dispatches.get(instance)?.full === true) break
        if (this.#handedBack.size > 0 && (this.#handedBack.has(id) || this.#handedBack.has(`${id} ${agent}`))) continue
        const state = this.#lane.groups.get(id)!
        const decision = grantOfOneMessage(state, this.#request(executor, state.window))
        if (decision.kind !== 'events') continue
        this.#grant(state, decision.events, instance, actor)
        room -= 1
        // It may have more for this executor, after what else waits for it: the list is walked to its new end.
        if (state.unordered !== null) this.#schedule.putLast(agent, id)
      }
    }
  }

  /** By the holder itself: a group whose parts stopped coming. */
  abandon(state: GroupState): void {
    const decision = opening.abandonGroup(state)
    if (decision.kind === 'events') this.#add(state, decision.events, `lane:${this.#lane.lane}`)
  }

  #request(executor: { readonly agent: string; readonly instance: string }, credit: number, job?: number) {
    const { agent, instance } = executor
    const callDeadlineMs = this.#constants.siteCallDeadlineMs
    return job === undefined ? { agent, instance, credit, callDeadlineMs } : { agent, instance, credit, callDeadlineMs, job }
  }

  #grant(state: GroupState, events: readonly GroupEvent[], instance: string, actor: string): void {
    this.#add(state, events, actor)
    // The last event of the commit is the grant; where it broke the order nobody executes it.
    const open = openGrant(state, state.revision)
    if (open !== undefined) this.#dispatch(instance).add(grantMessage(state, open, this.#incarnation))
  }

  #decide(state: GroupState, command: LaneCommand): Decision<GroupEvent> {
    const body = command.body
    if (state.phase === 'absent' && body.kind !== 'open') return refused('unknown-group', `there is no group ${command.group} in lane ${this.#lane.lane}`)
    switch (body.kind) {
      case 'open':
        return opening.openGroup(state, body)
      case 'add':
        return opening.addJobs(state, body)
      case 'seal':
        return opening.sealGroup(state, body.plan)
      case 'assign':
        // Before the seal it is a proposal, which older programs would take for a fault.
        if (groupTable.can(state.phase, 'GroupSealed') && !allowsFormat(this.#realm, 2)) return nothing(`group ${command.group} is ${state.phase}`)
        return assignJobs(state, body.assignments, body.ifRevision)
      case 'expire':
        // P27: only who leads says that an executor is lost.
        if (command.epoch === undefined) return refused('malformed', `only a leader, who names its epoch, expires grant ${body.grant} of group ${command.group}`)
        return expireGrant(state, body.grant, body.assignments)
      case 'retry':
        return retryFailed(state)
      case 'pause':
        return pauseGroup(state)
      case 'resume':
        return resumeGroup(state)
      case 'prioritize':
        return prioritizeGroup(state, body.priority)
      case 'cancel':
        return cancelGroup(state)
      case 'resolve':
        return resolveUnknown(state, body.job, body.as)
      case 'withdraw':
      case 'archive':
        throw new Error(`${body.kind} concerns the lane, not a group`)
      default:
        // Of a newer program, or of somebody who is none of ours.
        return refused('malformed', `a command of kind ${JSON.stringify((body as { readonly kind: string }).kind)} is unknown to this build; use a newer one`)
    }
  }

  #knownAnswer(command: string, known: KnownCommand): (landed: { position: number; number: number }) => LaneCommandAnswer {
    this.needsProof = true
    if (known.withdrawn) return this.#no({ code: 'withdrawn', text: `command ${command} was withdrawn; ask again with a new id` })
    if (known.refused !== undefined) return this.#no(known.refused)
    return ({ position, number }) => ({ kind: 'done', group: known.id, revision: known.revision, number, position, known: true })
  }

  #withdraw(command: LaneCommand, withdrawn: string): (landed: { position: number; number: number }) => LaneCommandAnswer {
    const known = this.#lane.commands.get(withdrawn)
    const decision = withdrawCommand(this.#lane, withdrawn)
    if (known !== undefined && !known.withdrawn) return this.#knownAnswer(withdrawn, known)
    if (decision.kind !== 'events') this.needsProof = true
    if (decision.kind === 'events') this.#addToLane(command, decision.events)
    const revision = this.#lane.revision
    return ({ position, number }) => ({ kind: 'done', group: command.group, revision, number, position })
  }

  #archive(command: LaneCommand, archive: LaneArchive): (landed: { position: number; number: number }) => LaneCommandAnswer {
    const decision = archiveLane(this.#lane, archive, this.#incarnation)
    if (decision.kind === 'refused') return this.#refuse(command, decision.refusal)
    const missing = decision.kind === 'events' ? missingFormat(this.#realm.format, decision.events) : undefined
    if (missing !== undefined) return this.#no({ code: 'format-too-old', text: formatTooOld(this.#realm.format, missing) })
    if (decision.kind === 'events') this.#addToLane(command, decision.events)
    else this.needsProof = true
    const known = decision.kind === 'nothing' ? ({ known: true } as const) : {}
    const revision = this.#lane.revision
    return ({ position, number }) => ({ kind: 'done', group: command.group, revision, number, position, ...known })
  }

  /** What a repeat cannot change is on record, so that it is answered in the same way for ever (P15). */
  #refuse(command: LaneCommand, refusal: Refusal): () => LaneCommandAnswer {
    if (command.command !== undefined && !passing.has(refusal.code)) {
      const decision = refuseCommand(this.#lane, command.command, command.group, refusal)
      if (decision.kind === 'events') this.#addToLane(command, decision.events)
    }
    return this.#no(refusal)
  }

  #addToLane(command: LaneCommand, events: readonly LaneEvent[]): void {
    const commit: Commit = {
      aggregate: 'lane',
      id: this.#lane.lane,
      revision: this.#lane.revision + 1,
      ...(command.command === undefined ? {} : { command: command.command }),
      actor: command.actor,
      events,
    }
    this.commits.push(commit)
    foldCommit(this.#lane, commit, { incarnation: this.#incarnation, timeMs: this.#timeMs })
    this.#spentBytes += commandCommitBytes(command) + sizeBytes(events)
  }

  #no(refusal: { readonly code: string; readonly text: string }): () => LaneCommandAnswer {
    this.needsProof = true
    return () => ({ kind: 'refused', code: refusal.code, text: refusal.text })
  }

  /** Events that no command led to; joined to the group's last commit of this turn where nothing came between. */
  #add(state: GroupState, events: readonly GroupEvent[], actor: string): void {
    this.#spentBytes += eventsBytes(events)
    const open = this.#open.get(state.group)
    if (open !== undefined && open.actor === actor && open.revision + open.events.length === state.revision + 1) {
      for (const event of events) open.events.push(event)
    } else {
      this.#spentBytes += bareCommitBytes(state.group, actor)
      const commit = { aggregate: 'group', id: state.group, revision: state.revision + 1, actor, events: [...events] }
      this.commits.push(commit)
      this.#open.set(state.group, commit)
    }
    for (const event of events) foldInto(state, event)
    if (groupTable.isFinal(state.phase)) this.#lane.groups.set(state.group, compacted(state))
    this.#schedule.update(state, events)
  }

  #addOwn(state: GroupState, events: readonly GroupEvent[], command: LaneCommand): void {
    const commit: Commit = {
      aggregate: 'group',
      id: state.group,
      revision: state.revision + 1,
      ...(command.command === undefined ? {} : { command: command.command }),
      actor: command.actor,
      ...(command.epoch === undefined ? {} : { epoch: command.epoch }),
      ...(command.cause === undefined ? {} : { cause: command.cause }),
      ...(command.correlation === undefined ? {} : { correlation: command.correlation }),
      events,
    }
    this.commits.push(commit)
    foldCommit(this.#lane, commit, { incarnation: this.#incarnation, timeMs: this.#timeMs })
    this.#schedule.update(state, events)
    this.#spentBytes += commandCommitBytes(command) + sizeBytes(events)
  }

  #dispatch(instance: string): Dispatch {
    let dispatch = this.dispatches.get(instance)
    if (dispatch === undefined) {
      dispatch = new Dispatch()
      this.dispatches.set(instance, dispatch)
    }
    return dispatch
  }
}
