/** The plan of a trigger's change as the sites are now: when it is defined, to see that it can be, and at each of its times. */
import type { z } from 'zod'
import type { TriggeredChange } from '../../machines/trigger/definition.ts'
import type { triggeredChangeSchema } from '../../streams/api/trigger.ts'
import { type ChangePlan, planChange } from '../change/plan.ts'
import { type SiteSource, selectTargets } from '../change/selection.ts'
import type { SiteAdapter } from '../sites/adapter.ts'

export type AskedChange = z.output<typeof triggeredChangeSchema>

/** A definition leaves the factor out where it is 100, for ever (docs/wire.md), whatever is the default for who asks now. */
export function recordedChange(change: TriggeredChange): TriggeredChange {
  return { distributionFactor: 100, ...change }
}

/** Throws `ApiFailure`, `UnknownSiteKind`. */
export async function planTriggered(source: SiteSource, change: AskedChange, adapterOf: (kind: string) => SiteAdapter): Promise<ChangePlan> {
  const { selector, operation, includeUnchanged, window, order, predicates, onFailure } = change
  const targets = await selectTargets(source, selector)
  return planChange(targets, { operation, includeUnchanged, window, adapterOf, order, predicates, onFailure })
}
