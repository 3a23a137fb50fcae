/**
 * Turns as `encodeTurn` writes them, read from their bytes: what makes up nearly all of a log has its keys in one order and plain texts, the
 * same few over and over, and is had several times faster than by a parser of whatever JSON.
 *
 * Owns the one reader, whose texts are the same strings from turn to turn. Nothing of a turn is read while another one is. Invariants:
 * 1. A turn that is read equals what `JSON.parse` makes of its bytes: keys, their order, values. Whatever is not exactly as expected (space,
 *    escapes, other than ASCII, numbers that are not plain whole ones, further keys, another order of keys) is left to `JSON.parse`: an event as
 *    a whole, or, where it is not inside an event, the turn.
 * 2. Nothing is refused here, and nothing is read that the check of an envelope (`codec.ts`) would refuse: then there is no answer.
 */
import type { Assignment, JobSpec, Run } from '../machines/execution-group/events.ts'
import type { Operation } from '../machines/service/operation.ts'
import { type Commit, type Turn, schemaVersion } from './envelope.ts'
import { Expected, Kind, PlainJson } from './plain-json.ts'
import { same, shareEqualParts } from './shared-jobs.ts'

type Event = Turn['commits'][number]['events'][number]

const json = new PlainJson()

const comma = 0x2c
const quote = 0x22
const closeList = 0x5d
const openList = 0x5b
const closeObject = 0x7d

const turnHead = new Expected('{"turn":"')
const schemaKey = new Expected('","schema":')
const incarnationKey = new Expected(',"incarnation":')
const numberKey = new Expected(',"number":')
const timeKey = new Expected(',"timeMs":')
const previousKey = new Expected(',"previous":"')
const commitsKey = new Expected('","commits":[')
const groupHead = new Expected('{"aggregate":"group","id":"')
const laneHead = new Expected('{"aggregate":"lane","id":"')
const revisionKey = new Expected('","revision":')
const commandKey = new Expected(',"command":"')
const actorKey = new Expected(',"actor":"')
const actorKeyAfterText = new Expected('","actor":"')
const epochKey = new Expected('","epoch":')
const correlationKey = new Expected(',"correlation":"')
const correlationKeyAfterText = new Expected('","correlation":"')
const eventsKey = new Expected(',"events":[')
const eventsKeyAfterText = new Expected('","events":[')
const succeeded = new Expected('{"type":"JobSucceeded","data":{"job":')
const granted = new Expected('{"type":"LockGranted","data":{"jobs":[')
const assigned = new Expected('{"type":"JobsAssigned","data":{"assignments":[{"first":')
const added = new Expected('{"type":"JobsAdded","data":{"part":')
const completed = new Expected('{"type":"GroupCompleted","data":{}}')
const grantKey = new Expected(',"grant":')
const agentKey = new Expected('],"agent":"')
const instanceKey = new Expected('","instance":"')
const deadlineKey = new Expected('","callDeadlineMs":')
const lastKey = new Expected(',"last":')
const assigneeKey = new Expected(',"agent":"')
const nextAssignment = new Expected('"},{"first":')
const jobsKey = new Expected(',"jobs":[')
const jobHead = new Expected('{"site":"')
const serviceKey = new Expected('","service":"')
const operationKey = new Expected('","operation":{"name":"')
const toKey = new Expected('","to":"')
const userKey = new Expected('","user":"')
const skillKey = new Expected('"},"skill":{"name":"')
const needKey = new Expected('","need":"')
const repeatable = new Expected('"},"repeatable":true')
const notRepeatable = new Expected('"},"repeatable":false')
const afterKey = new Expected(',"after":[')

const ids = new Kind()
const actors = new Kind()
const agents = new Kind()
const instances = new Kind()
const commands = new Kind()
const sites = new Kind()
const services = new Kind()
const names = new Kind()
const values = new Kind()

/** Undefined where the turn is not as expected: malformed, or well-formed in another way. The bytes are not kept beyond the next turn. */
export function readWrittenTurn(bytes: Uint8Array): Turn | undefined {
  json.open(bytes)
  if (!json.take(turnHead)) return undefined
  const turn = json.freshText()
  if (turn === undefined || !json.take(schemaKey)) return undefined
  const schema = json.count()
  if (schema < 1 || schema > schemaVersion || !json.take(incarnationKey)) return undefined
  const incarnation = json.count()
  if (incarnation < 1 || !json.take(numberKey)) return undefined
  const number = json.count()
  if (number < 1 || !json.take(timeKey)) return undefined
  const timeMs = json.count()
  if (timeMs < 0 || !json.take(previousKey)) return undefined
  const previous = json.freshText()
  if (previous === undefined || previous.length !== 64 || !json.take(commitsKey)) return undefined
  const commits: Commit[] = []
  do {
    const commit = readCommit()
    if (commit === undefined) return undefined
    commits.push(commit)
  } while (json.takeByte(comma))
  if (!json.takeByte(closeList) || !json.takeByte(closeObject) || !json.isAtEnd) return undefined
  return { turn, schema, incarnation, number, timeMs, previous, commits }
}

