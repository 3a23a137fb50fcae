/**
 * A person with a program of the realm at hand, whom nothing befalls but the network: plans how agents are to be, begins and ends
 * quarantines. Connects anew for each act, so that a restored realm is found too.
 */
import { absentAgent, foldAgent, type AgentEvent, type AgentState } from '../../machines/agent/agent.ts'
import { configureAgent } from '../../machines/agent/decide.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { putIntoQuarantine, releaseFromQuarantine } from '../../src/realm/quarantine.ts'
import type { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'

const attempts = 100

export class Administrator {
  readonly #realm: MemoryRealm
  readonly #subjects: Subjects
  readonly #clock: Clock
  readonly #dice: Dice
  readonly #say: (what: string) => void
  #acts = 0
  #last: Promise<void> = Promise.resolve()

  constructor(realm: MemoryRealm, subjects: Subjects, clock: Clock, dice: Dice, say: (what: string) => void) {
    this.#realm = realm
    this.#subjects = subjects
    this.#clock = clock
    this.#dice = dice
    this.#say = say
  }

  /** Any plan; refused ones change nothing. */
  planAnything(agent: string): void {
    const dice = this.#dice
    this.#plan(agent, dice.pick([{ role: 'skilled' }, { role: 'generic' }, { role: null }, { holdsLanes: false }, { holdsLanes: null }, { capacity: 1 }, { capacity: null }, { region: 'q' }, { region: null }, { skilledOnly: true }, { skilledOnly: null }] as const), 1)
  }

  planNothing(agent: string): void {
    this.#plan(agent, { role: null, holdsLanes: null, capacity: null, region: null, skilledOnly: null }, attempts)
  }

  quarantine(): void {
    this.#act('begins a quarantine', 1, ({ log }) => putIntoQuarantine({ log, clock: this.#clock, random: this.#dice }, this.#subjects, { actor: 'person:admin', why: 'an incident' }))
  }

  release(): void {
    this.#act('ends the quarantine', attempts, ({ log }) => releaseFromQuarantine({ log, clock: this.#clock, random: this.#dice }, this.#subjects, { actor: 'person:admin' }))
  }

  #plan(agent: string, change: Parameters<typeof configureAgent>[1], times: number): void {
    this.#act(`plans ${agent}: ${JSON.stringify(change)}`, times, ({ log }) =>
      writeAggregate<AgentState, AgentEvent>({ log, clock: this.#clock, random: this.#dice }, {
        subject: this.#subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent,
        decide: (state) => configureAgent(state, change), actor: 'person:admin',
      }),
    )
  }

  #act(what: string, times: number, write: (coordinator: Coordinator) => Promise<{ readonly kind: string }>): void {
    const acting = async () => {
      for (let attempt = 1; attempt <= times; attempt++) {
        const coordinator = this.#realm.connect({ name: `admin.${++this.#acts}`, clock: this.#clock })
        try {
          const { kind } = await write(coordinator)
          return this.#say(`${what}: ${kind}`)
        } catch (error) {
          this.#say(`${what}: ${String(error)}`)
        } finally {
          await coordinator.close()
        }
        await pause(this.#clock, 500)
      }
    }
    // One after the other, as a person does: else what was begun late would stand after its own end.
    this.#last = this.#last.then(acting)
  }
}
