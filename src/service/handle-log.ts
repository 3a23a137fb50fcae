/** `log`: what happened, read by position. */
import type { ApiParsedRequest } from '../../streams/api/catalogue.ts'
import { pageLimitBytes } from '../../streams/api/catalogue.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import type { TurnShown } from '../../streams/api/log.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { type Subjects, laneOfGroup } from '../../streams/subjects.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'

type Read = ApiParsedRequest<'log', 'read'>

/** Most messages that one request looks at; what comes after is the next request's. */
const scanLimit = 20_000

export function logHandlers({ coordinator, subjects }: ServiceContext): HandlersOf<'log'> {
  const { log } = coordinator
  return {
    async read(request) {
      if (request.id !== undefined && request.aggregate === undefined) throw new ApiFailure('malformed', '"id" needs "aggregate": say what it is the id of')
      const { from, limit } = request
      const end = await log.end()
      const until = Math.min(request.until ?? end, end)
      const archived = await archivedBefore(log, subjects, request)
      const turns: TurnShown[] = []
      let bytes = 0
      let scanned = 0
      if (from <= until) {
        for await (const batch of log.read({ subjects: subjectsToRead(subjects, request), from, until })) {
          for (const message of batch) {
            const shown = shownTurn(message, request)
            const full = shown !== undefined && (turns.length === limit || (turns.length > 0 && bytes + message.bytes.length > pageLimitBytes))
            if (full || scanned === scanLimit) return { ok: true, turns, next: message.position, end, ...archived, complete: false }
            scanned += 1
            if (shown === undefined) continue
            turns.push(shown)
            bytes += message.bytes.length
          }
        }
      }
      return { ok: true, turns, next: Math.max(from, until + 1), end, ...archived, complete: true }
    },
  }
}

/** Of one lane: what is before its first turn that is still there, where that was asked for too. */
async function archivedBefore(log: EventLog, subjects: Subjects, { aggregate, id, from }: Read): Promise<{ readonly archived?: number }> {
  if (id === undefined || (aggregate !== 'lane' && aggregate !== 'group')) return {}
  const first = await log.first(subjects.lane(aggregate === 'lane' ? id : (laneOfGroup(id) ?? id)))
  if (first === undefined || first.position < from) return {}
  const { number } = decodeTurn(first.bytes)
  return number === 1 ? {} : { archived: number - 1 }
}

function subjectsToRead(subjects: Subjects, { aggregate, id }: Read): string[] {
  switch (aggregate) {
    case undefined:
      return [subjects.allEvents]
    case 'lane':
      return [id === undefined ? subjects.allLanes : subjects.lane(id)]
    case 'group':
      return [id === undefined ? subjects.allLanes : subjects.lane(laneOfGroup(id) ?? id)]
    default:
      return [id === undefined ? subjects.allOf(aggregate) : subjects.aggregate(aggregate, id)]
  }
}

/** Undefined where no commit of it was asked for. A lane is shown whole: its turns are what a follower reads (P9). */
function shownTurn(message: StoredMessage, { aggregate, id }: Read): TurnShown | undefined {
  const turn = decodeTurn(message.bytes)
  const commits =
    aggregate === 'group' ? turn.commits.filter((commit) => commit.aggregate === 'group' && (id === undefined || commit.id === id)) : turn.commits
  if (commits.length === 0 && turn.commits.length > 0) return undefined
  const { subject, position, storedMs } = message
  const whole = commits.length === turn.commits.length
  return { position, subject, storedMs, whole, turn: { ...turn, commits } as unknown as TurnShown['turn'] }
}
