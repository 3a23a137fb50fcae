/**
 * Turns as `JSON.stringify` writes them, put together from their parts: what makes up nearly all of a log has few keys, plain texts and whole
 * numbers, and is had several times faster so.
 *
 * Owns the one writer. Nothing of a turn is written while another one is. Invariants:
 * 1. The bytes equal what `JSON.stringify` makes of the turn with its keys in the order of `envelope.ts`, for ever (I5, I6). An event's data are
 *    written as they are, whoever built them, so their keys and the order of these are looked at each time. Whatever is not exactly as expected
 *    (further keys, another order of keys, texts to be escaped or other than ASCII, numbers that are not small whole ones, what says itself how it
 *    is written) is left to `JSON.stringify`: an event as a whole, or, where it is not inside an event, the commit.
 * 2. Nothing is refused here.
 */
import type { Commit, Turn } from './envelope.ts'
import { Expected } from './plain-json.ts'
import { PlainJsonWriter } from './plain-json-writer.ts'

const json = new PlainJsonWriter()

const comma = 0x2c
const openList = 0x5b
const closeList = 0x5d
const closeObject = 0x7d

const commitsKey = ',"commits":['
const groupHead = new Expected('{"aggregate":"group","id":"')
const revisionKey = new Expected('","revision":')
const actorKey = new Expected(',"actor":"')
const eventsKey = new Expected('","events":[')
const succeeded = new Expected('{"type":"JobSucceeded","data":{"job":')
const grantKey = new Expected(',"grant":')
const alreadyKey = new Expected(',"already":true')
const granted = new Expected('{"type":"LockGranted","data":{"jobs":[')
const agentKey = new Expected('],"agent":"')
const instanceKey = new Expected('","instance":"')
const deadlineKey = new Expected('","callDeadlineMs":')
const completed = new Expected('{"type":"GroupCompleted","data":{}}')

export interface EncodedTurn {
  readonly bytes: Uint8Array
  /** JSON of each commit, as it stands in the turn: what the feed says once more needs not be made again. */
  readonly commits: readonly string[]
}

/** However large it is. */
export function writeTurn(turn: Turn): EncodedTurn {
  const { turn: id, schema, incarnation, number, timeMs, previous } = turn
  json.open()
  json.putJson(JSON.stringify({ turn: id, schema, incarnation, number, timeMs, previous }).slice(0, -1) + commitsKey)
  const places = turn.commits.map((commit, index) => {
    if (index > 0) json.putByte(comma)
    const from = json.at
    if (!writeCommit(commit)) {
      json.goBack(from)
      json.putJson(JSON.stringify(orderedCommit(commit)))
    }
    return { from, to: json.at }
  })
  json.putByte(closeList)
  json.putByte(closeObject)
  return { bytes: json.bytes(), commits: json.texts(places) }
}

function orderedCommit({ aggregate, id, revision, command, actor, epoch, cause, correlation, events }: Commit) {
  return {
    aggregate,
    id,
    revision,
    command,
    actor,
    epoch,
    cause: cause === undefined ? undefined : { aggregate: cause.aggregate, id: cause.id, revision: cause.revision },
    correlation,
    events: events.map((event) => ({ type: event.type, data: event.data })),
  }
}

function writeCommit({ aggregate, id, revision, command, actor, epoch, cause, correlation, events }: Commit): boolean {
  if (aggregate !== 'group' || command !== undefined || epoch !== undefined || cause !== undefined || correlation !== undefined) return false
  json.put(groupHead)
  if (!json.text(id)) return false
  json.put(revisionKey)
  if (!json.count(revision)) return false
  json.put(actorKey)
  if (!json.text(actor)) return false
  json.put(eventsKey)
  for (let index = 0; index < events.length; index++) {
    const { type, data } = events[index]!
    if (index > 0) json.putByte(comma)
    const from = json.at
    if (!writeEvent(type, data)) {
      json.goBack(from)
      json.putJson(JSON.stringify({ type, data }))
    }
  }
  json.putByte(closeList)
  json.putByte(closeObject)
  return true
}

function writeEvent(type: string, data: unknown): boolean {
  if (type === 'JobSucceeded') return isObject(data) && writeSucceeded(data)
  if (type === 'LockGranted') return isObject(data) && writeGranted(data)
  if (type !== 'GroupCompleted' || !isObject(data) || Object.keys(data).length > 0) return false
  json.put(completed)
  return true
}

function writeSucceeded(data: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(data)
  if (keys[0] !== 'job' || keys[1] !== 'grant') return false
  json.put(succeeded)
  if (!json.count(data['job'])) return false
  json.put(grantKey)
  if (!json.count(data['grant'])) return false
  if (keys.length > 2) {
    if (keys.length > 3 || keys[2] !== 'already' || data['already'] !== true) return false
    json.put(alreadyKey)
  }
  json.putByte(closeObject)
  json.putByte(closeObject)
  return true
}

function writeGranted(data: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(data)
  if (keys.length !== 4 || keys[0] !== 'jobs' || keys[1] !== 'agent' || keys[2] !== 'instance' || keys[3] !== 'callDeadlineMs') return false
  json.put(granted)
  if (!writeRuns(data['jobs'])) return false
  json.put(agentKey)
  if (!json.text(data['agent'])) return false
  json.put(instanceKey)
  if (!json.text(data['instance'])) return false
  json.put(deadlineKey)
  if (!json.count(data['callDeadlineMs'])) return false
  json.putByte(closeObject)
  json.putByte(closeObject)
  return true
}

function writeRuns(runs: unknown): boolean {
  if (!isList(runs)) return false
  for (let index = 0; index < runs.length; index++) {
    const run = runs[index]
    if (!isList(run) || run.length !== 2) return false
    if (index > 0) json.putByte(comma)
    json.putByte(openList)
    if (!json.count(run[0])) return false
    json.putByte(comma)
    if (!json.count(run[1])) return false
    json.putByte(closeList)
  }
  return true
}

/** Neither a list nor of a class, and does not say itself how it is written. */
function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && value.constructor === Object && !('toJSON' in value)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && !('toJSON' in value)
}