function readCommit(): Commit | undefined {
  let aggregate = 'group'
  if (!json.take(groupHead)) {
    if (!json.take(laneHead)) return undefined
    aggregate = 'lane'
  }
  const id = json.text(ids)
  if (id === undefined || !json.take(revisionKey)) return undefined
  const revision = json.count()
  if (revision < 1) return undefined
  let command: string | undefined
  if (!json.take(actorKey)) {
    if (!json.take(commandKey)) return undefined
    command = json.text(commands)
    if (command === undefined || !json.take(actorKeyAfterText)) return undefined
  }
  const actor = json.text(actors)
  if (actor === undefined) return undefined
  if (command === undefined && json.take(eventsKeyAfterText)) {
    const events = readEvents()
    return events === undefined ? undefined : { aggregate, id, revision, actor, events }
  }
  return readLongCommit({ aggregate, id, revision, ...(command === undefined ? {} : { command }), actor })
}

/** Goes on behind the actor, whose closing quote is not taken. */
function readLongCommit(begun: Omit<Commit, 'events'>): Commit | undefined {
  let commit = begun
  let afterText = true
  if (json.take(epochKey)) {
    const epoch = json.count()
    if (epoch < 0) return undefined
    commit = { ...commit, epoch }
    afterText = false
  }
  if (json.take(afterText ? correlationKeyAfterText : correlationKey)) {
    const correlation = json.text(commands)
    if (correlation === undefined) return undefined
    commit = { ...commit, correlation }
    afterText = true
  }
  if (!json.take(afterText ? eventsKeyAfterText : eventsKey)) return undefined
  const events = readEvents()
  return events === undefined ? undefined : { ...commit, events }
}

/** To the end of the commit. */
function readEvents(): Event[] | undefined {
  const events: Event[] = []
  do {
    const event = readEvent()
    if (event === undefined) return undefined
    events.push(event)
  } while (json.takeByte(comma))
  return json.takeByte(closeList) && json.takeByte(closeObject) ? events : undefined
}

function readEvent(): Event | undefined {
  const from = json.at
  let event: Event | undefined
  if (json.take(succeeded)) event = readSucceeded()
  else if (json.take(granted)) event = readGranted()
  else if (json.take(assigned)) event = readAssigned()
  else if (json.take(added)) event = readAdded()
  else if (json.take(completed)) return { type: 'GroupCompleted', data: {} }
  if (event !== undefined && json.takeByte(closeObject) && json.takeByte(closeObject)) return event
  json.goBack(from)
  const parsed = json.object() as { readonly type?: unknown; readonly data?: { readonly jobs?: unknown } | null } | undefined
  if (parsed?.type === 'JobsAdded') shareEqualParts(parsed.data?.jobs)
  return typeof parsed?.type === 'string' ? (parsed as Event) : undefined
}

function readSucceeded(): Event | undefined {
  const job = json.count()
  if (job < 0 || !json.take(grantKey)) return undefined
  const grant = json.count()
  return grant < 0 ? undefined : { type: 'JobSucceeded', data: { job, grant } }
}

function readGranted(): Event | undefined {
  const jobs = readRuns()
  if (jobs === undefined || !json.take(agentKey)) return undefined
  const agent = json.text(agents)
  if (agent === undefined || !json.take(instanceKey)) return undefined
  const instance = json.text(instances)
  if (instance === undefined || !json.take(deadlineKey)) return undefined
  const callDeadlineMs = json.count()
  return callDeadlineMs < 0 ? undefined : { type: 'LockGranted', data: { jobs, agent, instance, callDeadlineMs } }
}

