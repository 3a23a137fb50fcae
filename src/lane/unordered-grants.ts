/**
 * Open grants of groups without order, of which one executor may hold many of one group: by group, and by instance. Followed through the
 * events of each group, so that one event costs the same however many grants are open.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { type GroupState, canGiveBack, openGrant, openGrants } from '../../machines/execution-group/state.ts'
import type { GrantRef } from '../../streams/lane-protocol.ts'
import { PassingMap, PassingSet } from '../../streams/passing.ts'

interface Opened {
  readonly ref: GrantRef
  readonly instance: string
}

export class UnorderedGrants {
  readonly #byGroup = new Map<string, PassingMap<number, Opened>>()
  readonly #byInstance = new Map<string, PassingSet<GrantRef>>()

  /** All of the group, as its state says. */
  read(group: GroupState): void {
    const id = group.group
    for (const revision of [...(this.#byGroup.get(id)?.keys() ?? [])]) this.#closed(id, revision)
    if (canGiveBack(group)) for (const { revision, instance } of openGrants(group)) this.#opened(id, revision, instance)
  }

  /** What one event has done to the group, which is folded already. True where it did nothing but grant, or settle a job of an open grant. */
  follow(group: GroupState, event: GroupEvent, revision: number): boolean {
    const id = group.group
    switch (event.type) {
      case 'LockGranted':
        this.#opened(id, revision, event.data.instance)
        return true
      case 'JobSucceeded': {
        if (this.#byGroup.get(id)?.has(event.data.grant) !== true) return false
        if (openGrant(group, event.data.grant) === undefined) this.#closed(id, event.data.grant)
        return true
      }
      case 'LockReturned':
      case 'JobFailed':
      case 'JobUnknown':
        this.#closed(id, event.data.grant)
        return false
      default:
        return false
    }
  }

  get any(): boolean {
    return this.#byGroup.size > 0
  }

  count(instance: string): number {
    return this.#byInstance.get(instance)?.size ?? 0
  }

  of(instance: string): Iterable<GrantRef> {
    return this.#byInstance.get(instance) ?? []
  }

  #opened(group: string, grant: number, instance: string): void {
    const ref = { group, grant }
    let opened = this.#byGroup.get(group)
    if (opened === undefined) this.#byGroup.set(group, (opened = new PassingMap()))
    opened.set(grant, { ref, instance })
    let held = this.#byInstance.get(instance)
    if (held === undefined) this.#byInstance.set(instance, (held = new PassingSet()))
    held.add(ref)
  }

  #closed(group: string, grant: number): void {
    const opened = this.#byGroup.get(group)
    const one = opened?.get(grant)
    if (opened === undefined || one === undefined) return
    opened.delete(grant)
    if (opened.size === 0) this.#byGroup.delete(group)
    const held = this.#byInstance.get(one.instance)!
    held.delete(one.ref)
    if (held.size === 0) this.#byInstance.delete(one.instance)
  }
}
