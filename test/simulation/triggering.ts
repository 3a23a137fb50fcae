/** Definitions of triggers in a simulated world: once-at times and each minute, every rule for what is missed and what overlaps. */
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import type { Dice } from './dice.ts'
import type { SimSite } from './site.ts'

/** `over`: at times that no world reaches. */
export function triggerDefinition(dice: Dice, sites: ReadonlyMap<string, SimSite>, nowMs: number, spanMs: number, over: boolean): Omit<ApiRequest<'trigger', 'define'>, 'trigger' | 'command'> {
  const change = () => {
    const site = dice.pick([...sites.values()])
    const services = new Set(Array.from({ length: dice.whole(1, 3) }, () => `${site.plan.site}/${dice.pick(site.services)}`))
    return { selector: { services: [...services] }, operation: { name: 'rename' as const, to: `name ${dice.whole(1, 1_000_000)}` } }
  }
  const graceMs = dice.pick([0, 2_000, 60_000])
  const times = [...new Set(Array.from({ length: dice.whole(1, 6) }, () => Math.floor(nowMs + dice.between(500, spanMs))))].sort((a, b) => a - b)
  const missed = dice.pick(['run-now', 'skip', 'fail', 'alternate'] as const)
  const overlap = dice.pick(['skip', 'queue', 'replace'] as const)
  return {
    name: over ? 'over' : `trigger ${dice.whole(1, 1_000)}`,
    change: change(),
    when: over ? { atMs: [nowMs + 30 * 24 * 3_600_000] } : { atMs: times, ...(dice.chance(0.5) ? { cron: { pattern: '* * * * *', zone: 'Europe/Berlin' } } : {}) },
    missed: { action: missed, graceMs, ...(missed === 'alternate' ? { change: change() } : {}) },
    overlap: { action: overlap, ...(overlap === 'queue' ? { limit: 2 } : {}) },
    monitoring: { timeoutMs: dice.whole(1_000, 30_000), heartbeatMs: dice.whole(1_000, 30_000), report: ['timeout', 'silent', 'blocked', 'failed', 'succeeded'] },
  }
}
