/** A realm with no generic agent leads nothing: a skilled agent, which never campaigns, says so (spec/agents.md "The parts"). */
import { presenceIn } from '../../streams/coordination.ts'
import { type Repeating, every } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { AgentContext } from './context.ts'

const lookMs = 10_000

/** Says it once each time that it begins to be so. */
export function watchForGenericAgents(context: AgentContext): Repeating {
  let said = false
  const look = async () => {
    const entries = await context.coordinator.agents.entries()
    const generic = entries.some(({ key, value }) => key.startsWith('instance.') && presenceIn(value)?.role === 'generic')
    if (!generic && !said) {
      context.logger.warn({ agent: context.agent }, 'no generic agent is here, so nothing is assigned and no lane is mapped; start one with "reeve agent"')
    }
    said = !generic
  }
  return every(context.clock, lookMs, () => {
    look().catch((error: unknown) => {
      if (!(error instanceof Unavailable)) context.logger.error({ err: error }, 'the agents could not be looked at')
    })
  })
}
