/** Which turns an export is to hold. */
import { decodeTurn } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { type Subjects, aggregatesWithSubject, laneOfGroup, requireId } from '../../streams/subjects.ts'

export interface AggregateNamed {
  readonly aggregate: string
  readonly id: string
}

export interface Selection {
  /** For the log: exact subjects; empty: everything. */
  readonly subjects: readonly string[]
  /** As the header says them; absent: every turn of the subjects. */
  readonly aggregates?: readonly string[]
  /** Of the groups and lanes that were asked for, those of whom no first event was taken so far. */
  readonly notBegun: ReadonlySet<AggregateNamed>
  takes(message: StoredMessage): boolean
}

/** An aggregate that the log has not. */
export class NoSuchAggregate extends Error {
  override readonly name = 'NoSuchAggregate'
  readonly retryable = false
}

/** `<aggregate>:<id>`. Throws `NoSuchAggregate`, `MalformedId`. */
export function parseAggregate(text: string): AggregateNamed {
  const cut = text.indexOf(':')
  const aggregate = text.slice(0, cut)
  const known = ['group', 'lane', ...aggregatesWithSubject]
  if (cut < 1 || !known.includes(aggregate)) throw new NoSuchAggregate(`${JSON.stringify(text)} names no aggregate: give one as KIND:ID, the kind one of ${known.join(', ')}`)
  const id = requireId(aggregate, text.slice(cut + 1))
  if (aggregate === 'group' && laneOfGroup(id) === undefined) throw new NoSuchAggregate(`${JSON.stringify(id)} is not the id of a group: "reeve group list" shows those that there are`)
  return { aggregate, id }
}

/** Everything, whole lanes, or the turns that hold a commit of one of the aggregates. */
export function selectionOf(subjects: Subjects, asked: { readonly lanes?: readonly string[]; readonly aggregates?: readonly AggregateNamed[] }): Selection {
  const { lanes = [], aggregates = [] } = asked
  if (aggregates.length === 0) return { subjects: lanes.map((lane) => subjects.lane(lane)), notBegun: new Set(), takes: () => true }
  const where = ({ aggregate, id }: AggregateNamed) => {
    if (aggregate === 'group') return subjects.lane(laneOfGroup(id)!)
    return aggregate === 'lane' ? subjects.lane(id) : subjects.aggregate(aggregate as (typeof aggregatesWithSubject)[number], id)
  }
  // On a lane's subject there are turns of others; the subject of any other aggregate is its own.
  const shared = aggregates.filter(({ aggregate }) => aggregate === 'group' || aggregate === 'lane')
  const own = new Set(aggregates.filter((one) => !shared.includes(one)).map(where))
  const names = shared.map(({ id }) => Buffer.from(`"${id}"`))
  const notBegun = new Set(shared)
  return {
    notBegun,
    subjects: [...new Set([...own, ...shared.map(where)])],
    aggregates: aggregates.map(({ aggregate, id }) => `${aggregate}:${id}`),
    takes: ({ subject, bytes }) => {
      if (own.has(subject)) return true
      // Most turns of a lane concern other groups: those are not even parsed.
      const stored = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      if (!names.some((name) => stored.includes(name))) return false
      const { commits } = decodeTurn(bytes)
      const found = shared.filter(({ aggregate, id }) => commits.some((commit) => commit.aggregate === aggregate && commit.id === id))
      for (const one of found) if (notBegun.has(one) && commits.some(({ aggregate, id, revision }) => aggregate === one.aggregate && id === one.id && revision === 1)) notBegun.delete(one)
      return found.length > 0
    },
  }
}
