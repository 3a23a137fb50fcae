/**
 * Opens the execution group of an instruction, in parts (P13, P14), and goes on with those that nobody finishes: a submitter or a
 * service that was killed never leaves half a group where the plan is kept.
 *
 * Owns: the openings in hand, one an instruction. It follows the log, never the feed (P9).
 * 1. Lane, plan and terms are those of `InstructionTaken`, whoever goes on; doubles are harmless by command id, part number and digest.
 * 2. `sealed` is said only of what a lane's holder acknowledged as durable (P3).
 */
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { groupTable, wasSealed } from '../../machines/execution-group/machine.ts'
import type { InstructionState } from '../../machines/instruction/instruction.ts'
import type { JobCandidate } from '../../machines/placement/jobs.ts'
import { allowsFormat } from '../../machines/realm/realm.ts'
import { ulidTimeMs } from '../../streams/codec.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { LaneCommandBody } from '../../streams/lane-protocol.ts'
import { type Clock, type Repeating, every } from '../../streams/ports/clock.ts'
import { Damaged, type TextStore } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { groupId } from '../../streams/subjects.ts'
import type { Logger } from '../agent/context.ts'
import { regionOf } from './region.ts'
import type { LaneSender, SentAnswer } from './lane-sender.ts'
import { partsOf } from './parts.ts'
import { type GroupToPropose, proposed } from './proposal.ts'
import type { RealmView } from '../realm/view.ts'

export type Opened =
  /** Durable and complete. Position 0 where it had been sealed before. */
  | { readonly kind: 'sealed'; readonly group: string; readonly position: number }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string }
  /** The lane's holder does not answer; what was sent may have happened. */
  | { readonly kind: 'no-answer' }
  /** The plan's bytes are not kept: the group is never opened, or the holder abandons it. */
  | { readonly kind: 'plan-lost' }

export type Taken = NonNullable<InstructionState['taken']>

export interface GroupOpenerOptions {
  readonly view: RealmView
  readonly texts: TextStore
  readonly sender: LaneSender
  readonly clock: Clock
  readonly logger: Logger
  readonly actorOf: (command: string) => string | undefined
  readonly continueMs: number
  /** Who proposes where jobs go, and to whom they could (claim 2). Absent: nobody does. */
  readonly proposer?: { readonly actor: string; candidates(): Promise<readonly JobCandidate[]> }
}

export class GroupOpener {
  readonly #options: GroupOpenerOptions
  readonly #inHand = new Map<string, Promise<Opened>>()
  /** Instructions whose group is not known to be sealed, with what was seen of it at the last look. */
  readonly #pending = new Map<string, { seenRevision: number }>()
  #repeating: Repeating | undefined
  #stopped = false

  constructor(options: GroupOpenerOptions) {
    this.#options = options
  }

  /** An instruction was taken, by whatever service; called in log order. */
  taken(command: string): void {
    this.#pending.set(command, { seenRevision: -1 })
  }

  start(): void {
    const { clock, continueMs } = this.#options
    this.#repeating = every(clock, continueMs, () => this.#look())
  }

  /** What is in hand ends at its next step. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#repeating?.stop()
    await Promise.allSettled(this.#inHand.values())
  }

  /** At most one opening an instruction runs in this process. `jobs` where the caller has them at hand. */
  open(command: string, taken: Taken, jobs?: readonly JobSpec[]): Promise<Opened> {
    const running = this.#inHand.get(command)
    if (running !== undefined) return running
    const opening = this.#open(command, taken, jobs).finally(() => this.#inHand.delete(command))
    this.#inHand.set(command, opening)
    return opening
  }

  /** What showed no progress since the last look is nobody's: this service goes on with it. */
  #look(): void {
    const { view, logger, clock } = this.#options
    for (const [command, pending] of this.#pending) {
      const tooOld = clock.nowMs() - ulidTimeMs(command) > view.state.realm.constants.commandMemoryMs
      const taken = view.state.instructions.get(command)?.taken
      if (taken == null) {
        if (tooOld) this.#pending.delete(command)
        continue
      }
      const lane = view.state.lanes.get(taken.lane)
      const group = lane?.groups.get(groupId(taken.lane, command))
      const settled = group !== undefined && !groupTable.can(group.phase, 'GroupSealed')
      const answered = lane?.commands.get(command)
      const refused = answered?.withdrawn === true || answered?.refused !== undefined
      if (settled || refused || tooOld) {
        this.#pending.delete(command)
        continue
      }
      const revision = group?.revision ?? 0
      const moved = pending.seenRevision !== revision
      pending.seenRevision = revision
      if (moved || this.#inHand.has(command)) continue
      logger.info({ command, lane: taken.lane, revision }, 'going on with a group that nobody finished opening')
      void this.open(command, taken).then(
        (opened) => this.#continued(command, opened),
        (error: unknown) => logger.warn({ command, error }, 'a group could not be opened any further'),
      )
    }
  }

