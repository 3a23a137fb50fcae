/**
 * What the leader keeps of the groups that are not over: which of them changed since it last looked, and how many jobs lie in
 * each agent's queue. Derived from the view; rebuilt whenever an agent begins to lead (I11).
 *
 * 1. `#open` holds every group for which something may still have to be assigned or expired.
 * 2. Of each lane it is known how many of its groups are in `#open`, and whether any has changed since.
 * 3. `load` is the sum of what each open group contributes as of the last `settle`.
 */
import type { GroupState } from '../../machines/execution-group/state.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { remainingByAgent } from '../../machines/placement/jobs.ts'
import { assignsAfter } from '../../machines/placement/unassigned.ts'
import { PassingMap, PassingSet } from '../../streams/passing.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { RealmFold, TurnSeen } from '../realm/view.ts'

/** After which the group is to be looked at; everything else only changes loads. */
const assigns: ReadonlyMap<string, 'now' | 'next-round' | 'never'> = new Map(Object.entries(assignsAfter))

export class GroupWatch {
  readonly #state: RealmFold
  readonly #open = new PassingSet<string>()
  readonly #toAssign = new PassingSet<string>()
  #touched = new Set<string>()
  /** By lane: how many of its groups are in `#open`. */
  readonly #openIn = new Map<string, number>()
  /** Lanes of `#touched`. */
  #touchedIn = new Set<string>()
  readonly #contributions = new PassingMap<string, ReadonlyMap<string, number>>()
  readonly #loads = new Map<string, number>()

  constructor(state: RealmFold) {
    this.#state = state
    this.begin(state.groups())
  }

  /** Groups of which not every turn was heard. */
  begin(groups: Iterable<GroupState>): void {
    for (const { group } of groups) {
      this.#touched.add(group)
      this.#touchedIn.add(laneOfGroup(group)!)
      this.#toAssign.add(group)
    }
  }

  /** True when the leader has something to do for it at once. */
  see({ turn }: TurnSeen): boolean {
    let calls = false
    let isLaneTouched = false
    for (const { aggregate, id, events } of turn.commits) {
      if (aggregate !== 'group') continue
      this.#touched.add(id)
      // Groups of one turn are of one lane.
      if (!isLaneTouched) this.#touchedIn.add(laneOfGroup(id)!)
      isLaneTouched = true
      for (const { type } of events) {
        const when = assigns.get(type)
        if (when !== 'now' && when !== 'next-round') continue
        this.#toAssign.add(id)
        if (when === 'now') calls = true
      }
    }
    return calls
  }

  /** Agents changed, or a round is due that looks at all (P27). */
  lookAtAll(): void {
    for (const id of this.#open) this.#toAssign.add(id)
  }

  /** Takes what changed into account. */
  settle(): void {
    for (const id of this.#touched) {
      const group = this.#state.group(id)
      this.#subtract(id)
      if (group === undefined || groupTable.isFinal(group.phase)) {
        if (this.#open.delete(id)) this.#countOpen(id, -1)
        this.#toAssign.delete(id)
        continue
      }
      if (!this.#open.has(id)) this.#countOpen(id, 1)
      this.#open.add(id)
      const contribution = remainingByAgent(group)
      this.#contributions.set(id, contribution)
      for (const [agent, jobs] of contribution) this.#loads.set(agent, (this.#loads.get(agent) ?? 0) + jobs)
    }
    this.#touched = new Set()
    this.#touchedIn = new Set()
  }

  /** Whether a group of the lane is not over, or may not be. */
  goOnIn(lane: string): boolean {
    return this.#touchedIn.has(lane) || (this.#openIn.get(lane) ?? 0) > 0
  }

  load(agent: string): number {
    return this.#loads.get(agent) ?? 0
  }

  /** Groups to look at for assignments; the caller says with `assigned` when one needs no more. */
  toAssign(): readonly GroupState[] {
    return this.#groupsOf(this.#toAssign)
  }

  assigned(group: string): void {
    this.#toAssign.delete(group)
  }

  open(): readonly GroupState[] {
    return this.#groupsOf(this.#open)
  }

  #countOpen(id: string, by: number): void {
    const lane = laneOfGroup(id)!
    this.#openIn.set(lane, (this.#openIn.get(lane) ?? 0) + by)
  }

  #groupsOf(ids: Iterable<string>): readonly GroupState[] {
    const groups: GroupState[] = []
    for (const id of ids) {
      const group = this.#state.group(id)
      if (group !== undefined) groups.push(group)
    }
    return groups
  }

  #subtract(id: string): void {
    for (const [agent, jobs] of this.#contributions.get(id) ?? []) this.#loads.set(agent, (this.#loads.get(agent) ?? 0) - jobs)
    this.#contributions.delete(id)
  }
}
