/** Whether acknowledged means durable on a server that somebody else runs (I8): only what it says itself counts. */
import { durabilityOfServers } from '../../streams/jetstream/durability.ts'
import type { Durability } from '../../streams/ports/coordinator.ts'
import { readJsonAt } from '../platform/loopback.ts'

/** Undefined where there is no monitoring page to ask: the coordinator then says what it knows. Several pages: of the servers of a cluster. */
export async function durabilityAt(monitoringUrl: string | undefined): Promise<Durability | undefined> {
  if (monitoringUrl === undefined) return undefined
  const pages = await Promise.all(monitoringUrl.split(',').map(async (url) => ({ url, varz: await readJsonAt(new URL('/varz', url).href, 3_000) })))
  const silent = pages.find(({ varz }) => varz === undefined)
  const said = durabilityOfServers(pages.map(({ varz }) => varz))
  if (silent === undefined || said.level === 'weak') return said
  return { level: 'unknown', why: `the monitoring page ${silent.url} does not answer`, unanswered: true }
}