  #continued(command: string, opened: Opened): void {
    const { logger } = this.#options
    switch (opened.kind) {
      case 'sealed':
        this.#pending.delete(command)
        return
      case 'refused':
        // Another service may have added the part meanwhile; everything else is final.
        if (opened.code === 'part-out-of-order') return
        this.#pending.delete(command)
        logger.warn({ command, code: opened.code, text: opened.text }, 'a group that nobody finished opening was refused')
        return
      case 'plan-lost':
        this.#pending.delete(command)
        logger.warn({ command }, 'the plan of an instruction is lost: its group is not opened')
        return
      case 'no-answer':
        return
    }
  }

  async #open(command: string, taken: Taken, given: readonly JobSpec[] | undefined): Promise<Opened> {
    const { view } = this.#options
    const { lane, plan, text, name = text, window = 1, distributionFactor = 100, mode = 'jobs', order, priority, agents, onFailure, trigger } = taken
    const group = groupId(lane, command)
    const known = view.state.group(group)
    // Also one that has ended: its first result stands, whether the plan is still kept or not (P15).
    if (known !== undefined && known.plan === plan && wasSealed(known.phase)) return { kind: 'sealed', group, position: 0 }
    const jobs = given ?? (await this.#plan(plan))
    if (jobs === undefined) return { kind: 'plan-lost' }
    const parts = partsOf(jobs)
    const region = regionOf(view.state, jobs)
    const send = (body: LaneCommandBody, withId: boolean) => this.#send(lane, group, command, body, withId)
    const terms = {
      ...(order === undefined ? {} : { order }),
      ...(priority === undefined ? {} : { priority }),
      ...(agents === undefined ? {} : { agents }),
      ...(onFailure === undefined ? {} : { onFailure }),
      ...(trigger === undefined ? {} : { trigger }),
    }
    const opened = await send({ kind: 'open', name, jobs: jobs.length, parts: parts.length, plan, window, region, distributionFactor, mode, ...terms }, true)
    if (opened.kind !== 'done') return opened
    let { revision } = opened
    for (let part = (view.state.group(group)?.partsAdded ?? 0) + 1; part <= parts.length; part++) {
      if (this.#stopped) return { kind: 'no-answer' }
      const added = await send({ kind: 'add', plan, part, jobs: parts[part - 1]! }, false)
      if (added.kind !== 'done') return added
      revision = added.revision
    }
    if (mode === 'jobs') await this.#propose(lane, { group, region, distributionFactor, jobs, ...(agents === undefined ? {} : { agents }) }, revision)
    const sealed = await send({ kind: 'seal', plan }, false)
    return sealed.kind === 'done' ? { kind: 'sealed', group, position: sealed.position } : sealed
  }

  /** A courtesy: what is not proposed, or not in time, the leader assigns (claim 1). */
  async #propose(lane: string, group: GroupToPropose, ifRevision: number): Promise<void> {
    const { view, proposer, sender, logger } = this.#options
    if (proposer === undefined || this.#stopped || !allowsFormat(view.state.realm, 2)) return
    try {
      const assignments = proposed(group, await proposer.candidates())
      if (assignments.length === 0) return
      const answer = await sender.send(lane, { group: group.group, actor: proposer.actor, body: { kind: 'assign', assignments, ifRevision } })
      if (answer.kind === 'refused') logger.info({ group: group.group, code: answer.code, text: answer.text }, 'a proposed mapping was not taken')
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      logger.info({ group: group.group, error }, 'no mapping is proposed: who is here cannot be read')
    }
  }

  #send(lane: string, group: string, command: string, body: LaneCommandBody, withId: boolean): Promise<SentAnswer> {
    const actor = this.#options.actorOf(command) ?? 'program:unknown'
    return this.#options.sender.send(lane, {
      ...(withId ? { command } : {}),
      group,
      actor,
      cause: { aggregate: 'instruction', id: command, revision: 1 },
      correlation: command,
      body,
    })
  }

  async #plan(digest: string): Promise<readonly JobSpec[] | undefined> {
    try {
      const bytes = await this.#options.texts.get(digest)
      return bytes === undefined ? undefined : fromBytes<{ readonly jobs: readonly JobSpec[] }>(bytes).jobs
    } catch (error) {
      if (error instanceof Damaged) return undefined
      throw error
    }
  }
}
