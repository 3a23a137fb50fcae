/**
 * The whole realm, folded live from the log: what the service, the leader and `reeve up` know. Owned by one process, never
 * shared, never the truth: it may lag, and whoever acts on it does so by commands that the lane or the log judges (I7, P9).
 *
 * 1. Every turn is folded exactly once, in log order.
 * 2. `position` is that of the last turn folded; listeners hear a turn after it was folded.
 * 3. A turn that cannot be read ends the view with `broken`; it never skips one.
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
import { decodeTurn } from '../../streams/codec.ts'
import type { Turn } from '../../streams/envelope.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { type Subjects, laneOfGroup, parseEventSubject } from '../../streams/subjects.ts'

export interface TurnSeen {
  readonly turn: Turn
  readonly subject: string
  readonly position: number
}

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

  constructor(realmName: string) {
    this.realmName = realmName
  }

  group(id: string): GroupState | undefined {
    const lane = laneOfGroup(id)
    return lane === undefined ? undefined : this.lanes.get(lane)?.groups.get(id)
  }

  *groups(): Iterable<GroupState> {
    for (const lane of this.lanes.values()) yield* lane.groups.values()
  }

  fold(seen: TurnSeen): void {
    const at = parseEventSubject(this.realmName, seen.subject)
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

/**
 * Folds what a view does not have to hear turn by turn. `from`: the first position that it follows; `folded`: by subject of a lane, the
 * position of the last turn that is folded already.
 */
export type ViewStart = (fold: RealmFold, signal: AbortSignal) => Promise<{ readonly from: number; readonly folded: ReadonlyMap<string, number> }>

export class RealmView {
  readonly state: RealmFold
  /** Set when the log could not be followed any further. */
  broken: Error | undefined
  readonly #log: EventLog
  readonly #abort = new AbortController()
  readonly #listeners = new Set<(seen: TurnSeen) => void>()
  readonly #waiting: { readonly position: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  readonly #done: Promise<void>
  /** What `start` has folded ahead of the position. */
  #folded: ReadonlyMap<string, number> = new Map()

  /** Without `start`: from the first turn, and listeners hear every one. */
  constructor(log: EventLog, subjects: Subjects, start?: ViewStart) {
    this.#log = log
    this.state = new RealmFold(subjects.realm)
    this.#done = this.#follow(subjects, start)
  }

  /** Called for each turn after it was folded, in log order. Returns how to stop. */
  onTurn(listener: (seen: TurnSeen) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
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
      if (!signal.aborted) this.#foldBatch([])
      for await (const batch of this.#log.read({ subjects: [subjects.allEvents], from: begun?.from ?? 1, signal })) {
        this.#foldBatch(batch)
      }
      this.#fail(new Error('the view of the realm was stopped'))
    } catch (error) {
      this.broken = error as Error
      this.#fail(error as Error)
    }
  }

  #foldBatch(batch: readonly StoredMessage[]): void {
    for (const message of batch) {
      if (message.position <= (this.#folded.get(message.subject) ?? 0)) {
        this.state.position = message.position
        continue
      }
      const seen = { turn: decodeTurn(message.bytes), subject: message.subject, position: message.position }
      this.state.fold(seen)
      for (const listener of this.#listeners) listener(seen)
    }
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
