/**
 * The only place where a subject is built or parsed (DESIGN §3). `docs/subjects.md` is generated from `subjectCatalogue`.
 */

/** Ids that stand in a subject. */
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/
/** A region's id is shorter, so that `<lane>-<command id>` fits into an id (P13). */
export const regionPattern = /^[A-Za-z0-9_-]{1,20}$/
/** One realm = one prefix. */
export const realmNamePattern = /^[a-z][a-z0-9]{0,19}$/

export class MalformedId extends Error {
  override readonly name = 'MalformedId'
  readonly retryable = false
}

export function requireId(what: string, id: string): string {
  if (!idPattern.test(id)) {
    throw new MalformedId(`${what} ${JSON.stringify(id)} is not an id: use 1 to 64 letters, digits, "_" or "-"`)
  }
  return id
}

export const singletons = { realm: 'self', config: 'self' } as const

/** Aggregates that have a subject of their own each; groups and lanes live on their lane's subject. */
export const aggregatesWithSubject = ['realm', 'agent', 'site', 'config', 'action', 'trigger', 'instruction'] as const
export type AggregateWithSubject = (typeof aggregatesWithSubject)[number]

export type LaneVerb = 'work' | 'command'
export type AgentVerb = 'grants' | 'assigned' | 'abort' | 'stop' | 'ping' | 'describe'

/** What takes an id throws `MalformedId` for one that is none: a dot or a wildcard would be another subject. */
export interface Subjects {
  readonly realm: string
  /** Every event of the realm. */
  readonly allEvents: string
  readonly allLanes: string
  lane(lane: string): string
  aggregate(aggregate: AggregateWithSubject, id: string): string
  /** All of one kind. */
  allOf(aggregate: AggregateWithSubject): string
  toLane(lane: string, verb: LaneVerb): string
  toAgent(agent: string, verb: AgentVerb): string
  /** Heard by the actor that holds the lane, at the agent that the last `LaneTaken` names (P5). */
  pingLane(agent: string, lane: string): string
  releaseLane(agent: string, lane: string): string
  api(noun: string, verb: string): string
  feed(aggregate: string, id: string): string
  allFeeds: string
  inspect(agent: string, machine: string): string
  allInspect: string
  /** A new holder of the lane says so (P6). */
  laneAnnounced(lane: string): string
  allLanesAnnounced: string
  /** Holds the alarm of a trigger; `*` for all. */
  alarm(trigger: string): string
  /** Where the server puts it when it is due. */
  alarmDue(trigger: string): string
  allAlarms: string
  /** What an incarnation that is being made listens on in the place of `allEvents`. */
  allImported(incarnation: number): string
  /** The subject of it that is stored as an event subject of this realm. */
  imported(incarnation: number, eventSubject: string): string
  /** Whoever makes that incarnation answers here. */
  importing(incarnation: number): string
  streamName(incarnation: number): string
  schedulesName: string
  bucketName(kind: BucketKind): string
  /** Object store of the lanes' snapshots. */
  snapshotsName: string
}

export const bucketKinds = ['lease', 'agents', 'config', 'mappings'] as const
export type BucketKind = (typeof bucketKinds)[number]

