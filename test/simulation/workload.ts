/**
 * Who asks: opens groups in parts, repeats with the same command id until it is answered, and sees every group to its end (retries,
 * resolves or cancels what blocks). Never killed; cut off and misled like everybody else.
 */
import { allowsFormat } from '../../machines/realm/realm.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { unknownJob } from '../../machines/execution-group/state.ts'
import type { Operation } from '../../machines/service/operation.ts'
import { laneClient } from '../../src/lane/client.ts'
import { partsOf } from '../../src/change/parts.ts'
import { RealmView } from '../../src/realm/view.ts'
import { canonicalBytes, digestOf, newUlid } from '../../streams/codec.ts'
import type { LaneCommand, LaneCommandAnswer, LaneCommandBody } from '../../streams/lane-protocol.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type Subjects, groupId } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'
import { patience } from './patience.ts'
import type { SimProcess } from './process.ts'
import { type SimSite, simulatedKind } from './site.ts'
import type { Told } from './told.ts'

const lookMs = 250
/** As many parts as the longest groups of most worlds have at the most. Who asks for more of them at once asks for each hundreds of times, until it is in order. */
const mostParts = 60

export interface WorkloadOptions {
  readonly process: SimProcess
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly dice: Dice
  readonly lanes: readonly string[]
  readonly sites: ReadonlyMap<string, SimSite>
  readonly groups: number
  /** Part of them that has a window. */
  readonly windows: number
  readonly windowSizes: readonly number[]
  /** Part of them that has no order. */
  readonly unordered: number
  readonly mostJobs: number
  /** Part of the jobs that no site has a reason to refuse. */
  readonly smooth: number
  /** Some agent has the skill for the sites. */
  readonly skilled: boolean
  readonly openUntilMs: number
  readonly told: Told
  readonly end: () => number
  readonly isCalm: () => boolean
  /** Lasts over restores. */
  readonly log: EventLog
}

interface Terms {
  readonly window: number
  /** Part of the jobs that may be done again. */
  readonly repeatable: number
  readonly order: 'strict' | 'graph' | 'none'
  readonly onFailure: 'stop' | 'continue' | 'compensate'
  readonly priority: number
}

type Answer = Exclude<LaneCommandAnswer, { kind: 'not-the-holder' }>

export class Workload {
  readonly groups: string[] = []
  /** Set when something was never answered. */
  failure: string | undefined
  done = false
  readonly #options: WorkloadOptions
  readonly #view: RealmView

  constructor(options: WorkloadOptions) {
    this.#options = options
    this.#view = new RealmView(options.log, options.subjects)
    void this.#run()
  }

