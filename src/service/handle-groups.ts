/** `group`: execution groups with their exclusive state, and what people ask of them. */
import { byCodeUnits } from '../../machines/code-units.ts'
import type { JobSpec, Reason } from '../../machines/execution-group/events.ts'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type Grant, type GroupState, assigneeOf, openGrants, runsOfGrant } from '../../machines/execution-group/state.ts'
import { allowsFormat, formatTooOld } from '../../machines/realm/realm.ts'
import type { ApiParsedRequest } from '../../streams/api/catalogue.ts'
import { ApiFailure, errorCodeOf } from '../../streams/api/errors.ts'
import type { JobShown } from '../../streams/api/group.ts'
import { newUlid } from '../../streams/codec.ts'
import type { LaneCommandBody } from '../../streams/lane-protocol.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { mayStillHappen } from '../change/take.ts'
import type { RealmFold } from '../realm/view.ts'
import type { ServiceContext } from './context.ts'
import { Executors } from './executors.ts'
import type { HandlersOf } from './handlers.ts'
import { pageOf } from './page.ts'
import { jobSpecsOf } from './job-specs.ts'
import { missingForGroup } from './missing.ts'
import type { LaneSender } from '../change/lane-sender.ts'

type Asked = ApiParsedRequest<'group', 'retry'>

/** A lane's holder of a realm of format 1 may be an older program, which does not know these. */
const sinceFormat2: ReadonlySet<LaneCommandBody['kind']> = new Set(['pause', 'resume', 'prioritize'])

export function groupHandlers(context: ServiceContext, sender: LaneSender): HandlersOf<'group'> {
  const { view, projection, clock, random } = context
  const executors = new Executors(context.coordinator.log, context.subjects)

  const ask = async (request: Asked, body: LaneCommandBody) => {
    const { group, actor } = request
    const command = request.command ?? newUlid(clock.nowMs(), random)
    const fold = await view.current()
    const state = knownGroup(fold, group)
    if (sinceFormat2.has(body.kind) && !allowsFormat(fold.realm, 2)) throw new ApiFailure('format-too-old', formatTooOld(fold.realm.format, 2))
    const lane = laneOfGroup(state.group)!
    const answer = await sender.send(lane, { command, group, actor, body })
    switch (answer.kind) {
      case 'done':
        await view.reached(answer.position)
        return { ok: true as const, group, command, position: answer.position, revision: answer.revision, known: answer.known === true }
      case 'refused':
        throw new ApiFailure(errorCodeOf(answer.code), answer.text, { command })
      case 'no-answer':
        if (answer.received === 'perhaps') throw mayStillHappen(command)
        throw new ApiFailure('no-lane-yet', `no agent holds lane ${lane}, so nothing was done: start agents ("reeve agent"), then ask again`, { command })
    }
  }

  return {
    async list({ phase, site, after, limit }) {
      const fold = await view.current()
      const cursor = after === undefined ? undefined : cursorOf(after)
      const groups = [...fold.groups()]
        .filter((group) => (phase === undefined || phase.includes(group.phase)) && (site === undefined || projection.sitesOf(group.group).has(site)))
        .map((state) => ({ state, ...cursorOf(state.group) }))
        .filter((entry) => cursor === undefined || latestFirst(entry, cursor) > 0)
        .sort(latestFirst)
        .map(({ state }) => ({
          group: state.group,
          name: state.name,
          phase: state.phase,
          jobs: state.jobsAnnounced,
          position: state.position,
          failed: state.failed.length,
          sites: [...projection.sitesOf(state.group)].sort().slice(0, 20),
          lane: laneOfGroup(state.group)!,
          revision: state.revision,
        }))
      const { items, last } = pageOf(groups, limit)
      return { ok: true, groups: items, next: last?.group ?? null }
    },

    async show({ group }) {
      const fold = await view.current()
      const [missing, silent] = await Promise.all([missingForGroup(context, knownGroup(fold, group)), context.silent.ofGroup(group)])
      const state = knownGroup(fold, group)
      // A copy of what the view goes on changing; nobody writes into it.
      return { ok: true, state: structuredClone(exclusiveStateOf(state)) as never, lane: laneOfGroup(group)!, position: fold.groupPositions.get(group)!, ...(missing.length === 0 ? {} : { missing: [...missing] }), ...(silent.length === 0 ? {} : { silent: [...silent] }), ...heldUp(fold, state) }
    },

    async jobs({ group, after, limit }) {
      const fold = await view.current()
      const state = knownGroup(fold, group)
      const specs = await jobSpecsOf(context, state)
      const phases = phasesOf(state)
      const retries = new Map(state.retries.map(({ job, retryOf }) => [job, retryOf]))
      const until = fold.groupPositions.get(group)!
      const page = pageOf(jobsFrom(specs, after, limit, state, phases, retries), limit)
      const last = after + page.items.length
      const forgotten = page.items.some((job) => job.agent === null && hasOutcome(job))
      const executed = forgotten ? await executors.of(group, projection.beginOf(group), until) : new Map<number, string>()
      const jobs = page.items.map((job) => (job.agent === null && hasOutcome(job) ? { ...job, agent: executed.get(job.job) ?? null } : job))
      return { ok: true, group, jobs, next: last < specs.length ? last : null }
    },

    pause: (request) => ask(request, { kind: 'pause' }),
    resume: (request) => ask(request, { kind: 'resume' }),
    prioritize: (request) => ask(request, { kind: 'prioritize', priority: request.priority }),
    retry: (request) => ask(request, { kind: 'retry' }),
    cancel: (request) => ask(request, { kind: 'cancel' }),
    resolve: (request) => ask(request, { kind: 'resolve', job: request.job, as: request.as }),
  }
}

