/**
 * What the service derives from the log beside `RealmView` (I11): the desired configuration, which sites a group changes, and
 * who asked for an instruction. Hears every turn in log order.
 *
 * Desired configuration: in log order, what each successful job of mode `jobs` or `direct` set (DESIGN §3); nothing is written for it.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { JobSpecs } from '../../machines/execution-group/specs.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { effectOf } from '../../machines/service/operation.ts'
import { type Subjects, parseEventSubject } from '../../streams/subjects.ts'
import type { RealmFold, TurnSeen } from '../realm/view.ts'

export type Desired = ReadonlyMap<string, string | boolean | null>

interface FollowedGroup {
  /** Forgotten when the group has ended. */
  specs: JobSpecs
  /** A success of the sync job sets nothing. */
  sets: boolean
  readonly sites: Set<string>
  /** Of the first turn that holds a commit of it. */
  readonly begins: number
}

export class Projection {
  readonly #desired = new Map<string, Map<string, Map<string, string | boolean | null>>>()
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
    return this.#desired.get(site)?.get(service) ?? new Map()
  }

  sitesOf(group: string): ReadonlySet<string> {
    return this.#groups.get(group)?.sites ?? new Set()
  }

  /** Where a group begins in the log; the beginning of the log for one that was not heard of. */
  beginOf(group: string): number {
    return this.#groups.get(group)?.begins ?? 1
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
        for (const event of commit.events) if (event.type === 'SiteRemoved') this.#desired.delete(at.id)
      }
    }
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
          this.#set(group, event.data.job)
          break
        case 'JobResolved':
          if (event.data.as === 'succeeded') this.#set(group, event.data.job)
          break
      }
    }
    const phase = this.#fold.group(id)?.phase
    if (phase !== undefined && groupTable.isFinal(phase)) group.specs = new JobSpecs()
  }

  #set(group: FollowedGroup, job: number): void {
    const spec = group.specs.list[job - 1]
    if (!group.sets || spec === undefined || spec.operation.name === 'rehearse') return
    const { property, value } = effectOf(spec.operation)
    const site = this.#desired.get(spec.site) ?? new Map<string, Map<string, string | boolean | null>>()
    this.#desired.set(spec.site, site)
    const service = site.get(spec.service) ?? new Map<string, string | boolean | null>()
    site.set(spec.service, service)
    service.set(property, value)
  }
}
