/** A lane's history, written turn by turn without agents: what is in it was decided by the real `decide`. */
import { type GroupState } from '../../machines/execution-group/state.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Commit, firstDigest, schemaVersion } from '../../streams/envelope.ts'
import type { BenchWorld } from './world.ts'

/** Where a lane's history ends. */
export interface Tail {
  readonly number: number
  readonly position: number
  readonly previous: string
  /** That were written. */
  readonly events: number
}

export class LaneWriter {
  readonly #world: BenchWorld
  readonly #subject: string
  #tail: Tail

  /** Goes on where `tail` ends. */
  constructor(world: BenchWorld, lane: string, tail: Tail = { number: 0, position: 0, previous: firstDigest, events: 0 }) {
    this.#world = world
    this.#subject = world.subjects.lane(lane)
    this.#tail = { ...tail, events: 0 }
  }

  /** `events`: of this writer. */
  get tail(): Tail {
    return this.#tail
  }

  /** Folds them. */
  commit(state: GroupState, decided: readonly GroupEvent[]): Commit {
    const made = { aggregate: 'group', id: state.group, revision: state.revision + 1, actor: 'agent:bench', events: decided }
    for (const event of decided) foldInto(state, event)
    return made
  }

  async append(commits: readonly Commit[]): Promise<void> {
    const { log } = this.#world.coordinator
    const { number, position, previous, events } = this.#tail
    const bytes = encodeTurn({ turn: newUlid(Date.now(), systemRandom), schema: schemaVersion, incarnation: log.incarnation, number: number + 1, timeMs: Date.now(), previous, commits })
    const outcome = await log.append({ subject: this.#subject, bytes, expectedLast: position })
    if (outcome.kind !== 'landed') throw new Error(`append ended as ${outcome.kind}`)
    this.#tail = { number: number + 1, position: outcome.position, previous: digestOf(bytes), events: events + commits.reduce((sum, commit) => sum + commit.events.length, 0) }
  }
}
