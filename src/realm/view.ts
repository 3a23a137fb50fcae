/**
 * The whole realm, folded live from the log: what the service, the leader and `reeve up` know. Owned by one process, never
 * shared, never the truth: it may lag, and whoever acts on it does so by commands that the lane or the log judges (I7, P9).
 *
 * 1. Every turn is folded exactly once, in log order.
 * 2. `position` is that of the last turn folded; listeners hear a turn after it was folded.
 * 3. A turn that cannot be read ends the view with `broken`; it never skips one.
 * 4. Of an instruction nothing is kept that nobody can ask for any more: its command is too old for every lane (P15), by a day and by the log's own times,
 *    and no trigger waits for its run.
 */
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type ManifestEvent, type ManifestState, absentManifest, foldManifest, shortOfManifestId } from '../../machines/agent/manifest.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import {
  type InstructionEvent,
  type InstructionState,
  absentInstruction,
  foldInstruction,
} from '../../machines/instruction/instruction.ts'
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { type SiteEvent, type SiteState, absentSite, foldSite } from '../../machines/site/site.ts'
import type { TriggerEvent } from '../../machines/trigger/events.ts'
import { type TriggerState, absentTrigger, foldTrigger } from '../../machines/trigger/evolve.ts'
import { decodeTurn, ulidTimeMs } from '../../streams/codec.ts'
import type { LaneShown } from '../../streams/lane-snapshot.ts'
import type { Turn } from '../../streams/envelope.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { type EventSubject, type Subjects, parseEventSubject } from '../../streams/subjects.ts'

/** A lane whose older turns were archived, as the snapshot of the archive has it. */
export interface LaneBegun {
  readonly state: LaneState
  /** Of the last turn that is in it. */
  readonly tail: { readonly position: number }
  readonly shown: LaneShown
}

/** Undefined where no archive reaches over turn `missing` of the lane. */
export type ArchivedLanes = (lane: string, missing: number, realm: RealmState, signal: AbortSignal) => Promise<LaneBegun | undefined>

export interface TurnSeen {
  readonly turn: Turn
  readonly subject: string
  readonly position: number
}

/** A command is refused for its age by clocks that differ. */
const forgetLaterMs = 24 * 60 * 60 * 1_000
/** Instructions that are looked at when one comes, so that forgetting takes no time of its own. */
const lookedAtOnce = 8

/** Folded state of everything that the log holds, and the fold of one turn into it. */
export class RealmFold {
  readonly realm: RealmState = emptyRealm()
  readonly lanes = new Map<string, LaneState>()
  readonly sites = new Map<string, SiteState>()
  readonly agents = new Map<string, AgentState>()
  /** By short digest. */
  readonly manifests = new Map<string, ManifestState>()
  readonly instructions = new Map<string, InstructionState>()
  readonly triggers = new Map<string, TriggerState>()
  /** Number and digest-relevant position of the last turn by subject: what the next append on it builds on. */
  readonly tails = new Map<string, { number: number; position: number }>()
  /** Of the last turn that holds a commit of the group. */
  readonly groupPositions = new Map<string, number>()
  position = 0
  readonly realmName: string
  /** By subject; only of lanes, which are few. */
  readonly #laneSubjects = new Map<string, EventSubject>()
  /** By lane: up to which turn all are in the snapshot of an archive. */
  readonly #begun = new Map<string, number>()

  /** Absent: instructions are kept for ever, as whoever shows an old one needs them. */
  readonly #onForgotten: ((command: string) => void) | undefined

  constructor(realmName: string, onForgotten?: (command: string) => void) {
    this.realmName = realmName
    this.#onForgotten = onForgotten
  }

  /** What the subject names; undefined for none of this realm's events. */
  at(subject: string): EventSubject | undefined {
    const known = this.#laneSubjects.get(subject)
    if (known !== undefined) return known
    const at = parseEventSubject(this.realmName, subject)
    if (at?.kind === 'lane') this.#laneSubjects.set(subject, at)
    return at
  }

  group(id: string): GroupState | undefined {
    // As in `laneOfGroup`; whether it is a group's id shows by itself.
    return this.lanes.get(id.slice(0, id.lastIndexOf('-')))?.groups.get(id)
  }

  *groups(): Iterable<GroupState> {
    for (const lane of this.lanes.values()) yield* lane.groups.values()
  }

  /** The lane, and the last turn before this one that is not in the log: it was archived, or somebody removed it. */
  gapBefore({ subject, turn }: TurnSeen): { readonly lane: string; readonly missing: number } | undefined {
    const at = this.at(subject)
    if (at?.kind !== 'lane' || turn.number <= (this.lanes.get(at.lane)?.number ?? 0) + 1) return undefined
    return { lane: at.lane, missing: turn.number - 1 }
  }

