/**
 * Who executed which job of a group, from the log: the state of a group that has ended holds no assignments any more.
 *
 * Owns: what was read of the last few groups that somebody asked for, so that the next page of a long list, or the next look at a
 * group that goes on, reads only what came since.
 * 1. A group is read from its first position to the one that is asked for, each turn once and in order.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { countOf } from '../../machines/execution-group/state.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type Subjects, laneOfGroup } from '../../streams/subjects.ts'

const keptGroups = 8

interface Reading {
  readonly agents: Map<number, string>
  /** By revision, those that an outcome may still name: of an ordered group only the last. */
  readonly grants: Map<number, { readonly agent: string; left: number }>
  ordered: boolean
  /** Of the last turn that was read. */
  position: number
  reading: Promise<void>
}

export class Executors {
  readonly #log: EventLog
  readonly #subjects: Subjects
  readonly #groups = new Map<string, Reading>()

  constructor(log: EventLog, subjects: Subjects) {
    this.#log = log
    this.#subjects = subjects
  }

  /** By number of the job, of those that have an outcome up to position `until`. `first`: where the group begins. Throws what the log throws. */
  async of(group: string, first: number, until: number): Promise<ReadonlyMap<number, string>> {
    const known = this.#groups.get(group) ?? { agents: new Map(), grants: new Map(), ordered: true, position: first - 1, reading: Promise.resolve() }
    // The one that was asked for last stands last.
    this.#groups.delete(group)
    this.#groups.set(group, known)
    if (this.#groups.size > keptGroups) this.#groups.delete(this.#groups.keys().next().value!)
    const after = () => this.#readOn(group, known, until)
    known.reading = known.reading.then(after, after)
    await known.reading
    return known.agents
  }

  async #readOn(group: string, known: Reading, until: number): Promise<void> {
    if (known.position >= until) return
    const name = `"${group}"`
    for await (const batch of this.#log.read({ subjects: [this.#subjects.lane(laneOfGroup(group)!)], from: known.position + 1, until })) {
      for (const { position, bytes } of batch) {
        // Most turns of a lane concern other groups: those are not even parsed.
        if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(name)) {
          for (const commit of decodeTurn(bytes).commits) {
            if (commit.aggregate !== 'group' || commit.id !== group) continue
            for (const [index, event] of (commit.events as readonly GroupEvent[]).entries()) take(known, event, commit.revision + index)
          }
        }
        known.position = position
      }
    }
    known.position = until
  }
}

function take(known: Reading, event: GroupEvent, revision: number): void {
  switch (event.type) {
    case 'GroupOpened':
      known.ordered = event.data.order !== 'none'
      break
    case 'LockGranted':
      if (known.ordered) known.grants.clear()
      known.grants.set(revision, { agent: event.data.agent, left: countOf(event.data.jobs) })
      break
    case 'JobSucceeded':
    case 'JobFailed':
    case 'JobUnknown': {
      const grant = known.grants.get(event.data.grant)
      if (grant === undefined) break
      known.agents.set(event.data.job, grant.agent)
      // One that was not known may be settled by the same grant later (P24).
      if (event.type !== 'JobUnknown') grant.left -= 1
      if (grant.left === 0) known.grants.delete(event.data.grant)
      break
    }
    default:
      break
  }
}
