/** Nobody may live in a realm whose log is replaced. A presence that a backup brought back is nobody's: it is not renewed, and ends by itself. */
import { defaultConstants } from '../../machines/realm/realm.ts'
import { presenceIn } from '../../streams/coordination.ts'
import { type Clock, pause } from '../../streams/ports/clock.ts'
import type { Incarnations } from '../../streams/ports/incarnations.ts'
import { RestoreRefused } from './refused.ts'

const lookEveryMs = 200
const instanceKeys = 'instance.'

/** A presence that is not renewed ends within the realm's presence time, which is not known here. */
const longestMs = 10 * defaultConstants.presenceMs

/** Waits for the end of what nobody renews. Throws `RestoreRefused` where somebody is present, `Unavailable`. */
export async function demandNobodyPresent(incarnations: Incarnations, clock: Clock): Promise<void> {
  const look = async () => (await incarnations.presences()).filter(({ key }) => key.startsWith(instanceKeys))
  const first = new Map((await look()).map((entry) => [entry.key, entry]))
  if (first.size === 0) return
  const untilMs = clock.monotonicMs() + longestMs
  while (clock.monotonicMs() < untilMs) {
    await pause(clock, lookEveryMs)
    const now = await look()
    const renewed = now.find(({ key, revision }) => first.get(key)?.revision !== revision)
    if (renewed !== undefined) {
      const { agent, role } = presenceIn(renewed.value) ?? { agent: renewed.key.slice(instanceKeys.length), role: 'agent' }
      throw new RestoreRefused(`${role === 'service' ? 'service' : 'agent'} ${agent} lives in the realm: stop every agent and service first ("reeve agent list"; Ctrl-C ends "reeve up")`)
    }
    if (now.length === 0) return
  }
  throw new RestoreRefused(`presences of ${[...first.keys()].join(', ')} stand in the bucket of agents and neither are renewed nor end: make sure that nobody lives in the realm, and delete those keys`)
}
