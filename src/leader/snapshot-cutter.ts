/**
 * When snapshots of lanes are cut: by the leader, which executes no jobs and follows every lane. Its own fold, from the last snapshot on, is made
 * for this alone, so that neither a holder nor the leader's view waits for it (P8).
 *
 * 1. One lane at a time, and one a round: that which has gone on by most turns.
 * 2. What a cut folds is what was written since the one before, so that a small one is made soon, and leaves little to whoever takes the lane.
 */
import { pointerIn, snapshotKey } from '../../streams/lane-snapshot.ts'
import { type Repeating, every } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { AgentContext } from '../agent/context.ts'
import { type Cut, cutSnapshot } from '../lane/snapshot.ts'
import type { RealmView } from '../realm/view.ts'

export interface SnapshotTimes {
  /** A lane has a new snapshot when it has gone on by so many turns. */
  readonly turns: number
  /** But not sooner after the one before, milliseconds; after one of several MiB so many times that, `mostRests` at most. */
  readonly restMs: number
}

export const defaultSnapshotTimes: SnapshotTimes = { turns: 1_000, restMs: 10_000 }

const mostRests = 6
/** So often are lanes looked at in a rest. */
const looksARest = 10

interface LastCut {
  /** Of the lane at its last snapshot. */
  readonly number: number
  /** When the lane may have another one, monotonic. */
  readonly againMs: number
}

export class SnapshotCutter {
  readonly #context: AgentContext
  readonly #view: RealmView
  readonly #times: SnapshotTimes
  readonly #rounds: Repeating
  readonly #ending = new AbortController()
  /** By lane. */
  readonly #last = new Map<string, LastCut>()
  #cutting = false

  constructor(context: AgentContext, view: RealmView, times: SnapshotTimes = defaultSnapshotTimes) {
    this.#context = context
    this.#view = view
    this.#times = times
    this.#rounds = every(context.clock, Math.max(1, times.restMs / looksARest), () => void this.#round())
  }

  stop(): void {
    this.#ending.abort()
    this.#rounds.stop()
  }

  async #round(): Promise<void> {
    if (this.#cutting) return
    this.#cutting = true
    const { clock, logger } = this.#context
    try {
      const nowMs = clock.monotonicMs()
      let due: { readonly lane: string; readonly turns: number } | undefined
      for (const { lane } of this.#view.state.realm.lanes) {
        if (this.#ending.signal.aborted) return
        const last = this.#last.get(lane) ?? { number: await this.#lastNumber(lane), againMs: -Infinity }
        this.#last.set(lane, last)
        const turns = this.#numberOf(lane) - last.number
        if (turns >= Math.max(this.#times.turns, (due?.turns ?? 0) + 1) && nowMs >= last.againMs) due = { lane, turns }
      }
      if (due === undefined) return
      // One that cannot be cut does not keep the others from it.
      this.#last.set(due.lane, { ...this.#last.get(due.lane)!, againMs: nowMs + this.#times.restMs })
      await this.#cut(due.lane)
    } catch (error) {
      if (this.#ending.signal.aborted) return
      if (error instanceof Unavailable) logger.debug({ err: error }, 'no snapshot was cut: the log or the store did not answer')
      else logger.error({ err: error }, 'a snapshot could not be cut')
    } finally {
      this.#cutting = false
    }
  }

  #numberOf(lane: string): number {
    return this.#view.state.lanes.get(lane)?.number ?? 0
  }

  async #lastNumber(lane: string): Promise<number> {
    const entry = await this.#context.coordinator.mappings.get(snapshotKey(lane))
    return (entry === undefined ? undefined : pointerIn(entry.value))?.number ?? 0
  }

  async #cut(lane: string): Promise<void> {
    const { agent, clock, logger } = this.#context
    const cut = await cutSnapshot(this.#context, lane, agent, this.#ending.signal)
    const againMs = clock.monotonicMs() + this.#restMs(cut)
    switch (cut.kind) {
      case 'cut':
        logger.info({ lane, number: cut.number, bytes: cut.bytes }, 'snapshot of a lane cut')
        this.#last.set(lane, { number: cut.number, againMs })
        return
      case 'nothing':
        this.#last.set(lane, { number: cut.number, againMs })
        return
      case 'refused':
        logger.warn({ lane, why: cut.why }, 'no snapshot of a lane that nobody may write')
        // Looked at again when it has gone on, which it should not.
        this.#last.set(lane, { number: this.#numberOf(lane), againMs })
        return
      case 'stopped':
        return
      default:
        cut satisfies never
    }
  }

  #restMs(cut: Cut): number {
    const rests = cut.kind === 'cut' ? Math.ceil(cut.bytes / (1024 * 1024)) : 1
    return this.#times.restMs * Math.min(mostRests, rests)
  }
}
