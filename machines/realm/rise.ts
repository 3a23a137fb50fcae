/** When the realm's format rises (DESIGN §3: only when everybody who lives knows the next). */
import type { RealmState } from './realm.ts'

export interface KnowsFormats {
  /** Newest format that this instance, of an agent or a service, goes along with; absent: 1. */
  readonly formats?: number
  readonly stopping: boolean
}

/**
 * The format that the realm may rise to, undefined where it stays. `inDoubt`: somebody may live who is not present, such as an
 * agent that has started and whose instance was not found lost yet.
 */
export function riseTo(realm: Pick<RealmState, 'founded' | 'format'>, present: readonly KnowsFormats[], inDoubt: boolean): number | undefined {
  if (!realm.founded || inDoubt || present.length === 0 || present.some(({ stopping }) => stopping)) return undefined
  const known = Math.min(...present.map(({ formats = 1 }) => formats))
  return known > realm.format ? known : undefined
}
