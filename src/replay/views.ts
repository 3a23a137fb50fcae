/**
 * What a turn has made of the aggregates that it touches, in words that every build has: by these, in canonical JSON, two builds are
 * compared (docs/wire.md "Digests of a replay"). Of a group it is the exclusive state, whose keys are kept, and what it would decide next.
 */
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
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

/** In the order of the commits, each aggregate once; of a lane's turn the lane itself last. Of `fold` after the turn. */
export function viewsAfter(fold: RealmFold, { turn, subject }: TurnSeen): readonly View[] {
  const at = parseEventSubject(fold.realmName, subject)
  if (at === undefined) return []
  if (at.kind !== 'lane') return viewOf(at.kind, at.id, stateOf(fold, at))
  const lane = fold.lanes.get(at.lane)!
  const groups = new Set<string>()
  const commands = new Set<string>()
  for (const { aggregate, id, command, events } of turn.commits) {
    if (aggregate === 'group') groups.add(id)
    if (command !== undefined) commands.add(command)
    if (aggregate === 'lane') for (const { data } of events) if (hasCommand(data)) commands.add(data.command)
  }
  return [
    ...[...groups].flatMap((id) => {
      const group = lane.groups.get(id)
      return group === undefined ? [] : viewOf('group', id, { ...exclusiveStateOf(group), ...nextDecisions(group) })
    }),
    ...[...commands].flatMap((id) => viewOf('command', id, lane.commands.get(id))),
    ...viewOf('lane', at.lane, laneShown(lane)),
  ]
}

function stateOf(fold: RealmFold, at: Exclude<EventSubject, { kind: 'lane' }>): object | undefined {
  switch (at.kind) {
    case 'realm':
      return fold.realm
    case 'agent':
      return fold.agents.get(at.id)
    case 'site':
      return fold.sites.get(at.id)
    case 'trigger':
      return fold.triggers.get(at.id)
    case 'instruction':
      return fold.instructions.get(at.id)
    case 'config':
      return fold.manifests.get(shortOfManifestId(at.id) ?? '')
    case 'action':
      return undefined
  }
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
