/**
 * How much each lane has to do, as a follower of the log knows it, and the choice of a lane for a new group by that. Derived (I11).
 *
 * 1. `#of` is the sum of what each group that has not ended contributes, as of the last `#settle`.
 * 2. What was sent to a lane counts from the choice on: the log shows it only some time later, and many may choose meanwhile. It counts
 *    no more when its group is opened, when it is forgotten, or after `sentMs`.
 */
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { leastLoadedLane } from '../../machines/placement/lane-choice.ts'
import { jobsLeft, outstandingWork } from '../../machines/placement/lane-work.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import { groupId, laneOfGroup } from '../../streams/subjects.ts'
import type { RealmFold, RealmView, TurnSeen } from '../realm/view.ts'
import { regionOf } from './region.ts'

/** Longer than a choice takes to become a group, or an instruction that nobody goes on with. */
const sentMs = 60_000
/** Groups that changed and are not settled: about a millisecond for each thousand, of whoever asks next. */
const mostTouched = 4_000

export interface LaneLoad {
  /** That have not ended. */
  readonly groups: number
  /** That they have still to settle. */
  readonly jobs: number
  /** Those of `jobs` that wait for the lane or run (`machines/placement/lane-work.ts`). */
  readonly work: number
}

interface Sent {
  readonly lane: string
  readonly jobs: number
  /** Monotonic. */
  readonly sinceMs: number
}

const nothing: LaneLoad = { groups: 0, jobs: 0, work: 0 }

export class LaneLoads {
  readonly #fold: RealmFold
  readonly #clock: Clock
  readonly #random: Random
  readonly #of = new Map<string, LaneLoad>()
  readonly #contributions = new Map<string, LaneLoad>()
  readonly #touched = new Set<string>()
  /** By group, the longest sent first. */
  readonly #sent = new Map<string, Sent>()
  readonly #unfollow: () => void

  constructor(view: RealmView, { clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#fold = view.state
    this.#clock = clock
    this.#random = random
    this.#touch(view.state.groups())
    const unfollow = [view.onTurn((seen) => this.#see(seen)), view.onBeginning(({ state }) => this.#touch(state.groups.values()))]
    this.#unfollow = () => unfollow.forEach((end) => end())
  }

  stop(): void {
    this.#unfollow()
  }

  /** Without what is on its way. */
  of(lane: string): LaneLoad {
    this.#settle()
    return this.#of.get(lane) ?? nothing
  }

  /** For the group that this command opens; the jobs count from now on. Undefined where no lane is held: nobody could take the group. */
  choose(command: string, jobs: readonly Pick<JobSpec, 'site'>[]): string | undefined {
    const fold = this.#fold
    const sent = this.#sentByLane()
    const held = fold.realm.lanes.filter(({ lane }) => fold.lanes.get(lane)?.holder != null)
    const lanes = held.map(({ lane, region }) => {
      const { groups, work } = this.of(lane)
      const coming = sent.get(lane)
      return { lane, region, groups: groups + (coming?.groups ?? 0), work: work + (coming?.jobs ?? 0) }
    })
    const lane = leastLoadedLane(lanes, regionOf(fold, jobs), this.#draw())
    if (lane !== undefined) this.#send(lane, command, jobs.length)
    return lane
  }

  /** What the command opens is not on its way to that lane: it was refused, or somebody else had fixed another. */
  forget(lane: string, command: string): void {
    this.#sent.delete(groupId(lane, command))
  }

  #send(lane: string, command: string, jobs: number): void {
    this.#forgetOld()
    const group = groupId(lane, command)
    if (this.#fold.group(group) !== undefined) return
    // Said anew it goes behind the others.
    this.#sent.delete(group)
    this.#sent.set(group, { lane, jobs, sinceMs: this.#clock.monotonicMs() })
  }

  #see({ turn }: TurnSeen): void {
    for (const { aggregate, id, events } of turn.commits) {
      if (aggregate === 'group') {
        this.#touched.add(id)
        if (this.#sent.size > 0) this.#sent.delete(id)
      } else if (aggregate === 'instruction' && turn.timeMs > this.#clock.nowMs() - sentMs) {
        // What is older is in its lane, or will never be: of a log that is read from its beginning none of it is on its way.
        const [first] = events as readonly InstructionEvent[]
        const lane = first?.type === 'InstructionTaken' ? (first.data as { readonly lane?: unknown } | null)?.lane : undefined
        // Of another service: how many jobs it has is not known before its group is opened.
        if (typeof lane === 'string' && !this.#sent.has(groupId(lane, id))) this.#send(lane, id, 1)
      }
    }
    if (this.#touched.size > mostTouched) this.#settle()
  }

  #touch(groups: Iterable<GroupState>): void {
    // Most have ended, and count nothing.
    for (const { group, phase } of groups) if (!groupTable.isFinal(phase) || this.#contributions.has(group)) this.#touched.add(group)
  }

  #settle(): void {
    for (const id of this.#touched) {
      const lane = laneOfGroup(id)!
      const before = this.#contributions.get(id) ?? nothing
      const now = contributionOf(this.#fold.group(id))
      if (now === nothing) this.#contributions.delete(id)
      else this.#contributions.set(id, now)
      const { groups, jobs, work } = this.#of.get(lane) ?? nothing
      this.#of.set(lane, { groups: groups + now.groups - before.groups, jobs: jobs + now.jobs - before.jobs, work: work + now.work - before.work })
    }
    this.#touched.clear()
  }

  #sentByLane(): ReadonlyMap<string, { groups: number; jobs: number }> {
    this.#forgetOld()
    const sent = new Map<string, { groups: number; jobs: number }>()
    for (const { lane, jobs } of this.#sent.values()) {
      const sum = sent.get(lane) ?? { groups: 0, jobs: 0 }
      sum.groups += 1
      sum.jobs += jobs
      sent.set(lane, sum)
    }
    return sent
  }

  #forgetOld(): void {
    const fromMs = this.#clock.monotonicMs() - sentMs
    for (const [group, { sinceMs }] of this.#sent) {
      if (sinceMs > fromMs) return
      this.#sent.delete(group)
    }
  }

  #draw(): number {
    const [high, low] = this.#random.bytes(2) as unknown as [number, number]
    return (high * 256 + low) / 65_536
  }
}

function contributionOf(group: GroupState | undefined): LaneLoad {
  if (group === undefined || groupTable.isFinal(group.phase)) return nothing
  return { groups: 1, jobs: jobsLeft(group), work: outstandingWork(group) }
}
