/** P15: how far this machine's wall clock is from the server's stamp on a message that this process has just stored. */
import { presenceKey } from '../../streams/coordination.ts'
import type { OwnPresence } from '../presence/presence.ts'
import type { AgentContext } from './context.ts'

/**
 * Milliseconds that the server is ahead, too high by at most the time of one renewal's way; undefined where the last renewal
 * is no longer the one that stands there. Throws `Unavailable`.
 */
export async function clockSkewMs(context: AgentContext, presence: OwnPresence): Promise<number | undefined> {
  const { instance, lastRenewal } = presence
  if (lastRenewal === undefined) return undefined
  const entry = await context.coordinator.agents.get(presenceKey(instance))
  if (entry === undefined || entry.revision !== lastRenewal.revision) return undefined
  return entry.storedMs - lastRenewal.sent.nowMs
}