  async #run(): Promise<void> {
    const { dice, groups, process, openUntilMs } = this.#options
    const asked = Array.from({ length: groups }, async (_, index) => {
      const own = dice.stream(`group-${index}`)
      await pause(process.clock, own.between(0, openUntilMs))
      await this.#seeThrough(own)
    })
    try {
      await Promise.all(asked)
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error)
    }
    this.done = true
  }

  async #seeThrough(dice: Dice): Promise<void> {
    const { lanes, process } = this.#options
    const lane = dice.pick(lanes)
    const terms = this.#terms(dice)
    const jobs = Array.from({ length: dice.chance(0.2) ? 1 : dice.whole(1, this.#options.mostJobs) }, (_, index) => this.#job(dice, terms, index))
    const plan = digestOf(canonicalBytes({ jobs }))
    const parts = dice.chance(0.3) ? cut(jobs, Math.max(dice.whole(1, 5), Math.ceil(jobs.length / mostParts))) : partsOf(jobs)
    const { window, order, onFailure, priority } = terms
    const body: LaneCommandBody = {
      kind: 'open', name: `group of ${jobs.length}`, jobs: jobs.length, parts: parts.length, plan, window, region: 'r', distributionFactor: dice.pick([100, 100, 50]),
      ...(order === 'strict' ? {} : { order }),
      ...(onFailure === 'stop' ? {} : { onFailure }),
      ...(priority === 0 ? {} : { priority }),
    }
    const command = newUlid(process.clock.nowMs(), dice)
    const settled = dice.chance(0.1) ? await this.#openOrWithdraw(lane, command, body, dice) : command
    const group = groupId(lane, settled)
    this.groups.push(group)
    const opened = await this.#send(lane, group, settled, body, dice)
    if (opened.kind === 'refused') throw new Error(`opening ${group} was refused: ${opened.code} ${opened.text}`)
    const rest: LaneCommandBody[] = [...parts.map((part, index) => ({ kind: 'add', plan, part: index + 1, jobs: part }) as const), { kind: 'seal', plan }]
    const manner = dice.pick(['in turn', 'in turn', 'in turn', 'in turn', 'in turn', 'in turn', 'all at once', 'all at once', 'dies'] as const)
    if (manner === 'all at once') {
      const answers = await Promise.all(rest.map((step) => this.#untilInOrder(lane, group, settled, step, dice)))
      for (const answer of answers) if (answer.kind === 'refused') this.#refusedWhileOpening(group, answer)
    } else {
      // Whoever dies in the middle leaves a group that is abandoned (P14).
      for (const step of manner === 'dies' ? rest.slice(0, dice.whole(0, rest.length)) : rest) {
        const answer = await this.#send(lane, group, settled, step, dice)
        if (answer.kind === 'refused') return this.#refusedWhileOpening(group, answer)
      }
    }
    await this.#untilEnded(lane, group, dice)
  }

  #terms(dice: Dice): Terms {
    // What format 1 does not hold is not asked for there.
    const risen = allowsFormat(this.#view.state.realm, 2)
    const onFailure = dice.pick(['stop', 'stop', 'continue', 'compensate'] as const)
    const priority = dice.pick([0, 0, -10, 10])
    const window = dice.chance(this.#options.windows) ? dice.pick(this.#options.windowSizes) : 1
    const unordered = risen && dice.stream('order').chance(this.#options.unordered)
    // Only repeatable jobs may have a window.
    const repeatable = window > 1 ? 1 : dice.pick([1, 0.9, 0.5])
    const graph = window === 1 && dice.chance(0.25) && risen
    return {
      window,
      repeatable,
      order: unordered ? 'none' : graph ? 'graph' : 'strict',
      onFailure: !risen || (unordered && onFailure === 'compensate') ? 'stop' : onFailure,
      priority: risen ? priority : 0,
    }
  }

  /** Asks once, and where nobody answers gives the command up for a new one (P15). The id under which the group is to be opened. */
  async #openOrWithdraw(lane: string, command: string, body: LaneCommandBody, dice: Dice): Promise<string> {
    const { coordinator, subjects, process } = this.#options
    const number = this.#view.state.lanes.get(lane)?.number ?? 0
    const message: LaneCommand = { builtOn: { incarnation: coordinator.log.incarnation, number }, command, group: groupId(lane, command), actor: 'person:p', body }
    const answer = await laneClient({ bus: coordinator.bus, subjects }).send(lane, message, dice.pick([1, 20, 500]))
    if (answer.kind === 'done') return command
    const withdrawn = await this.#send(lane, groupId(lane, command), undefined, { kind: 'withdraw', withdrawn: command }, dice)
    if (withdrawn.kind === 'done' && withdrawn.known === true) return command
    // A late copy of it changes nothing any more.
    await laneClient({ bus: coordinator.bus, subjects }).send(lane, message, 500)
    return newUlid(process.clock.nowMs(), dice)
  }

  /** A part that came before its turn is said again. */
  async #untilInOrder(lane: string, group: string, command: string, body: LaneCommandBody, dice: Dice): Promise<Answer> {
    for (const _ of patience(this.#options.isCalm)) {
      const answer = await this.#send(lane, group, command, body, dice)
      if (answer.kind !== 'refused' || answer.code !== 'part-out-of-order') return answer
      await pause(this.#options.process.clock, dice.between(20, 300))
    }
    throw new Error(`${body.kind} of ${group} was never in order`)
  }

  /** Abandoned meanwhile because no part came for too long; anything else is not right. */
  #refusedWhileOpening(group: string, answer: Answer & { readonly kind: 'refused' }): void {
    if (answer.code !== 'wrong-state') throw new Error(`a part of ${group} was refused: ${answer.code} ${answer.text}`)
  }

  async #untilEnded(lane: string, group: string, dice: Dice): Promise<void> {
    const { process } = this.#options
    const cancels = dice.chance(0.15)
    const cancelAtMs = process.clock.monotonicMs() + dice.between(0, 8_000)
    let pauses = dice.chance(0.25) ? dice.whole(1, 3) : 0
    for (;;) {
      await pause(process.clock, lookMs)
      const state = this.#view.state.group(group)
      if (this.#view.broken !== undefined) throw this.#view.broken
      if (state === undefined) continue
      if (groupTable.isFinal(state.phase)) return
      if (groupTable.can(state.phase, 'GroupSealed')) continue
      const ask = (body: LaneCommandBody) => this.#send(lane, group, newUlid(process.clock.nowMs(), dice), body, dice)
      if (state.phase === 'faulted') throw new Error(`group ${group} is faulted: ${JSON.stringify(state.fault)}`)
      if (cancels && process.clock.monotonicMs() >= cancelAtMs && state.phase !== 'cancelling') {
        await ask({ kind: 'cancel' })
      } else if (groupTable.can(state.phase, 'GroupResumed')) {
        await pause(process.clock, dice.between(0, 2_000))
        await ask({ kind: 'resume' })
      } else if (pauses > 0 && allowsFormat(this.#view.state.realm, 2) && groupTable.can(state.phase, 'GroupPaused') && dice.chance(0.3)) {
        pauses -= 1
        if (dice.chance(0.3)) await ask({ kind: 'prioritize', priority: dice.whole(-100, 100) })
        await ask({ kind: 'pause' })
      } else if (groupTable.can(state.phase, 'GroupUnblocked')) {
        await pause(process.clock, dice.between(0, 2_000))
        const unknown = unknownJob(state)
        if (unknown !== null) {
          await ask({ kind: 'resolve', job: unknown.job, as: dice.pick(['succeeded', 'failed'] as const) })
        } else {
          await ask(dice.chance(0.9) ? { kind: 'retry' } : { kind: 'cancel' })
        }
      }
    }
  }

  #job(dice: Dice, { repeatable, order, onFailure }: Terms, index: number): JobSpec {
    const site = dice.pick([...this.#options.sites.values()])
    const skill = dice.chance(0.3) ? { skill: { name: simulatedKind, need: this.#options.skilled ? dice.pick(['required', 'preferred'] as const) : 'preferred' } as const } : {}
    // Up to two of the jobs before it.
    const after = order !== 'graph' || index === 0 ? [] : [...new Set(Array.from({ length: dice.whole(0, 2) }, () => dice.whole(1, index)))].sort((left, right) => left - right)
    return {
      ...skill,
      site: site.plan.site,
      service: dice.pick(site.services),
      operation: operation(dice, this.#options.smooth),
      repeatable: dice.chance(repeatable),
      ...(after.length === 0 ? {} : { after: after.map((job) => [job, job] as const) }),
      ...(onFailure === 'compensate' && dice.chance(0.7) ? { compensate: operation(dice, 0.9) } : {}),
    }
  }

  /** The same command until somebody answers; now and then once more after that (P15). */
  async #send(lane: string, group: string, command: string | undefined, body: LaneCommandBody, dice: Dice): Promise<Answer> {
    const { coordinator, subjects, process, told, end } = this.#options
    const client = laneClient({ bus: coordinator.bus, subjects })
    let again = dice.chance(0.1) ? 1 : 0
    for (const _ of patience(this.#options.isCalm)) {
      const number = this.#view.state.lanes.get(lane)?.number ?? 0
      const message: LaneCommand = { builtOn: { incarnation: coordinator.log.incarnation, number }, ...(command === undefined ? {} : { command }), group, actor: 'person:p', body }
      const sentAt = end()
      const answer = await client.send(lane, message, dice.pick([500, 2_000, 5_000]))
      // A holder that has not heard yet that the realm has risen.
      const later = answer.kind === 'refused' && (answer.code === 'format-too-old' || answer.code === 'quarantined')
      if (!later && (answer.kind === 'done' || answer.kind === 'refused')) {
        told.commands.push({ lane, command: message, answer, sentAt, heardAt: end() })
        // What the clocks of this world make too new or too old is asked again with a later clock.
        if (again-- <= 0) return answer
      }
      await pause(process.clock, dice.between(20, 600))
    }
    throw new Error(`${body.kind} of ${group} was never answered`)
  }
}

export function operation(dice: Dice, smooth: number): Operation {
  if (dice.chance(smooth)) return dice.chance(0.5) ? { name: 'rename', to: `name ${dice.whole(1, 1_000_000)}` } : { name: dice.pick(['maintenance-on', 'maintenance-off'] as const) }
  return dice.pick<() => Operation>([
    () => ({ name: 'start' }),
    () => ({ name: 'stop' }),
    () => ({ name: 'maintenance-on' }),
    () => ({ name: 'maintenance-off' }),
    () => ({ name: 'rename', to: `name ${dice.whole(1, 1_000_000)}` }),
    () => ({ name: 'assign', user: `user-${dice.whole(1, 5)}` }),
    () => ({ name: 'deassign', user: `user-${dice.whole(1, 5)}` }),
  ])()
}

function cut<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))
}
