/** A realm in memory in virtual time, and agents in it: what the specs of whole agents share. */
import type { AgentRole } from '../../machines/agent/agent.ts'
import type { Logger } from '../../src/agent/context.ts'
import { type RunningAgent, startAgent } from '../../src/agent/agent.ts'
import type { MachineTransition } from '../../src/process/host.ts'
import { RealmView } from '../../src/realm/view.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { Dice } from '../simulation/dice.ts'
import { VirtualTime, epochMs } from '../simulation/virtual-time.ts'

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly agent: string
  readonly fields: object
  readonly message: string
}

export interface Member {
  readonly running: RunningAgent
  readonly coordinator: Coordinator
}

const stepLimit = 2_000_000

export class World {
  readonly time = new VirtualTime()
  readonly clock: Clock = clockOf(this.time)
  readonly dice = new Dice('agents')
  readonly realm = new MemoryRealm({ realm: 'reeve', clock: this.clock, random: this.dice.stream('realm') })
  readonly subjects = subjectsOf('reeve')
  readonly lines: Line[] = []
  readonly transitions: (MachineTransition & { readonly agent: string })[] = []
  readonly members = new Map<string, Member>()
  readonly observer = this.realm.connect({ name: 'observer', clock: this.clock })
  readonly view = new RealmView(this.observer.log, this.subjects)
  #connections = 0

  start(agent: string, options: { readonly role?: AgentRole; readonly skills?: readonly string[]; readonly region?: string; readonly clock?: Clock } = {}): RunningAgent {
    const clock = options.clock ?? this.clock
    const coordinator = this.realm.connect({ name: `${agent} ${++this.#connections}`, clock })
    const running = startAgent({
      agent,
      role: options.role ?? 'generic',
      region: options.region ?? 'here',
      skills: options.skills ?? [],
      build: 'test',
      realmName: 'reeve',
      coordinator,
      clock,
      random: this.dice.stream(`${agent} ${this.#connections}`),
      logger: this.#logger(agent),
      acceptWeakDurability: false,
      onTransition: (transition) => this.transitions.push({ ...transition, agent }),
    })
    this.members.set(agent, { running, coordinator })
    return running
  }

  nameOf(agent: string): string {
    for (let n = this.#connections; n > 0; n--) if (this.members.has(agent)) return `${agent} ${n}`
    return agent
  }

  /** Moves time on until the condition holds. Fails with what was logged when it does not within `withinMs` of virtual time. */
  async until(what: string, condition: () => boolean, withinMs = 30_000): Promise<void> {
    const end = await this.time.run(condition, { steps: this.time.steps + stepLimit, untilMs: this.time.nowMs + withinMs })
    if (end !== 'reached') {
      throw new Error(`${what} did not come about (${end}):\n${this.lines.map((line) => `${line.agent} ${line.level} ${line.message} ${JSON.stringify(line.fields)}`).join('\n')}`)
    }
  }

  async pass(durationMs: number): Promise<void> {
    const untilMs = this.time.nowMs + durationMs
    let over = false
    this.time.after(durationMs, () => (over = true))
    await this.time.run(() => over, { steps: this.time.steps + stepLimit, untilMs: untilMs + 1 })
  }

  leader(): RunningAgent | undefined {
    return [...this.members.values()].map(({ running }) => running).find((running) => running.leading !== undefined)
  }

  /** `kill -9`: the server closes its connection. */
  async kill(agent: string): Promise<void> {
    const member = this.members.get(agent)!
    this.members.delete(agent)
    await member.coordinator.close()
    await this.drive(member.running.crash())
  }

  /** Waits for a promise whose timers are virtual. */
  async drive<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let settled = false
    const watched = promise.finally(() => (settled = true))
    watched.catch(() => {})
    await this.until('the promise', () => settled, withinMs)
    return watched
  }

  async end(): Promise<void> {
    const ending = [...this.members.values()].map(async ({ running, coordinator }) => {
      await running.crash()
      await coordinator.close()
    })
    await Promise.all(ending)
    await this.view.stop()
    await this.observer.close()
  }

  #logger(agent: string): Logger {
    const at = (level: Line['level']) => (fields: object, message: string) => void this.lines.push({ level, agent, fields, message })
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }
}

function clockOf(time: VirtualTime): Clock {
  return {
    nowMs: () => epochMs + Math.floor(time.nowMs),
    monotonicMs: () => time.nowMs,
    after: (delayMs, task) => time.after(delayMs, task),
  }
}
