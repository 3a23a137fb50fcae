/**
 * Who asks through the service interface: changes in modes jobs and direct, repeated with the same command id or left alone when no
 * answer came, and triggers; and a janitor who sees every group that came of it to its end, also those whose asker is gone.
 */
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type GroupState } from '../../machines/execution-group/state.ts'
import { apiClient, type ApiClient } from '../../src/service/client.ts'
import { RealmView } from '../../src/realm/view.ts'
import { standingOf } from '../../src/trigger/run-standing.ts'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import type { ErrorCode } from '../../streams/api/errors.ts'
import { newUlid } from '../../streams/codec.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type Subjects, groupId } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'
import { patience } from './patience.ts'
import type { SimProcess } from './process.ts'
import type { SimSite } from './site.ts'
import type { Told } from './told.ts'
import { triggerDefinition } from './triggering.ts'
import { operation } from './workload.ts'

const lookMs = 250

export interface AskingOptions {
  readonly process: SimProcess
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly dice: Dice
  readonly sites: ReadonlyMap<string, SimSite>
  readonly changes: number
  readonly triggers: number
  readonly smooth: number
  readonly openUntilMs: number
  readonly told: Told
  readonly end: () => number
  /** Lasts over restores. */
  readonly log: EventLog
  /** Nothing goes wrong any more. */
  readonly isCalm: () => boolean
}

/** What is worth to be asked again, with the same command id. */
const passing: ReadonlySet<ErrorCode> = new Set(['site-unreachable', 'no-lane-yet', 'may-still-happen', 'unavailable', 'unreachable', 'busy', 'internal', 'quarantined', 'format-too-old', 'part-out-of-order', 'stale', 'too-early', 'too-far-ahead'])
/** What may be said of a good request. */
const refusals: ReadonlySet<ErrorCode> = new Set(['mode-unavailable', 'wrong-state', 'withdrawn', 'refused', 'other-plan'])

export class Asking {
  failure: string | undefined
  /** Everybody has asked, and all that came of it has ended. May become false again: a service may still have a copy of a request in hand. */
  done = false
  readonly #options: AskingOptions
  readonly #view: RealmView
  readonly #api: ApiClient
  #asked = false
  /** Copies of requests, sent to another service at once. */
  readonly #copies: Promise<unknown>[] = []

  constructor(options: AskingOptions) {
    const { coordinator, log, subjects, process, dice } = options
    this.#options = options
    this.#view = new RealmView(log, subjects)
    this.#api = apiClient(coordinator.bus, subjects, { clock: process.clock, random: dice, actor: 'person:q' })
    void this.#run()
  }

