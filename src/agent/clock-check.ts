/** P15: how far this machine's wall clock is from the server's stamp on a message that this process has just stored. */
import { presenceKey } from '../../streams/coordination.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { OwnPresence } from '../presence/presence.ts'
import type { AgentContext, LaneHosting } from './context.ts'

/**
 * Milliseconds that the server is ahead, too high by at most the time of one renewal's way; undefined where the last renewal
 * is no longer the one that stands there. Throws `Unavailable`.
 */
async function clockSkewMs(context: AgentContext, presence: OwnPresence): Promise<number | undefined> {
  const { instance, lastRenewal } = presence
  if (lastRenewal === undefined) return undefined
  const entry = await context.coordinator.agents.get(presenceKey(instance))
  if (entry === undefined || entry.revision !== lastRenewal.revision) return undefined
  return entry.storedMs - lastRenewal.sent.nowMs
}

/** Who is further than `clockSkewMs` from the server's stamp takes no lane. Where the server does not answer, it stays as it was. */
export async function checkClock({ context, presence, lanes }: { context: AgentContext; presence: OwnPresence; lanes: LaneHosting }): Promise<void> {
  const { agent, constants, logger } = context
  try {
    const skewMs = await clockSkewMs(context, presence)
    if (skewMs === undefined) return
    const trusted = Math.abs(skewMs) <= constants.clockSkewMs
    if (!trusted) logger.error({ agent, skewMs }, 'the clock of this machine is wrong; it takes no lane until that is set right')
    lanes.setClockTrusted(trusted)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
  }
}
