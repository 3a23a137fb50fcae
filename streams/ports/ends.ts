/**
 * Ends of agents' connections, as the coordinator itself tells them: a hint that may come late, never, or of one that is back already (I11). Whoever
 * hears it asks the agent at once instead of with its next round, and goes by the answer.
 */
import type { Subscription } from './bus.ts'

export interface ConnectionEnds {
  /** From now on the end of this connection is told as that of this agent. Idempotent. */
  show(agent: string): void
  /** What `show` asked for stands, as far as is known here. */
  readonly isShown: boolean
  onEnd(listener: (agent: string) => void): Subscription
}