export function subjectsOf(realm: string): Subjects {
  if (!realmNamePattern.test(realm)) {
    throw new MalformedId(`realm ${JSON.stringify(realm)} is not a realm name: use 1 to 20 lower-case letters or digits, a letter first`)
  }
  return {
    realm,
    allEvents: `${realm}.event.>`,
    allLanes: `${realm}.event.lane.*`,
    lane: (lane) => `${realm}.event.lane.${requireId('lane', lane)}`,
    aggregate: (aggregate, id) => `${realm}.event.${aggregate}.${requireId(aggregate, id)}`,
    allOf: (aggregate) => `${realm}.event.${aggregate}.*`,
    toLane: (lane, verb) => `${realm}.lane.${requireId('lane', lane)}.${verb}`,
    toAgent: (agent, verb) => `${realm}.agent.${requireId('agent', agent)}.${verb}`,
    pingLane: (agent, lane) => `${realm}.agent.${requireId('agent', agent)}.ping-${requireId('lane', lane)}`,
    releaseLane: (agent, lane) => `${realm}.agent.${requireId('agent', agent)}.release-${requireId('lane', lane)}`,
    api: (noun, verb) => `${realm}.api.v1.${noun}.${verb}`,
    feed: (aggregate, id) => `${realm}.feed.${aggregate}.${requireId(aggregate, id)}`,
    allFeeds: `${realm}.feed.>`,
    inspect: (agent, machine) => `${realm}.inspect.${agent}.${machine}`,
    allInspect: `${realm}.inspect.>`,
    laneAnnounced: (lane) => `${realm}.lane.${lane}.announced`,
    allLanesAnnounced: `${realm}.lane.*.announced`,
    alarm: (trigger) => `${realm}.schedule.at.${trigger === '*' ? trigger : requireId('trigger', trigger)}`,
    alarmDue: (trigger) => `${realm}.schedule.due.${trigger === '*' ? trigger : requireId('trigger', trigger)}`,
    allAlarms: `${realm}.schedule.>`,
    allImported: (incarnation) => `${realm}.import.${incarnation}.>`,
    imported: (incarnation, eventSubject) => `${realm}.import.${incarnation}.${eventSubject.slice(realm.length + '.event.'.length)}`,
    importing: (incarnation) => `${realm}.importing.${incarnation}`,
    schedulesName: `${realm.toUpperCase()}_SCHEDULES`,
    streamName: (incarnation) => `${realm.toUpperCase()}_EVENTS_${incarnation}`,
    bucketName: (kind) => `${realm}_${kind}`,
    snapshotsName: `${realm}_snapshots`,
  }
}

export type EventSubject =
  | { readonly kind: 'lane'; readonly lane: string }
  | { readonly kind: AggregateWithSubject; readonly id: string }

/** Undefined for what is not an event subject of this realm. */
export function parseEventSubject(realm: string, subject: string): EventSubject | undefined {
  const parts = subject.split('.')
  if (parts.length !== 4 || parts[0] !== realm || parts[1] !== 'event') return undefined
  const [, , kind, id] = parts as [string, string, string, string]
  if (!idPattern.test(id)) return undefined
  if (kind === 'lane') return { kind: 'lane', lane: id }
  const aggregate = aggregatesWithSubject.find((name) => name === kind)
  return aggregate === undefined ? undefined : { kind: aggregate, id }
}

/** The same subject in a realm of another name: a log may be imported under one. Undefined for what is not an event subject of `from`. */
export function inRealm(from: string, to: string, eventSubject: string): string | undefined {
  return parseEventSubject(from, eventSubject) === undefined ? undefined : `${to}${eventSubject.slice(from.length)}`
}

/** Subject of the realm's own events, beside an event subject of whichever kind. */
export function realmSubjectBeside(eventSubject: string): string {
  return subjectsOf(eventSubject.slice(0, eventSubject.indexOf('.'))).aggregate('realm', singletons.realm)
}

/** `<region>-<n>`, n from 1. */
export function laneName(region: string, number: number): string {
  return `${region}-${number}`
}

export function regionOfLane(lane: string): string {
  return lane.slice(0, lane.lastIndexOf('-'))
}

/** P13: a group's id is made from the lane and the command that opens it. */
export function groupId(lane: string, commandId: string): string {
  return `${lane}-${commandId}`
}

/** The lane is what stands before the last `-`. Undefined for what is not a group's id. */
export function laneOfGroup(group: string): string | undefined {
  const cut = group.lastIndexOf('-')
  return cut > 0 && idPattern.test(group) ? group.slice(0, cut) : undefined
}
