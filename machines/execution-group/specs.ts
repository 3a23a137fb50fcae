/**
 * Details of a group's jobs by number, followed through its events by whoever keeps them beside the fold: retries and the jobs
 * that undo others have numbers of their own.
 */
import type { GroupEvent, JobSpec } from './events.ts'
import type { GroupState } from './state.ts'
import { undoOf } from './undo.ts'

export class JobSpecs {
  /** By number − 1. */
  readonly list: JobSpec[] = []
  /** In the order of success; what a compensation undoes, the last first. */
  #undoable: number[] = []

  /** Goes on from a folded group that has not ended. */
  begin({ specs, undoable }: Pick<GroupState, 'specs' | 'undoable'>): void {
    this.list.push(...specs)
    this.#undoable = [...undoable]
  }

  take(event: GroupEvent): void {
    switch (event.type) {
      case 'JobsAdded':
        for (const spec of event.data.jobs) this.list.push(spec)
        return
      case 'JobRetried':
        this.list.push(this.list[event.data.retryOf - 1]!)
        return
      case 'JobSucceeded':
        if (event.data.already !== true) this.#remember(event.data.job)
        return
      case 'JobResolved':
        if (event.data.as === 'succeeded') this.#remember(event.data.job)
        return
      case 'CompensationBegun':
        for (const job of this.#undoable.reverse()) this.list.push(undoOf(this.list[job - 1]!))
        this.#undoable = []
        return
      default:
        return
    }
  }

  #remember(job: number): void {
    if (this.list[job - 1]?.compensate !== undefined) this.#undoable.push(job)
  }
}
