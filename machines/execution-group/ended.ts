/**
 * A group that has ended, kept small: a lane knows thousands of them, and what most of them say follows from a few numbers. Reads as the
 * state that it was made of, to the byte of its JSON (I6).
 *
 * 1. What does not follow from the fields is in `others`, so that nothing is lost, whatever the state was.
 * 2. Nothing is written to it: what is to be folded further is `expanded` first.
 */
import { groupTable } from './machine.ts'
import { type GroupState, absentGroup } from './state.ts'

type Own = 'group' | 'phase' | 'revision' | 'name' | 'decision' | 'plan' | 'mode' | 'window' | 'region' | 'distributionFactor' | 'assignedRevision'

class EndedGroup {
  readonly group: string
  readonly phase: GroupState['phase']
  readonly revision: number
  readonly name: string
  readonly decision: number
  readonly plan: string
  readonly mode: GroupState['mode']
  readonly window: number
  readonly region: string
  readonly distributionFactor: number
  readonly assignedRevision: number
  readonly jobs: number
  readonly parts: number
  others: Partial<GroupState> | null = null

  constructor(state: GroupState) {
    this.group = state.group
    this.phase = state.phase
    this.revision = state.revision
    this.name = state.name
    this.decision = state.decision
    this.plan = state.plan
    this.mode = state.mode
    this.window = state.window
    this.region = state.region
    this.distributionFactor = state.distributionFactor
    this.assignedRevision = state.assignedRevision
    this.jobs = state.jobsAnnounced
    this.parts = state.partsAnnounced
    for (const key of derivedKeys) if (!same(state[key], derived[key](this))) (this.others ??= {})[key] = state[key] as never
  }

  toJSON(): GroupState {
    return expanded(this as unknown as GroupState)
  }
}

/** Of a group all of whose jobs succeeded as they were added, from its own fields. */
const derived: { readonly [Key in Exclude<keyof GroupState, Own>]: (ended: EndedGroup) => GroupState[Key] } = {
  fault: () => null,
  order: () => 'strict',
  priority: () => 0,
  agents: () => null,
  onFailure: () => 'stop',
  jobsAnnounced: ({ jobs }) => jobs,
  partsAnnounced: ({ parts }) => parts,
  partsAdded: ({ parts }) => parts,
  jobsAdded: ({ jobs }) => jobs,
  specs: () => [],
  queue: ({ jobs }) => [[1, jobs]],
  headRun: () => 1,
  head: () => 0,
  headLast: () => 0,
  position: ({ jobs }) => jobs,
  queued: ({ jobs }) => jobs,
  grant: () => null,
  lastGrant: () => null,
  assignments: () => [],
  unknown: () => null,
  failed: () => [],
  cancelled: () => [],
  retries: () => [],
  graph: () => null,
  unordered: () => null,
  undoable: () => [],
  compensation: () => null,
}
const derivedKeys = Object.keys(derived) as (keyof typeof derived)[]

for (const key of derivedKeys) {
  Object.defineProperty(EndedGroup.prototype, key, {
    get(this: EndedGroup) {
      return this.others !== null && key in this.others ? this.others[key] : derived[key](this)
    },
  })
}

/** The same state in little memory where the group has ended, to be kept in the place of the given one; else the given one. */
export function compacted(state: GroupState): GroupState {
  return !groupTable.isFinal(state.phase) || state instanceof EndedGroup ? state : (new EndedGroup(state) as unknown as GroupState)
}

/** The same state, to be folded further in place. */
export function expanded(state: GroupState): GroupState {
  if (!(state instanceof EndedGroup)) return state
  const whole: { -readonly [Key in keyof GroupState]: GroupState[Key] } = absentGroup(state.group)
  for (const key of Object.keys(whole) as (keyof GroupState)[]) whole[key] = state[key] as never
  return whole
}

/** Of what a state holds: text, numbers, and lists of them; of anything else only that it is the very same. */
function same(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false
  return left.every((item, index) => same(item, right[index]))
}
