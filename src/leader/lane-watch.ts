/**
 * Finds dead and stuck holders of lanes (P7): pings the actor of each lane at the agent that the last `LaneTaken` names.
 *
 * 1. Two "no responders" at least `confirmMs` apart, while connected, with the same `LaneTaken` in force, make a dead holder.
 * 2. Work waiting and no progress for `stuckMs`, or no answer at all for so long, makes a stuck one; but not while the log as a
 *    whole stands still, which is the stream's own leader change (4-8 s) and no reason: then `stuckAloneMs` counts.
 */
import { fromBytes, isRecord, toBytes } from '../../streams/coordination.ts'
import type { LanePong } from '../../streams/lane-protocol.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import { type Clock, type Repeating, every, pause } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'

export interface HeldLane {
  readonly lane: string
  readonly agent: string
  readonly instance: string
}

export interface LaneWatchDeps {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  /** Lanes that are held by who the mapping names; others are under way. */
  readonly held: () => readonly HeldLane[]
  /** Position of the whole log, as it is known here. */
  readonly position: () => number
  readonly onUnfit: (lane: HeldLane, why: 'dead' | 'stuck') => void
}

/** A dead process is found sooner, by `AgentWatch`. */
export const laneWatchTimes = { pingMs: 2_000, confirmMs: 60, answerMs: 1_900, stuckMs: 5_000, stuckAloneMs: 10_000 } as const

interface Watched {
  readonly held: HeldLane
  asking: boolean
  /** Last progress or idleness that an answer showed, monotonic, and the log's position then. */
  wellMs: number
  logPosition: number
  position: number
}

export class LaneWatch {
  readonly #deps: LaneWatchDeps
  readonly #watched = new Map<string, Watched>()
  readonly #rounds: Repeating
  #stopped = false

  constructor(deps: LaneWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.clock, laneWatchTimes.pingMs, () => this.#round())
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
  }

  #round(): void {
    const { bus, clock, position } = this.#deps
    if (bus.link === 'disconnected') return this.#watched.clear()
    const lanes = new Set<string>()
    for (const held of this.#deps.held()) {
      lanes.add(held.lane)
      let watched = this.#watched.get(held.lane)
      if (watched?.held.instance !== held.instance || watched.held.agent !== held.agent) {
        watched = { held, asking: false, wellMs: clock.monotonicMs(), logPosition: position(), position: -1 }
        this.#watched.set(held.lane, watched)
      }
      if (!watched.asking) void this.#ask(watched)
    }
    for (const lane of this.#watched.keys()) if (!lanes.has(lane)) this.#watched.delete(lane)
  }

  async #ask(watched: Watched): Promise<void> {
    watched.asking = true
    const first = await this.#ping(watched)
    if (first === 'no-responders') {
      await pause(this.#deps.clock, laneWatchTimes.confirmMs)
      if (this.#isCurrent(watched) && (await this.#ping(watched)) === 'no-responders' && this.#isCurrent(watched)) {
        this.#watched.delete(watched.held.lane)
        this.#deps.onUnfit(watched.held, 'dead')
      }
    } else if (this.#isCurrent(watched) && this.#isStuck(watched)) {
      this.#watched.delete(watched.held.lane)
      this.#deps.onUnfit(watched.held, 'stuck')
    }
    watched.asking = false
  }

  #isCurrent(watched: Watched): boolean {
    return !this.#stopped && this.#watched.get(watched.held.lane) === watched && this.#deps.bus.link === 'connected'
  }

  async #ping(watched: Watched): Promise<'no-responders' | 'heard' | 'silent'> {
    const { bus, subjects, clock, position } = this.#deps
    const { agent, lane } = watched.held
    const asked = await bus.ask(subjects.pingLane(agent, lane), toBytes({}), { timeoutMs: laneWatchTimes.answerMs, accept: isRecord })
    if (asked.kind === 'no-responders') return 'no-responders'
    if (asked.kind !== 'answer') return 'silent'
    const pong = fromBytes<LanePong>(asked.data)
    if (pong.waiting === 0 || pong.position !== watched.position) {
      watched.wellMs = clock.monotonicMs()
      watched.logPosition = position()
    }
    watched.position = pong.position
    return 'heard'
  }

  #isStuck(watched: Watched): boolean {
    const sinceMs = this.#deps.clock.monotonicMs() - watched.wellMs
    return sinceMs >= laneWatchTimes.stuckAloneMs || (sinceMs >= laneWatchTimes.stuckMs && this.#deps.position() > watched.logPosition)
  }
}