  /** In the place of what was folded of the lane. */
  begin(subject: string, { state, tail, shown }: LaneBegun): void {
    this.lanes.set(state.lane, state)
    this.tails.set(subject, { number: state.number, position: tail.position })
    this.#begun.set(state.lane, state.number)
    for (const [group, , last] of shown.groups) this.groupPositions.set(group, last)
  }

  /** It is in the snapshot that its lane began with: a purge was cut off, or goes on. */
  isBegun({ subject, turn }: TurnSeen): boolean {
    if (this.#begun.size === 0) return false
    const at = this.at(subject)
    return at?.kind === 'lane' && turn.number <= (this.#begun.get(at.lane) ?? 0)
  }

  fold(seen: TurnSeen): void {
    const at = this.at(seen.subject)
    this.position = seen.position
    this.tails.set(seen.subject, { number: seen.turn.number, position: seen.position })
    if (at === undefined) return
    if (at.kind === 'lane') {
      for (const commit of seen.turn.commits) if (commit.aggregate === 'group') this.groupPositions.set(commit.id, seen.position)
      return foldTurn(present(this.lanes, at.lane, (lane) => emptyLane(lane, this.realm.constants)), seen.turn)
    }
    for (const commit of seen.turn.commits) {
      for (const event of commit.events) {
        switch (at.kind) {
          case 'realm':
            foldRealm(this.realm, event as RealmEvent)
            break
          case 'site':
            foldSite(present(this.sites, at.id, absentSite), event as SiteEvent)
            break
          case 'agent':
            foldAgent(present(this.agents, at.id, absentAgent), event as AgentEvent)
            break
          case 'instruction':
            foldInstruction(present(this.instructions, at.id, absentInstruction), event as InstructionEvent)
            break
          case 'trigger':
            foldTrigger(present(this.triggers, at.id, absentTrigger), event as TriggerEvent, seen.turn.timeMs)
            break
          case 'config': {
            const short = shortOfManifestId(at.id)
            if (short !== undefined) foldManifest(present(this.manifests, short, () => absentManifest(at.id)), event as ManifestEvent)
            break
          }
          case 'action':
            // Written by later formats only; a reader of this one has nothing to keep of them.
            break
        }
      }
    }
    if (at.kind === 'instruction' && this.#onForgotten !== undefined) this.#forgetInstructions(seen, this.#onForgotten)
  }

  #forgetInstructions({ subject, turn: { timeMs } }: TurnSeen, onForgotten: (command: string) => void): void {
    const beforeMs = timeMs - this.realm.constants.commandMemoryMs - forgetLaterMs
    const prefix = subject.slice(0, subject.lastIndexOf('.') + 1)
    let looked = 0
    for (const [command, state] of this.instructions) {
      if (++looked > lookedAtOnce || ulidTimeMs(command) >= beforeMs) return
      this.instructions.delete(command)
      if (this.#awaits(command)) this.instructions.set(command, state)
      else {
        this.tails.delete(prefix + command)
        onForgotten(command)
      }
    }
  }

  #awaits(command: string): boolean {
    for (const { running } of this.triggers.values()) if (running?.command === command) return true
    return false
  }
}

function present<T>(map: Map<string, T>, key: string, make: (key: string) => T): T {
  let value = map.get(key)
  if (value === undefined) {
    value = make(key)
    map.set(key, value)
  }
  return value
}

/** Folds one turn, behind what was archived before it. Returns what that is; `folded` is false for a turn that is in it already. */
export async function foldBehind(fold: RealmFold, seen: TurnSeen, archived: ArchivedLanes, signal: AbortSignal): Promise<{ readonly folded: boolean; readonly begun?: LaneBegun }> {
  const gap = fold.gapBefore(seen)
  const begun = gap === undefined ? undefined : await archived(gap.lane, gap.missing, fold.realm, signal)
  if (begun !== undefined) fold.begin(seen.subject, begun)
  const isBegun = fold.isBegun(seen)
  if (isBegun) fold.position = seen.position
  else if (!signal.aborted) fold.fold(seen)
  return { folded: !isBegun, ...(begun === undefined ? {} : { begun }) }
}

/**
 * Folds what a view does not have to hear turn by turn. `from`: the first position that it follows; `folded`: by subject of a lane, the
 * position of the last turn that is folded already.
 */
export type ViewStart = (fold: RealmFold, signal: AbortSignal) => Promise<{ readonly from: number; readonly folded: ReadonlyMap<string, number> }>

function seenOf({ bytes, subject, position }: StoredMessage): TurnSeen {
  return { turn: decodeTurn(bytes), subject, position }
}

const noArchives: ArchivedLanes = () => Promise.resolve(undefined)

export class RealmView {
  readonly state: RealmFold
  /** Set when the log could not be followed any further. */
  broken: Error | undefined
  readonly #log: EventLog
  readonly #abort = new AbortController()
  readonly #listeners = new Set<(seen: TurnSeen) => void>()
  readonly #beginnings = new Set<(begun: LaneBegun) => void>()
  readonly #forgetters = new Set<(command: string) => void>()
  readonly #archived: ArchivedLanes
  readonly #waiting: { readonly position: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  readonly #done: Promise<void>
  /** What `start` has folded ahead of the position. */
  #folded: ReadonlyMap<string, number> = new Map()

  /**
   * Without `start`: from the first turn, and listeners hear every one that is in the log. What was archived before is `archived`'s to say;
   * without it the lane has a fault there.
   */
  constructor(log: EventLog, subjects: Subjects, start?: ViewStart, archived: ArchivedLanes = noArchives) {
    this.#log = log
    this.#archived = archived
    this.state = new RealmFold(subjects.realm, (command) => this.#forgetters.forEach((listener) => listener(command)))
    this.#done = this.#follow(subjects, start)
  }

  /** Called for each turn after it was folded, in log order. Returns how to stop. */
  onTurn(listener: (seen: TurnSeen) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Called where a lane begins with the snapshot of an archive, before its first turn is heard. Returns how to stop. */
  onBeginning(listener: (begun: LaneBegun) => void): () => void {
    this.#beginnings.add(listener)
    return () => this.#beginnings.delete(listener)
  }

  /** Called for each instruction that is not kept any more. Returns how to stop. */
  onForgotten(listener: (command: string) => void): () => void {
    this.#forgetters.add(listener)
    return () => this.#forgetters.delete(listener)
  }

  /** Resolves when everything up to `position` is folded. Rejects when the view broke or was stopped. */
  reached(position: number): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.broken)
    if (this.state.position >= position) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiting.push({ position, resolve, reject }))
  }

  /** Everything that was in the log when this was called is folded when it resolves. */
  async current(): Promise<RealmFold> {
    await this.reached(await this.#log.end())
    return this.state
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#done
  }

  async #follow(subjects: Subjects, start: ViewStart | undefined): Promise<void> {
    const { signal } = this.#abort
    try {
      const begun = await start?.(this.state, signal)
      this.#folded = begun?.folded ?? this.#folded
      if (!signal.aborted) this.#settle()
      for await (const batch of this.#log.read({ subjects: [subjects.allEvents], from: begun?.from ?? 1, signal })) {
        const at = this.#foldFrom(batch, 0)
        if (at === batch.length) this.#settle()
        else await this.#foldRest(batch, at, signal)
      }
      this.#fail(new Error('the view of the realm was stopped'))
    } catch (error) {
      this.broken = error as Error
      this.#fail(error as Error)
    }
  }

  async #foldRest(batch: readonly StoredMessage[], first: number, signal: AbortSignal): Promise<void> {
    for (let at = first; at < batch.length && !signal.aborted; at = this.#foldFrom(batch, at + 1)) {
      const seen = seenOf(batch[at]!)
      const { folded, begun } = await foldBehind(this.state, seen, this.#archived, signal)
      if (signal.aborted) return
      if (begun !== undefined) for (const listener of this.#beginnings) listener(begun)
      if (folded) for (const listener of this.#listeners) listener(seen)
    }
    this.#settle()
  }

  /** Returns the index of the first turn before which others are missing, or that is folded in what was archived. */
  #foldFrom(batch: readonly StoredMessage[], first: number): number {
    for (let at = first; at < batch.length; at++) {
      const message = batch[at]!
      if (message.position <= (this.#folded.get(message.subject) ?? 0)) {
        this.state.position = message.position
        continue
      }
      const seen = seenOf(message)
      if (this.state.gapBefore(seen) !== undefined || this.state.isBegun(seen)) return at
      this.state.fold(seen)
      for (const listener of this.#listeners) listener(seen)
    }
    return batch.length
  }

  #settle(): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      const waiter = this.#waiting[index]!
      if (waiter.position > this.state.position) continue
      this.#waiting.splice(index, 1)
      waiter.resolve()
    }
  }

  #fail(error: Error): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error)
  }
}
