/**
 * What the service derives from the log beside `RealmView` (I11): the desired configuration, which sites a group changes, and
 * who asked for an instruction. Hears every turn in log order; of turns that were archived, what the archive says of them.
 *
 * Desired configuration: in log order, what each successful job of mode `jobs` or `direct` set (DESIGN §3); nothing is written for it.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { JobSpecs } from '../../machines/execution-group/specs.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { effectOf } from '../../machines/service/operation.ts'
import { type Subjects, parseEventSubject } from '../../streams/subjects.ts'
import type { LaneShown } from '../../streams/lane-snapshot.ts'
import type { LaneBegun, RealmFold, TurnSeen } from '../realm/view.ts'

export type Desired = ReadonlyMap<string, Value>

interface FollowedGroup {
  /** Forgotten when the group has ended. */
  specs: JobSpecs
  /** A success of the sync job sets nothing. */
  sets: boolean
  readonly sites: Set<string>
  /** Of the first turn that holds a commit of it. */
  readonly begins: number
}

type Value = string | boolean | null

interface SetValue {
  readonly value: Value
  /** Of the turn that set it: the later one holds, whichever is heard first. */
  readonly position: number
}

export class Projection {
  readonly #desired = new Map<string, Map<string, Map<string, SetValue>>>()
  /** By site: position of its last removal. What was set before holds no more. */
  readonly #removed = new Map<string, number>()
  readonly #groups = new Map<string, FollowedGroup>()
  readonly #actors = new Map<string, string>()
  readonly #subjects: Subjects
  readonly #fold: RealmFold

  constructor(subjects: Subjects, fold: RealmFold) {
    this.#subjects = subjects
    this.#fold = fold
  }

  /** Properties that changes have set on a service. */
  desired(site: string, service: string): Desired {
    return new Map([...(this.#desired.get(site)?.get(service) ?? [])].map(([property, { value }]) => [property, value]))
  }

  sitesOf(group: string): ReadonlySet<string> {
    return this.#groups.get(group)?.sites ?? new Set()
  }

  /** Where a group begins in the log; the beginning of the log for one that was not heard of. */
  beginOf(group: string): number {
    return this.#groups.get(group)?.begins ?? 1
  }

  /** The view keeps nothing of the instruction any more. */
  forget(command: string): void {
    this.#actors.delete(command)
  }

  /** Who asked for the instruction, as its commit says. */
  actorOf(command: string): string | undefined {
    return this.#actors.get(command)
  }

  unfinishedGroupsOf(site: string): string[] {
    const groups: string[] = []
    for (const group of this.#fold.groups()) {
      if (!groupTable.isFinal(group.phase) && this.sitesOf(group.group).has(site)) groups.push(group.group)
    }
    return groups
  }

  /** After the view has folded it. */
  take(seen: TurnSeen): void {
    const at = parseEventSubject(this.#subjects.realm, seen.subject)
    if (at === undefined) return
    for (const commit of seen.turn.commits) {
      if (commit.aggregate === 'group') this.#takeGroup(commit.id, commit.events as readonly GroupEvent[], seen.position)
      else if (at.kind === 'instruction') {
        for (const event of commit.events as readonly InstructionEvent[]) if (event.type === 'InstructionTaken') this.#actors.set(at.id, commit.actor)
      } else if (at.kind === 'site') {
        for (const event of commit.events) if (event.type === 'SiteRemoved') this.#remove(at.id, seen.position)
      }
    }
  }

  /** What was archived of a lane, in the place of what was heard of it. */
  begin({ state, shown }: LaneBegun): void {
    for (const [id, begins, , sites] of shown.groups) {
      const group = state.groups.get(id)
      const specs = new JobSpecs()
      if (group !== undefined && !groupTable.isFinal(group.phase)) specs.begin(group)
      this.#groups.set(id, { specs, sets: group?.mode !== 'sync', sites: new Set(sites), begins })
    }
    for (const [site, service, property, value, position] of shown.desired) this.#setValue(site, service, property, { value, position })
  }

  /** What `begin` takes, of all that was heard. */
  shown(): LaneShown {
    const groups = [...this.#groups].map(([id, { begins, sites }]) => [id, begins, this.#fold.groupPositions.get(id)!, [...sites].sort()] as const)
    const desired: LaneShown['desired'][number][] = []
    for (const [site, services] of this.#desired) {
      for (const [service, values] of services) for (const [property, { value, position }] of values) desired.push([site, service, property, value, position])
    }
    return { groups, desired }
  }

  #takeGroup(id: string, events: readonly GroupEvent[], position: number): void {
    let group = this.#groups.get(id)
    if (group === undefined) {
      group = { specs: new JobSpecs(), sets: true, sites: new Set(), begins: position }
      this.#groups.set(id, group)
    }
    for (const event of events) {
      group.specs.take(event)
      switch (event.type) {
        case 'GroupOpened':
          group.sets = event.data.mode !== 'sync'
          break
        case 'JobsAdded':
          for (const spec of event.data.jobs) group.sites.add(spec.site)
          break
        case 'JobSucceeded':
          this.#set(group, event.data.job, position)
          break
        case 'JobResolved':
          if (event.data.as === 'succeeded') this.#set(group, event.data.job, position)
          break
      }
    }
    const phase = this.#fold.group(id)?.phase
    if (phase !== undefined && groupTable.isFinal(phase)) group.specs = new JobSpecs()
  }

  #set(group: FollowedGroup, job: number, position: number): void {
    const spec = group.specs.list[job - 1]
    if (!group.sets || spec === undefined || spec.operation.name === 'rehearse') return
    const { property, value } = effectOf(spec.operation)
    this.#setValue(spec.site, spec.service, property, { value, position })
  }

  #setValue(siteId: string, serviceId: string, property: string, set: SetValue): void {
    if (set.position < (this.#removed.get(siteId) ?? 0)) return
    const site = this.#desired.get(siteId) ?? new Map<string, Map<string, SetValue>>()
    this.#desired.set(siteId, site)
    const service = site.get(serviceId) ?? new Map<string, SetValue>()
    site.set(serviceId, service)
    const before = service.get(property)
    if (before === undefined || before.position <= set.position) service.set(property, set)
  }

  #remove(siteId: string, position: number): void {
    this.#removed.set(siteId, position)
    const site = this.#desired.get(siteId)
    if (site === undefined) return
    for (const [serviceId, service] of site) {
      for (const [property, set] of service) if (set.position < position) service.delete(property)
      if (service.size === 0) site.delete(serviceId)
    }
    if (site.size === 0) this.#desired.delete(siteId)
  }
}
