/**
 * Reads what comes on `<realm>.lane.>` and `<realm>.agent.>`: anybody may publish there, and what a holder takes from it stands in the
 * log for ever. Each reader throws `MalformedMessage` for what does not have the documented form (`streams/lane-protocol.ts`). Keys that
 * this build does not know are kept, and so is a kind of command that it does not know: a newer program may have sent them.
 */
import type { AbortRequest } from './agent-messages.ts'
import { isUlid } from './codec.ts'
import { MalformedMessage, fromBytes } from './coordination.ts'
import type { AssignedMessage, GrantsMessage, LaneAnnounced, LaneCommand, ReleaseRequest, SentWorkRequest, WorkAnswer, WorkRequest } from './lane-protocol.ts'
import { shareEqualParts } from './shared-jobs.ts'
import { type ShortGrant, type ShortGrants, type ShortOutcome, grantsInFull, outcomesInFull, shortOutcomesLimit } from './short-form.ts'
import { idPattern, laneOfGroup } from './subjects.ts'

/** Longest actor, cause or correlation, in UTF-16 units: they stand in every commit of a turn beside its events (P16). */
const nameLimit = 400
const digestPattern = /^[0-9a-f]{64}$/

type Check = (value: unknown) => boolean
type Shape = { readonly [key: string]: Check }

const text: Check = (value) => typeof value === 'string'
const name: Check = (value) => typeof value === 'string' && value.length <= nameLimit
const id: Check = (value) => typeof value === 'string' && idPattern.test(value)
const group: Check = (value) => typeof value === 'string' && laneOfGroup(value) !== undefined
const digest: Check = (value) => typeof value === 'string' && digestPattern.test(value)
const ulid: Check = (value) => typeof value === 'string' && isUlid(value)
const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const number: Check = (value) => typeof value === 'number'
const flag: Check = (value) => typeof value === 'boolean'
const one = (...values: readonly unknown[]): Check => (value) => values.includes(value)
const optional = (check: Check): Check => (value) => value === undefined || check(value)
const list = (check: Check): Check => (value) => Array.isArray(value) && value.every((item) => check(item))
const object = (shape: Shape): Check => {
  const keys = Object.keys(shape)
  const checks = Object.values(shape)
  return (value) => {
    if (typeof value !== 'object' || value === null) return false
    for (let index = 0; index < keys.length; index++) if (!checks[index]!((value as { readonly [key: string]: unknown })[keys[index]!])) return false
    return true
  }
}

const builtOn = object({ incarnation: whole, number: whole })
const grantRef = object({ group, grant: whole })
const reason = object({ code: text, text, full: optional(digest) })
const success = object({ kind: one('succeeded'), already: optional(one(true)) })
const noSuccess = object({ kind: one('failed', 'unknown'), reason })
const outcome: Check = (value) => success(value) || noSuccess(value)
const operation = object({ name: text, to: optional(text), user: optional(text) })
const pair: Check = (value) => Array.isArray(value) && value.length === 2 && value.every(number)
const skill = optional(object({ name: text, need: one('required', 'preferred') }))
const jobSpec = object({
  site: text,
  service: text,
  operation,
  skill,
  repeatable: flag,
  after: optional(list(pair)),
  compensate: optional(operation),
})

const report = object({ group, grant: whole, job: whole, outcome })
/** Group, grant, first job, last job. */
const isShortOutcome = (entry: ShortOutcome, index: number) =>
  entry.length === 4 && ((index > 0 && entry[0] === '') || group(entry[0])) && entry.slice(1).every(whole) && entry[2] <= entry[3]
const outcomes: Check = (value) => {
  if (!Array.isArray(value)) return false
  let jobs = 0
  return value.every((entry, index) => (Array.isArray(entry) ? isShortOutcome(entry as never, index) && (jobs += entry[3] - entry[2] + 1) <= shortOutcomesLimit : report(entry)))
}

const work = object({
  builtOn,
  agent: id,
  instance: id,
  counter: optional(whole),
  capacity: whole,
  held: list(grantRef),
  outcomes,
  stopped: list(grantRef),
  asks: optional(object({ group, job: whole })),
  byName: optional(one(true)),
  readsShort: optional(one(true)),
  former: optional(list(id)),
})

const assignments = list(object({ first: number, last: number, agent: id }))

/** By kind; of a kind that is not here only the envelope is judged. */
const bodies: { readonly [kind: string]: Check } = {
  open: object({
    name: text,
    jobs: number,
    parts: number,
    plan: digest,
    window: number,
    region: id,
    distributionFactor: number,
    mode: optional(text),
    order: optional(text),
    priority: optional(number),
    agents: optional(text),
    onFailure: optional(text),
    trigger: optional(object({ trigger: id, atMs: whole })),
  }),
  add: object({ plan: digest, part: whole, jobs: list(jobSpec) }),
  seal: object({ plan: digest }),
  assign: object({ assignments, ifRevision: whole }),
  expire: object({ grant: whole, assignments: optional(assignments) }),
  resolve: object({ job: whole, as: one('succeeded', 'failed') }),
  prioritize: object({ priority: number }),
  withdraw: object({ withdrawn: ulid }),
  archive: object({ from: whole, number: whole, turn: digest, file: digest, snapshot: digest }),
}

