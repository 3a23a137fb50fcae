/**
 * When snapshots of lanes are cut: by the leader, which executes no jobs and follows every lane, one lane at a time. Its own fold, from the last
 * snapshot on, is made for this alone, so that neither a holder nor the leader's view waits for it (P8).
 */
import { pointerIn, snapshotKey } from '../../streams/lane-snapshot.ts'
import { type Repeating, every } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { AgentContext } from '../agent/context.ts'
import { cutSnapshot } from '../lane/snapshot.ts'
import type { RealmView } from '../realm/view.ts'

export interface SnapshotTimes {
  /** A lane has a new snapshot when it has gone on by so many turns. */
  readonly turns: number
  /** But not sooner after the one before, milliseconds. */
  readonly restMs: number
}

export const defaultSnapshotTimes: SnapshotTimes = { turns: 1_000, restMs: 60_000 }

export class SnapshotCutter {
  readonly #context: AgentContext
  readonly #view: RealmView
  readonly #times: SnapshotTimes
  readonly #rounds: Repeating
  readonly #ending = new AbortController()
  /** By lane: its number at the last snapshot, and when this one looked or cut last. */
  readonly #last = new Map<string, { readonly number: number; readonly atMs: number }>()
  #cutting = false

  constructor(context: AgentContext, view: RealmView, times: SnapshotTimes = defaultSnapshotTimes) {
    this.#context = context
    this.#view = view
    this.#times = times
    this.#rounds = every(context.clock, Math.max(1, times.restMs / 12), () => void this.#round())
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
      for (const { lane } of this.#view.state.realm.lanes) {
        if (this.#ending.signal.aborted) return
        const number = this.#view.state.lanes.get(lane)?.number ?? 0
        const last = this.#last.get(lane) ?? { number: await this.#lastNumber(lane), atMs: -Infinity }
        this.#last.set(lane, last)
        if (number - last.number < this.#times.turns || clock.monotonicMs() - last.atMs < this.#times.restMs) continue
        await this.#cut(lane)
      }
    } catch (error) {
      if (this.#ending.signal.aborted) return
      if (error instanceof Unavailable) logger.debug({ err: error }, 'no snapshot was cut: the log or the store did not answer')
      else logger.error({ err: error }, 'a snapshot could not be cut')
    } finally {
      this.#cutting = false
    }
  }

  async #lastNumber(lane: string): Promise<number> {
    const entry = await this.#context.coordinator.mappings.get(snapshotKey(lane))
    return (entry === undefined ? undefined : pointerIn(entry.value))?.number ?? 0
  }

  async #cut(lane: string): Promise<void> {
    const { agent, clock, logger } = this.#context
    const cut = await cutSnapshot(this.#context, lane, agent, this.#ending.signal)
    const atMs = clock.monotonicMs()
    switch (cut.kind) {
      case 'cut':
        logger.info({ lane, number: cut.number, bytes: cut.bytes }, 'snapshot of a lane cut')
        this.#last.set(lane, { number: cut.number, atMs })
        return
      case 'nothing':
        this.#last.set(lane, { number: cut.number, atMs })
        return
      case 'refused':
        logger.warn({ lane, why: cut.why }, 'no snapshot of a lane that nobody may write')
        // Looked at again when it has gone on, which it should not.
        this.#last.set(lane, { number: this.#view.state.lanes.get(lane)?.number ?? 0, atMs })
        return
      case 'stopped':
        return
      default:
        cut satisfies never
    }
  }
}
