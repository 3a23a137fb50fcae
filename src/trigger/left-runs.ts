/**
 * The reactor of a service for runs of triggers (DESIGN §3): what the leader has not made an instruction of for a while (it died, or cannot
 * read a site that this service reaches), this service starts. The command id is that of the run, so that doubles are harmless.
 */
import { type Repeating, every } from '../../streams/ports/clock.ts'
import type { ServiceContext } from '../service/context.ts'
import { RunStarter } from './run-starter.ts'
import { standingOf } from './run-standing.ts'

/** The leader reads the sites itself first. */
const leftAfterMs = 15_000

export function startLeftRuns(context: ServiceContext): Repeating {
  const { view, clock, sites, adapterOf, opener, logger, service, timings } = context
  const starter = new RunStarter({ writing: { ...context, actor: `service:${service}` }, opener, sites, adapterOf, logger })
  return every(clock, timings.continueMs, () => {
    for (const { trigger, running } of view.state.triggers.values()) {
      if (running === null || clock.nowMs() - running.startedMs < leftAfterMs) continue
      if (standingOf(view.state, running).kind === 'to-plan') starter.begin(trigger, running)
    }
  })
}
