/** Whole agents in virtual time, and triggers that they carry out at a site in memory. */
import { defineTrigger, removeTrigger, resumeTrigger, suspendTrigger } from '../../machines/trigger/decide.ts'
import type { TriggerDefinition } from '../../machines/trigger/definition.ts'
import type { Decision } from '../../machines/decision.ts'
import type { TriggerEvent } from '../../machines/trigger/events.ts'
import type { TriggerState } from '../../machines/trigger/evolve.ts'
import { writeDefinition } from '../../src/trigger/defining.ts'
import { type RunStanding, standingOf } from '../../src/trigger/run-standing.ts'
import type { Service } from '../../machines/service/model.ts'
import { type SiteAdapter, type SiteResult, SiteUnreachable } from '../../src/sites/adapter.ts'
import { UnknownSiteKind } from '../../src/sites/registry.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { pause } from '../../streams/ports/clock.ts'
import { World } from '../agent/world.ts'
import { type Violation } from '../checkers/violation.ts'
import { checkRun } from '../checkers/all.ts'
import { readLog } from '../checkers/read.ts'
import { epochMs } from '../simulation/virtual-time.ts'

export const minuteMs = 60_000

export const rehearsal = { selector: { sites: ['hall'] }, operation: { name: 'rehearse' as const } }
export const other = { selector: { services: ['hall/2'] }, operation: { name: 'rehearse' as const } }

export const plain = {
  name: 'a trigger',
  change: rehearsal,
  when: { cron: { pattern: '* * * * *', zone: 'UTC' } },
  missed: { action: 'run-now', graceMs: 20_000 },
  overlap: { action: 'skip' },
} satisfies TriggerDefinition

export class TriggerWorld extends World {
  /** How long a read and a call of the site take. */
  readMs = 0
  callMs = 0
  unreachable = false
  result: SiteResult = { kind: 'done' }
  /** In order: what the site was asked to do. */
  readonly calls: string[] = []

  readonly adapterOf = (kind: string): SiteAdapter => {
    if (kind !== 'hall') throw new UnknownSiteKind(kind)
    return {
      kind: 'hall',
      fencing: 'none',
      skill: 'required',
      operations: new Set(['rehearse', 'start']),
      repeatable: new Set(['rehearse', 'start']),
      checkAddress: () => undefined,
      connect: ({ site }) => ({
        read: async (signal) => {
          await pause(this.clock, this.readMs, signal)
          if (this.unreachable) throw new SiteUnreachable(`site ${site} does not answer`)
          return { site, services: ['1', '2', '3'].map((id) => serviceOf(id)) }
        },
        carryOut: async (call) => {
          await pause(this.clock, this.callMs, call.signal)
          this.calls.push(call.service)
          return this.result
        },
        close: async () => {},
      }),
    }
  }

  /** Two generic agents and a skilled one, beside one site. */
  async found(): Promise<void> {
    this.generic('g1')
    this.generic('g2')
    this.start('s1', { role: 'skilled', skills: ['hall'], adapterOf: this.adapterOf })
    await this.until('somebody leads', () => this.leader() !== undefined)
    await this.addSite('hall', 'hall:', 'none', 'hall')
    await this.until('lanes are held', () => [...this.view.state.lanes.values()].some(({ holder }) => holder !== null))
  }

  generic(agent: string): void {
    this.start(agent, { adapterOf: this.adapterOf })
  }

  get nowMs(): number {
    return this.clock.nowMs()
  }

  /** Moves time on to so long after the beginning of a minute, later than now. */
  async passTo(afterMinuteMs: number): Promise<number> {
    let atMs = Math.floor(this.nowMs / minuteMs) * minuteMs + afterMinuteMs
    while (atMs <= this.nowMs) atMs += minuteMs
    await this.pass(atMs - this.nowMs)
    return atMs
  }

  /** As a service does it: what is due is decided first. */
  async ask(trigger: string, decide: (state: TriggerState, nowMs: number) => Decision<TriggerEvent>): Promise<void> {
    const { subjects, observer, clock, dice, view } = this
    const writing = { coordinator: observer, subjects, clock, random: dice, view, signal: new AbortController().signal, actor: 'service:test' }
    const written = await this.drive(writeDefinition(writing, { trigger, decide, actor: 'person:test' }))
    if (written.kind !== 'written') throw new Error(`trigger ${trigger}: ${JSON.stringify(written)}`)
    await this.drive(view.reached(written.position))
  }

  define(trigger: string, more: Partial<TriggerDefinition> = {}): Promise<void> {
    return this.ask(trigger, (state, nowMs) => defineTrigger(state, { ...plain, ...more }, nowMs))
  }
  remove = (trigger: string) => this.ask(trigger, removeTrigger)
  suspend = (trigger: string) => this.ask(trigger, suspendTrigger)
  resume = (trigger: string) => this.ask(trigger, resumeTrigger)

  trigger(trigger: string): TriggerState {
    return this.view.state.triggers.get(trigger)!
  }

  /** `MM:SS verdict why` of each decided time, minutes since the world began. */
  decided(trigger: string): string[] {
    return this.trigger(trigger).recent.map(({ atMs, verdict, why }) => `${this.minuteOf(atMs)} ${verdict}${why === null ? '' : ` ${why}`}`)
  }

  minuteOf(atMs: number): number {
    return Math.round((atMs - epochMs) / minuteMs)
  }

  run(trigger: string): RunStanding | undefined {
    const { running } = this.trigger(trigger)
    return running === null ? undefined : standingOf(this.view.state, running)
  }

  ended(trigger: string): boolean {
    return this.run(trigger)?.kind === 'ended'
  }

  /** Groups of the trigger, in the order in which they were opened. */
  groupsOf(trigger: string): string[] {
    return [...this.view.state.instructions.values()].filter(({ taken }) => taken?.trigger?.trigger === trigger).map(({ command, taken }) => `${taken!.lane}-${command}`)
  }

  /** What the whole log says, once everybody had the time. */
  async violations(endedBy = this.nowMs): Promise<Violation[]> {
    const stored: StoredMessage[] = []
    const reading = async () => {
      const until = await this.observer.log.end()
      for await (const batch of this.observer.log.read({ subjects: [this.subjects.allEvents], from: 1, until })) stored.push(...batch)
    }
    await this.drive(reading())
    const log = readLog(stored, this.subjects.realm)
    return checkRun(log, { ended: true, triggersEndedBy: endedBy })
  }
}

function serviceOf(id: string): Service {
  return {
    id, name: `service ${id}`, kind: 'machine', delivery: 'hosted', folder: '', group: null, power: 'on', maintenance: false, assignment: 'fixed', users: [], userGroups: [], sessions: [],
  }
}
