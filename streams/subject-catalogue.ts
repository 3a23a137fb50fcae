/** Every subject of a realm: what it carries, who publishes, who listens. `docs/subjects.md` is generated from it. */
import type { AgentVerb, LaneVerb, Subjects } from './subjects.ts'

export type SubjectKept = 'stream EVENTS' | 'stream SCHEDULES' | 'not kept'

export interface SubjectEntry {
  readonly subject: string
  readonly kept: SubjectKept
  readonly what: string
  readonly publishers: string
  readonly listeners: string
}

// Builders take ids only; these stand for any and are shown in angle brackets.
const id = 'ID'
const agent = 'AGENT'
const lane = 'LANE'
const standsForAny = /\b(ID|AGENT|LANE|TRIGGER|NOUN|VERB|AGGREGATE|MACHINE)\b/g

const eventsOf: Record<Parameters<Subjects['aggregate']>[0], readonly [what: string, publishers: string]> = {
  realm: ['format and its rises, constants, lanes, elections, quarantine; the id is always `self`', 'whoever founds or joins the realm; the leader'],
  agent: ['starts and ends of an agent, and what is planned for it', 'the agent; the leader, where it is lost; services'],
  site: ['a site enters or leaves the scope of management', 'services'],
  config: ['what a build is made to do; in later formats the desired configuration', 'the leader; services'],
  action: ['action items, in later formats', 'services'],
  trigger: ['triggers, and what became of their nominal times', 'services; the leader'],
  instruction: ['a change that was asked for: lane, plan and terms; the id is the command id', 'services'],
}

const toLane: Record<LaneVerb, readonly [what: string, publishers: string]> = {
  work: ['outcomes, what is held, free room; the answer brings grants', 'executors'],
  command: ['open, add, seal, assign, expire, retry, pause, resume, prioritize, cancel, resolve, withdraw', 'services; the leader'],
}

const toAgent: Record<AgentVerb, readonly [what: string, publishers: string]> = {
  grants: ['locks granted, and what is to be stopped, without being asked', "lanes' holders"],
  assigned: ['jobs that came into its queue', "lanes' holders"],
  abort: ['no word has come of a grant: its calls are aborted; have they ended', 'the leader'],
  stop: ['end gracefully, or at once', 'services; `reeve up`'],
  ping: ['is it alive, and does it lead', 'agents that would lead; the leader; services'],
  describe: ['what it is built to do, and the states of its machines', 'services; the leader'],
}

export function subjectCatalogue(subjects: Subjects): readonly SubjectEntry[] {
  const kept = (subject: string, what: string, publishers: string): SubjectEntry => ({
    subject,
    kept: 'stream EVENTS',
    what,
    publishers,
    listeners: 'everything that folds the log: services, the leader, replay',
  })
  const live = (subject: string, what: string, publishers: string, listeners: string): SubjectEntry => ({
    subject,
    kept: 'not kept',
    what,
    publishers,
    listeners,
  })
  const alarm = (subject: string, what: string, publishers: string, listeners: string): SubjectEntry => ({ subject, kept: 'stream SCHEDULES', what, publishers, listeners })
  const rows = <K extends string, T>(record: Record<K, T>, row: (key: K, value: T) => SubjectEntry) =>
    (Object.entries(record) as [K, T][]).map(([key, value]) => row(key, value))
  const entries = [
    kept(subjects.lane(lane), 'turns of the groups of a lane, and who holds it', "the lane's holder"),
    ...rows(eventsOf, (aggregate, [what, publishers]) => kept(subjects.aggregate(aggregate, id), what, publishers)),
    { ...kept(subjects.imported(9, subjects.lane(lane)), 'turns of an incarnation that is being imported or restored, stored as those of the lane or aggregate', '`reeve log import`, `reeve log restore`'), listeners: 'nobody before it is whole' },
    live(subjects.importing(9), 'is that incarnation being made at this moment', '`reeve log import`, `reeve log restore`, before they drop an unfinished one', 'who makes it'),
    ...rows(toLane, (verb, [what, publishers]) => live(subjects.toLane(lane, verb), what, publishers, 'whoever believes that it holds the lane')),
    live(subjects.laneAnnounced(lane), 'a new holder says so', "the lane's holder", 'executors'),
    ...rows(toAgent, (verb, [what, publishers]) => live(subjects.toAgent(agent, verb), what, publishers, 'the agent')),
    live(subjects.pingLane(agent, lane), 'is the lane held, and up to which position', 'the leader; agents that are to take the lane', "the lane's holder"),
    live(subjects.releaseLane(agent, lane), 'the mapping names another: release the lane', 'the agent that is to take the lane', "the lane's holder"),
    alarm(subjects.alarm('TRIGGER'), 'when to look at a trigger', 'the leader', 'nobody: the server moves it when it is due'),
    alarm(subjects.alarmDue('TRIGGER'), 'somebody should look at the trigger', 'the server', 'the leader'),
    live(subjects.api('NOUN', 'VERB'), 'commands and queries of the service interface (api.md)', 'people and programs', 'services, in one queue group'),
    live(subjects.feed('AGGREGATE', id), 'each commit once more, after it was acknowledged, with its position; where much happens up to 0.1 s later, and where nobody subscribes not at all; may name a subject for answers, and none is expected', "lanes' holders; services; agents", 'people, programs, pages'),
    live(subjects.inspect(agent, 'MACHINE'), 'every transition of a machine', 'the agent', 'visualizers; services'),
  ]
  return entries.map((entry) => ({ ...entry, subject: entry.subject.replace(/(?<=\.import(?:ing)?\.)9\b/, '<incarnation>').replaceAll(standsForAny, (any) => `<${any.toLowerCase()}>`) }))
}