/** What keeps every unfinished group of the realm, or of its lane, from going on. */
function heldUp({ realm, lanes, agents }: RealmFold, { group, phase }: GroupState): { readonly quarantine?: { why: string }; readonly unheld?: true } {
  if (groupTable.isFinal(phase)) return {}
  const holder = lanes.get(laneOfGroup(group)!)?.holder ?? null
  const agent = holder === null ? undefined : agents.get(holder.agent)
  // One that lost its presence meanwhile goes on as another instance, and holds on what it took as the one before.
  const isGone = agent !== undefined && agent.phase !== 'started'
  return { ...(realm.quarantine === null ? {} : { quarantine: { why: realm.quarantine.why } }), ...(holder === null || isGone ? { unheld: true as const } : {}) }
}

export function knownGroup(fold: RealmFold, group: string): GroupState {
  const state = fold.group(group)
  if (state === undefined || state.phase === 'absent') throw new ApiFailure('unknown-group', `there is no group ${group}; "reeve group list" shows those that are`)
  return state
}

interface Cursor {
  /** Of the command that opened it: begins with its time. */
  readonly command: string
  readonly group: string
}

function cursorOf(group: string): Cursor {
  return { command: group.slice(group.lastIndexOf('-') + 1), group }
}

function latestFirst(a: Cursor, b: Cursor): number {
  return -byCodeUnits(a.command, b.command) || byCodeUnits(a.group, b.group)
}

interface Phases {
  of(job: number): { readonly phase: JobShown['phase']; readonly reason: Reason | null }
}

function phasesOf(state: GroupState): Phases {
  const { executed, executing, cancelled, unknown, unknowns = unknown === null ? [] : [unknown] } = exclusiveStateOf(state)
  const notKnown = new Map(unknowns.map(({ job, reason }) => [job, reason]))
  const failed = new Map(state.failed.map(({ job, reason }) => [job, reason]))
  const within = (runs: readonly (readonly [number, number])[], job: number) => runs.some(([first, last]) => first <= job && job <= last)
  return {
    of(job) {
      const doubt = notKnown.get(job)
      if (doubt !== undefined) return { phase: 'unknown', reason: doubt }
      // Success is looked for first: a person may have settled as succeeded what had failed before.
      if (within(executed, job)) return { phase: 'succeeded', reason: null }
      const reason = failed.get(job)
      if (reason !== undefined) return { phase: 'failed', reason }
      if (within(executing, job)) return { phase: 'granted', reason: null }
      if (within(cancelled, job)) return { phase: 'cancelled', reason: null }
      return { phase: 'pending', reason: null }
    },
  }
}

function hasOutcome({ phase }: JobShown): boolean {
  return phase === 'succeeded' || phase === 'failed' || phase === 'unknown'
}

/** The open grant that holds the job. */
function grantOf(state: GroupState, job: number): Grant | undefined {
  return openGrants(state).find((grant) => runsOfGrant(state, grant).some(([first, last]) => first <= job && job <= last))
}

function* jobsFrom(
  specs: readonly JobSpec[],
  after: number,
  limit: number,
  state: GroupState,
  phases: Phases,
  retries: ReadonlyMap<number, number>,
): Iterable<JobShown> {
  for (let job = after + 1; job <= Math.min(specs.length, after + limit); job++) {
    const { site, service, operation } = specs[job - 1]!
    const { phase, reason } = phases.of(job)
    const agent = phase === 'granted' ? grantOf(state, job)?.agent : assigneeOf(state, job)
    yield { job, site, service, operation, phase, agent: agent ?? null, reason: reason === null ? null : { ...reason }, retryOf: retries.get(job) ?? null }
  }
}
