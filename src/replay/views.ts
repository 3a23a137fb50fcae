/**
 * What a turn has made of the aggregates that it touches, in words that every build has: by these, in canonical JSON, two builds are
 * compared (docs/wire.md "Digests of a replay"). Of a group it is the exclusive state, whose keys are kept, and what it would decide next.
 */
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type GroupState, openGrants, unknownJob } from '../../machines/execution-group/state.ts'
import type { LaneState } from '../../machines/lane/state.ts'
import { type EventSubject, parseEventSubject } from '../../streams/subjects.ts'
import { shortOfManifestId } from '../../machines/agent/manifest.ts'
import type { RealmFold, TurnSeen } from '../realm/view.ts'
import { nextDecisions } from './next-decisions.ts'

export interface View {
  /** Kind of the aggregate; `command`: what a lane knows of one (P15). */
  readonly aggregate: string
  readonly id: string
  readonly view: Readonly<Record<string, unknown>>
}

/** Jobs of a group up to which it is always told whole. */
const largeFrom = 200

/** A group whose whole state is not told after every turn: that would cost the square of its jobs. */
export function isLarge(jobs: number, retries: number): boolean {
  return jobs + retries > largeFrom
}

/**
 * In the order of the commits, each aggregate once; of a lane's turn the lane itself last. Of `fold` after the turn. `whole`: every group is
 * told whole; else a large one is when it ends, and when its revision passes a multiple of its jobs divided by 200.
 */
export function viewsAfter(fold: RealmFold, { turn, subject }: TurnSeen, whole: boolean): readonly View[] {
  const at = parseEventSubject(fold.realmName, subject)
  if (at === undefined) return []
  if (at.kind !== 'lane') return viewOf(at.kind, at.id, stateOf(fold, at))
  const lane = fold.lanes.get(at.lane)!
  /** Their revision before the turn. */
  const groups = new Map<string, number>()
  const commands = new Set<string>()
  for (const { aggregate, id, revision, command, events } of turn.commits) {
    if (aggregate === 'group' && !groups.has(id)) groups.set(id, revision - 1)
    if (command !== undefined) commands.add(command)
    if (aggregate === 'lane') for (const { data } of events) if (hasCommand(data)) commands.add(data.command)
  }
  return [
    ...[...groups].flatMap(([id, before]) => {
      const group = lane.groups.get(id)
      if (group === undefined) return []
      return whole || toldWhole(group, before) ? wholeView(group) : viewOf('group', id, { ...shortState(group), ...nextDecisions(group, true) })
    }),
    ...[...commands].flatMap((id) => viewOf('command', id, lane.commands.get(id))),
    ...viewOf('lane', at.lane, laneShown(lane)),
  ]
}

/** At the end of the log, of every large group: what its last turns have made of it. */
export function viewsAtEnd(fold: RealmFold): readonly View[] {
  const views: View[] = []
  for (const group of fold.groups()) if (isLarge(group.jobsAnnounced, group.retries.length) && !groupTable.isFinal(group.phase)) views.push(...wholeView(group))
  return views
}

function toldWhole({ phase, revision, jobsAnnounced, retries }: GroupState, before: number): boolean {
  if (!isLarge(jobsAnnounced, retries.length) || groupTable.isFinal(phase)) return true
  const stride = Math.ceil((jobsAnnounced + retries.length) / largeFrom)
  return Math.floor(before / stride) !== Math.floor(revision / stride)
}

function wholeView(group: GroupState): readonly View[] {
  return viewOf('group', group.group, { ...exclusiveStateOf(group), ...nextDecisions(group) })
}

/** What costs the same however large the group is. A key means the same here and in the whole view. */
function shortState(group: GroupState): object {
  const { phase, revision, fault, position, failed, cancelled, retries, priority } = group
  const open = openGrants(group)
  const last = open.at(-1)
  const lastLock = last === undefined ? null : { grant: last.revision, agent: last.agent, instance: last.instance }
  return { phase, revision, fault, position, unknownJob: unknownJob(group)?.job, lastLock, locksCount: open.length, failedCount: failed.length, cancelledCount: cancelled.length, retriesCount: retries.length, priority }
}

function stateOf(fold: RealmFold, at: Exclude<EventSubject, { kind: 'lane' }>): object | undefined {
  switch (at.kind) {
    case 'realm':
      return only(fold.realm, ['revision', 'founded', 'format', 'realm', 'constants', 'lanes', 'leader', 'weakDurability', 'quarantine', 'unknownType'])
    case 'agent':
      return only(fold.agents.get(at.id), ['revision', 'phase', 'instance', 'role', 'region', 'skills', 'build', 'manifest', 'planned', 'planRevision', 'unknownType'])
    case 'site':
      return only(fold.sites.get(at.id), ['revision', 'managed', 'kind', 'address', 'region', 'fencing', 'unknownType'])
    case 'trigger':
      return only(fold.triggers.get(at.id), ['revision', 'phase', 'definition', 'decidedMs', 'running', 'waiting', 'recent', 'fault'])
    case 'instruction':
      return only(fold.instructions.get(at.id), ['revision', 'taken', 'refused', 'unknownType'])
    case 'config':
      return only(fold.manifests.get(shortOfManifestId(at.id) ?? ''), ['revision', 'manifest', 'unknownType'])
    case 'action':
      return undefined
  }
}

/** What a later build keeps besides is not compared in this version of the digests. */
function only<State extends object>(state: State | undefined, keys: readonly (keyof State & string)[]): object | undefined {
  return state === undefined ? undefined : Object.fromEntries(keys.map((key) => [key, state[key]]))
}

/** What its groups and commands are is told by themselves. */
function laneShown({ phase, revision, holder, number, timeMs, epoch, commands, unknownType, fault }: LaneState): object {
  return { phase, revision, holder, number, timeMs, epoch, commandsKnown: commands.size, unknownType, fault }
}

function viewOf(aggregate: string, id: string, state: object | undefined): readonly View[] {
  return state === undefined ? [] : [{ aggregate, id, view: Object.fromEntries(Object.entries(state).filter(([, value]) => says(value))) }]
}

/** What a later build has added, and this state does not use, is no difference. */
function says(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

function hasCommand(data: unknown): data is { readonly command: string } {
  return typeof data === 'object' && data !== null && 'command' in data && typeof data.command === 'string'
}