function readAssigned(): Event | undefined {
  const assignments: Assignment[] = []
  do {
    const first = json.count()
    if (first < 0 || !json.take(lastKey)) return undefined
    const last = json.count()
    if (last < 0 || !json.take(assigneeKey)) return undefined
    const agent = json.text(agents)
    if (agent === undefined) return undefined
    assignments.push({ first, last, agent })
  } while (json.take(nextAssignment))
  if (!json.takeByte(quote) || !json.takeByte(closeObject) || !json.takeByte(closeList)) return undefined
  return { type: 'JobsAssigned', data: { assignments } }
}

function readAdded(): Event | undefined {
  const part = json.count()
  if (part < 0 || !json.take(jobsKey)) return undefined
  const jobs: JobSpec[] = []
  let job: JobSpec | undefined
  do {
    job = readJob(job)
    if (job === undefined) return undefined
    jobs.push(job)
  } while (json.takeByte(comma))
  return json.takeByte(closeList) ? { type: 'JobsAdded', data: { part, jobs } } : undefined
}

/** `before`: the job before it, with which it shares what both say. */
function readJob(before: JobSpec | undefined): JobSpec | undefined {
  if (!json.take(jobHead)) return undefined
  const site = json.text(sites)
  if (site === undefined || !json.take(serviceKey)) return undefined
  const service = json.text(services)
  if (service === undefined || !json.take(operationKey)) return undefined
  const operation = readOperation(before?.operation)
  if (operation === undefined) return undefined
  let skill: JobSpec['skill']
  if (json.take(skillKey)) {
    skill = readSkill(before?.skill)
    if (skill === undefined) return undefined
  }
  const isRepeatable = json.take(repeatable)
  if (!isRepeatable && !json.take(notRepeatable)) return undefined
  let job: JobSpec
  if (json.take(afterKey)) {
    const after = readRuns()
    if (after === undefined || !json.takeByte(closeList)) return undefined
    job = { site, service, operation, ...(skill === undefined ? {} : { skill }), repeatable: isRepeatable, after }
  } else if (skill === undefined) job = { site, service, operation, repeatable: isRepeatable }
  else job = { site, service, operation, skill, repeatable: isRepeatable }
  return json.takeByte(closeObject) ? job : undefined
}

/**
 * Goes on with a list of jobs that is too long to be read in one go: `from` is where the list begins, or a comma in it. Adds `most` of them to `jobs`, or fewer
 * where it ends before, and returns where it stands then: at the next comma, or at what ends the list. Undefined where anything else stands in between; `jobs` is
 * of no use then.
 */
export function readJobs(bytes: Uint8Array, from: number, jobs: JobSpec[], most: number): number | undefined {
  json.open(bytes.subarray(from))
  for (let read = 0; read < most && (json.takeByte(comma) || (jobs.length === 0 && json.takeByte(openList))); read++) {
    const at = json.at
    let job = readJob(jobs.at(-1))
    if (job === undefined) {
      json.goBack(at)
      job = json.object() as JobSpec | undefined
      if (job === undefined) return undefined
      shareEqualParts(jobs.length === 0 ? [job] : [jobs.at(-1), job])
    }
    jobs.push(job)
  }
  return json.stands(comma) || json.stands(closeList) ? from + json.at : undefined
}

/** From its name up to the last closing quote; `before` where it says the same (`shared-jobs.ts`). */
function readOperation(before: Operation | undefined): Operation | undefined {
  const name = json.text(names)
  if (name === undefined) return undefined
  let read: { readonly name: string; readonly to?: string; readonly user?: string }
  if (json.take(toKey)) {
    const to = json.text(values)
    if (to === undefined) return undefined
    read = { name, to }
  } else if (json.take(userKey)) {
    const user = json.text(values)
    if (user === undefined) return undefined
    read = { name, user }
  } else {
    if (before?.name === name && !('to' in before) && !('user' in before)) return before
    read = { name }
  }
  return same(read, before) ? before : (read as Operation)
}

/** As an operation. */
function readSkill(before: JobSpec['skill']): JobSpec['skill'] {
  const name = json.text(names)
  if (name === undefined || !json.take(needKey)) return undefined
  const need = json.text(values)
  if (need === undefined) return undefined
  return before?.name === name && before.need === need ? before : ({ name, need } as JobSpec['skill'])
}

/** Up to the closing bracket, which is not taken. At least one. */
function readRuns(): Run[] | undefined {
  const runs: Run[] = []
  do {
    if (!json.takeByte(openList)) return undefined
    const first = json.count()
    if (first < 0 || !json.takeByte(comma)) return undefined
    const last = json.count()
    if (last < 0 || !json.takeByte(closeList)) return undefined
    runs.push([first, last])
  } while (json.takeByte(comma))
  return runs
}
