/** The snapshot that an archive carries: the lane after the last turn that is archived, with what a service derives of those turns. */
import { plainLane } from '../../machines/lane/snapshot.ts'
import { stopsWriter } from '../../machines/lane/state.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type LaneShown, snapshotLines } from '../../streams/lane-snapshot.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { type BeginningContext, type LaneBeginning } from '../lane/beginning.ts'
import { writtenLines } from '../lane/snapshot-lines.ts'
import { RealmFold } from '../realm/view.ts'
import { Projection } from '../service/projection.ts'
import { ArchiveRefused } from './errors.ts'
import type { TurnAt } from './survey.ts'

export interface ArchiveSnapshot {
  readonly bytes: Uint8Array
  readonly digest: string
}

/** Folds a lane from its beginning, or from the snapshot of its last archive. */
export class ArchiveFold {
  readonly #context: BeginningContext
  readonly #lane: string
  readonly #fold: RealmFold
  readonly #projection: Projection

  constructor(context: BeginningContext, lane: string, beginning: LaneBeginning | undefined) {
    this.#context = context
    this.#lane = lane
    this.#fold = new RealmFold(context.subjects.realm)
    this.#fold.realm.constants = context.constants
    this.#projection = new Projection(context.subjects, this.#fold)
    if (beginning === undefined) return
    this.#fold.begin(context.subjects.lane(lane), beginning)
    this.#projection.begin(beginning)
  }

  /** Lane number of the last turn that is folded. */
  get number(): number {
    return this.#fold.lanes.get(this.#lane)?.number ?? 0
  }

  take({ bytes, subject, position }: StoredMessage): void {
    const seen = { turn: decodeTurn(bytes), subject, position }
    this.#fold.fold(seen)
    this.#projection.take(seen)
  }

  /** Throws `ArchiveRefused` where nobody may write the lane. */
  async snapshot({ position, digest }: TurnAt, signal: AbortSignal): Promise<ArchiveSnapshot> {
    const state = this.#fold.lanes.get(this.#lane)!
    const why = stopsWriter(state)
    if (why !== undefined) throw new ArchiveRefused(`nothing of lane ${this.#lane} is archived: ${why}`)
    const { coordinator, clock } = this.#context
    const about = { incarnation: coordinator.log.incarnation, position, turn: digest, again: position }
    const shown: LaneShown = this.#projection.shown()
    return writtenLines(snapshotLines(plainLane(state), about, shown), clock, signal)
  }
}
