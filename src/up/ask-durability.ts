/** Whether acknowledged means durable on a server that somebody else runs (I8): only what it says itself counts. */
import { durabilityOfServers } from '../../streams/jetstream/durability.ts'
import type { Durability } from '../../streams/ports/coordinator.ts'
import { readJsonAt } from '../platform/loopback.ts'

/** Undefined where there is no monitoring page to ask: the coordinator then says what it knows. */
export async function durabilityAt(monitoringUrl: string | undefined): Promise<Durability | undefined> {
  if (monitoringUrl === undefined) return undefined
  const varz = await readJsonAt(new URL('/varz', monitoringUrl).href, 3_000)
  if (varz === undefined) return { level: 'unknown', why: `the monitoring page ${monitoringUrl} does not answer` }
  if (typeof varz === 'object' && varz !== null && Object.keys((varz as { cluster?: object }).cluster ?? {}).includes('name')) {
    const own = durabilityOfServers([varz])
    return own.level === 'synced' ? { level: 'unknown', why: 'the other servers of the cluster were not asked' } : own
  }
  return durabilityOfServers([varz])
}
