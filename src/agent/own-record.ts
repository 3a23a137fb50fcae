/** What an agent writes of itself into the log, and what the log says of it: its own aggregate. */
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type Decision, nothing } from '../../machines/decision.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import { writeAggregate } from '../realm/aggregate-writer.ts'
import type { CommitContext } from '../realm/commit-append.ts'
import { feedWritten } from '../realm/feed.ts'

export class OwnRecord {
  readonly #context: CommitContext
  readonly #bus: Bus
  readonly #subjects: Subjects
  readonly #agent: string

  constructor(context: CommitContext, bus: Bus, subjects: Subjects, agent: string) {
    this.#context = context
    this.#bus = bus
    this.#subjects = subjects
    this.#agent = agent
  }

  /** `format`: as `AggregateWrite`. The state afterwards; undefined when the agent ends meanwhile, or may not write it. Throws `Unavailable`. */
  async write(decide: (state: AgentState) => Decision<AgentEvent>, format?: number): Promise<AgentState | undefined> {
    const written = await writeAggregate<AgentState, AgentEvent>(this.#context, {
      subject: this.#subjects.aggregate('agent', this.#agent),
      aggregate: 'agent',
      id: this.#agent,
      empty: absentAgent(this.#agent),
      fold: foldAgent,
      decide,
      actor: `agent:${this.#agent}`,
      ...(format === undefined ? {} : { format }),
    })
    feedWritten(this.#bus, this.#subjects, written)
    return written.kind === 'written' || written.kind === 'nothing' ? written.state : undefined
  }

  read(): Promise<AgentState | undefined> {
    return this.write(() => nothing('only read'))
  }
}