const anyBody = object({ kind: text })
const command = object({
  builtOn,
  command: optional(ulid),
  group,
  actor: name,
  epoch: optional(whole),
  cause: optional(object({ aggregate: name, id: name, revision: whole })),
  correlation: optional(name),
  body: (body) => anyBody(body) && (bodyOf((body as { readonly kind: string }).kind)?.(body) ?? true),
})

function bodyOf(kind: string): Check | undefined {
  return Object.hasOwn(bodies, kind) ? bodies[kind] : undefined
}

const shortKind = object({ unordered: optional(one(true)), spec: object({ site: text, operation, skill, repeatable: flag, compensate: optional(operation) }) })
const shortHead = object({ agent: id, instance: id, incarnation: whole, callDeadlineMs: whole, kinds: list(shortKind), grants: list(Array.isArray) })
/** Group, grant, kind, first job, and a service for each job. */
const isShortGrant = (entry: ShortGrant, index: number, kinds: number) =>
  ((index > 0 && entry[0] === '') || group(entry[0])) && entry.slice(1, 4).every(whole) && entry[2] < kinds && entry.length > 4 && entry.slice(4).every(text)
const short = optional((value) => shortHead(value) && (value as ShortGrants).grants.every((entry, index) => isShortGrant(entry, index, (value as ShortGrants).kinds.length)))

const grants = object({
  lane: id,
  incarnation: whole,
  number: whole,
  grants: list(object({ group, grant: whole, agent: id, instance: id, incarnation: whole, callDeadlineMs: whole, unordered: optional(one(true)), jobs: list(object({ job: whole, spec: jobSpec, chain: optional(whole) })) })),
  stops: list(grantRef),
  yields: optional(list(grantRef)),
  short,
})
const assigned = object({ lane: id, assignments: list(object({ group, first: whole, last: whole })) })
const announced = object({ lane: id, agent: id, instance: id, incarnation: whole, number: whole })
const abort = object({ group, grant: whole, instance: id, epoch: whole })
const release = object({ lane: id, asker: id, mappingRevision: whole })

function inFull<T extends Pick<GrantsMessage, 'grants' | 'short'>>({ short: inShort, ...message }: T): Omit<T, 'short'> {
  return inShort === undefined ? message : { ...message, grants: [...message.grants, ...grantsInFull(inShort)] }
}

function readerOf<T>(what: string, check: Check): (bytes: Uint8Array) => T {
  return (bytes) => {
    const value = fromBytes<T>(bytes)
    if (!check(value)) throw new MalformedMessage(`${what} that does not have its documented form`)
    return value
  }
}

const readSentWorkRequest = readerOf<SentWorkRequest>('a request for work', work)
export function readWorkRequest(bytes: Uint8Array): WorkRequest {
  const sent = readSentWorkRequest(bytes)
  return { ...sent, outcomes: outcomesInFull(sent.outcomes) }
}
const readCommand = readerOf<LaneCommand>('a command to a lane', command)
export function readLaneCommand(bytes: Uint8Array): LaneCommand {
  const read = readCommand(bytes)
  if (read.body.kind === 'add') shareEqualParts(read.body.jobs)
  return read
}
const readSentGrants = readerOf<GrantsMessage>('a message of grants', grants)
export function readGrants(bytes: Uint8Array): GrantsMessage {
  return inFull(readSentGrants(bytes))
}
export const readAssigned = readerOf<AssignedMessage>('a message of assignments', assigned)
export const readAnnounced = readerOf<LaneAnnounced>('an announcement of a holder', announced)
export const readReleaseRequest = readerOf<ReleaseRequest>('a request to release a lane', release)
export const readAbort = readerOf<AbortRequest>('a request to abort a grant', abort)
/** Any answer: what is in it was written by a holder or an agent, which is asked by its own subject. */
export const readAnswer = readerOf<{ readonly kind: string }>('an answer', anyBody)
const taken = object({ grants: Array.isArray, short })
const readSentWorkAnswer = readerOf<WorkAnswer>('an answer to a request for work', (value) => anyBody(value) && ((value as WorkAnswer).kind !== 'taken' || taken(value)))
/** The same; what it says in short is judged too. */
export function readWorkAnswer(bytes: Uint8Array): WorkAnswer {
  const answer = readSentWorkAnswer(bytes)
  return answer.kind === 'taken' ? inFull(answer) : answer
}