  async #run(): Promise<void> {
    const { changes, triggers, dice } = this.#options
    try {
      const asking = [
        ...Array.from({ length: changes }, (_, index) => this.#change(dice.stream(`change-${index}`))),
        ...Array.from({ length: triggers }, (_, index) => this.#trigger(`t${index + 1}`, dice.stream(`trigger-${index}`))),
      ]
      const cleaning = this.#clean(dice.stream('janitor'))
      await Promise.all(asking)
      await Promise.all(this.#copies)
      this.#asked = true
      await cleaning
    } catch (error) {
      this.failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
    }
  }

  async #change(dice: Dice): Promise<void> {
    const { process, openUntilMs, told, end } = this.#options
    await pause(process.clock, dice.between(0, openUntilMs))
    const request = this.#request(dice)
    const command = newUlid(process.clock.nowMs(), dice)
    const dies = dice.chance(0.25)
    let again = dice.chance(0.3) ? dice.whole(1, 2) : 0
    for (const _ of patience(this.#options.isCalm)) {
      // Now and then at two services at once.
      if (dice.chance(0.2)) this.#copies.push(this.#api.answer('change', 'apply', { ...request, command }, { timeoutMs: 1_000 }))
      const answer = await this.#api.answer('change', 'apply', { ...request, command }, { timeoutMs: dice.pick([300, 3_000, 30_000]) })
      if (answer.ok) {
        if (answer.group === null) return
        told.changes.push({ command, group: answer.group, result: answer.result?.job, heardAt: end() })
        if (again-- <= 0) return
      } else if (!passing.has(answer.error.code)) {
        if (!refusals.has(answer.error.code)) throw new Error(`change ${command} was refused: ${answer.error.code} ${answer.error.text}`)
        return
      } else if (dies) {
        return
      }
      await pause(process.clock, dice.between(20, 1_000))
    }
    throw new Error(`change ${command} was never answered`)
  }

  #request(dice: Dice): Omit<ApiRequest<'change', 'apply'>, 'command'> {
    const { sites, smooth } = this.#options
    const mode = dice.pick(['jobs', 'direct', 'direct', undefined] as const)
    const targets = new Set<string>()
    const count = mode === 'direct' ? 1 : dice.whole(1, 8)
    for (let target = 0; target < count; target++) {
      const site = dice.pick([...sites.values()])
      targets.add(`${site.plan.site}/${dice.pick(site.services)}`)
    }
    const onFailure = mode === 'direct' ? 'stop' : dice.pick(['stop', 'stop', 'continue'] as const)
    return {
      selector: { services: [...targets] }, operation: operation(dice, smooth), confirmed: true, includeUnchanged: dice.chance(0.5), onFailure,
      ...(mode === undefined ? {} : { mode }),
      ...(mode !== 'jobs' ? {} : { order: dice.stream('order').chance(0.3) ? ('none' as const) : dice.pick(['strict', 'strict', 'sites'] as const) }),
    }
  }

  /** Until it is answered with yes; a definition, a suspension, a change, and at the end times that never come. */
  async #trigger(trigger: string, dice: Dice): Promise<void> {
    const { process, sites, isCalm, openUntilMs } = this.#options
    const { clock } = process
    const define = (over: boolean) =>
      this.#until('define', dice, (laterMs) => ({ trigger, ...triggerDefinition(dice, sites, clock.nowMs() + laterMs, openUntilMs, over), confirmed: true }))
    await pause(clock, dice.between(0, openUntilMs / 4))
    await define(false)
    while (!isCalm()) {
      await pause(clock, dice.between(1_000, 12_000))
      const phase = this.#view.state.triggers.get(trigger)?.phase
      if (isCalm()) break
      if (phase === 'suspended') await this.#until('resume', dice, () => ({ trigger }))
      else if (dice.chance(0.3)) await this.#until('suspend', dice, () => ({ trigger }))
      else if (dice.chance(0.3)) await define(false)
    }
    await pause(clock, 3_000)
    if (this.#view.state.triggers.get(trigger)?.phase === 'suspended') await this.#until('resume', dice, () => ({ trigger }))
    await define(true)
  }

  async #until(verb: 'define' | 'suspend' | 'resume', dice: Dice, make: (laterMs: number) => object): Promise<void> {
    const { clock } = this.#options.process
    let command = newUlid(clock.nowMs(), dice)
    let laterMs = 0
    let request = make(laterMs)
    for (const _ of patience(this.#options.isCalm)) {
      const answer = await this.#api.answer('trigger', verb, { ...request, command } as never, { timeoutMs: dice.pick([1_000, 10_000]) })
      if (answer.ok) return
      // Done by an attempt before, whose answer was lost.
      if (answer.error.code === 'wrong-state' && verb !== 'define') return
      // A time has gone by meanwhile, or the service's clock is ahead: perhaps by more than all the times that would be given.
      const isLate = verb === 'define' && answer.error.code === 'malformed' && answer.error.text.includes('in the past')
      if (isLate) {
        command = newUlid(clock.nowMs(), dice)
        request = make((laterMs += 1_000))
      } else if (!passing.has(answer.error.code)) throw new Error(`trigger ${verb}: ${answer.error.code} ${answer.error.text}`)
      await pause(clock, dice.between(20, 1_000))
    }
    throw new Error(`trigger ${verb} was never answered`)
  }

  /** As long as the world lasts: what nobody waits for any more may still come. */
  async #clean(dice: Dice): Promise<void> {
    const { process, isCalm } = this.#options
    const inHand = new Set<string>()
    for (;;) {
      await pause(process.clock, lookMs)
      if (this.#view.broken !== undefined) throw this.#view.broken
      if (this.failure !== undefined) return
      const fold = this.#view.state
      let left = 0
      for (const { command, taken } of fold.instructions.values()) {
        if (taken === null) continue
        const group = fold.group(groupId(taken.lane, command))
        const answered = fold.lanes.get(taken.lane)?.commands.get(command)
        if (group === undefined && (answered?.withdrawn === true || answered?.refused !== undefined)) continue
        if (group !== undefined && groupTable.isFinal(group.phase)) continue
        left += 1
        if (group === undefined || groupTable.can(group.phase, 'GroupSealed') || inHand.has(group.group)) continue
        inHand.add(group.group)
        this.#see(group, dice)
          .catch((error: unknown) => (this.failure ??= String(error)))
          .finally(() => inHand.delete(group.group))
      }
      for (const { running, waiting } of fold.triggers.values()) {
        if (waiting.length > 0 || (running !== null && standingOf(fold, running).kind !== 'ended')) left += 1
      }
      this.done = this.#asked && isCalm() && left === 0 && inHand.size === 0
    }
  }

  async #see(group: GroupState, dice: Dice): Promise<void> {
    const { clock } = this.#options.process
    const at = { group: group.group }
    const ask = async (verb: 'retry' | 'cancel' | 'resume' | 'pause' | 'resolve', more: object = {}) => {
      const answer = await this.#api.answer('group', verb, { ...at, ...more } as never, { timeoutMs: 10_000 })
      if (answer.ok || passing.has(answer.error.code) || refusals.has(answer.error.code)) return
      throw new Error(`${verb} of ${group.group}: ${answer.error.code} ${answer.error.text}`)
    }
    if (group.phase === 'faulted') throw new Error(`group ${group.group} is faulted: ${JSON.stringify(group.fault)}`)
    if (groupTable.can(group.phase, 'GroupResumed')) return ask('resume')
    if (groupTable.can(group.phase, 'GroupUnblocked')) {
      await pause(clock, dice.between(0, 1_000))
      if (group.unknown !== null) return ask('resolve', { job: group.unknown.job, as: dice.pick(['succeeded', 'failed'] as const) })
      return ask(dice.chance(0.6) ? 'retry' : 'cancel')
    }
    if (dice.chance(0.01)) return ask('pause')
    if (dice.chance(0.005)) return ask('cancel')
  }
}
