/**
 * Whether what a server acknowledges is on its disk (I8). Ordinary accounts cannot ask: `sync_always` stands in a server's
 * monitoring page `/varz` and in the answer to `$SYS.REQ.SERVER.PING.VARZ`, which only the system account may send. So who
 * runs the server, or may read one of the two, says it; everybody else says `unknown`.
 */
import type { Durability } from '../ports/coordinator.ts'

/** The part of a server's `varz` that is read here. */
interface Varz {
  readonly server_name?: unknown
  readonly jetstream?: {
    readonly config?: { readonly sync_always?: unknown; readonly sync_interval?: unknown; readonly store_dir?: unknown }
    /** In a cluster. */
    readonly meta?: { readonly cluster_size?: unknown }
  }
  readonly cluster?: { readonly name?: unknown }
}

const nanosPerSecond = 1_000_000_000

/**
 * From the `varz` of every server that may hold the log: in a cluster of all of them, for any two may be those that acknowledge.
 * Throws nothing: what cannot be read is `unknown`.
 */
export function durabilityOfServers(answers: readonly unknown[]): Durability {
  const servers = answers.map((answer) => answer as Varz | null).filter((varz) => varz?.jetstream?.config !== undefined)
  if (servers.length === 0) return { level: 'unknown', why: 'no server with JetStream says whether it syncs every write' }
  for (const varz of servers) {
    const config = varz?.jetstream?.config
    if (config?.sync_always === true) continue
    const name = typeof varz?.server_name === 'string' ? varz.server_name : 'a server'
    const seconds = typeof config?.sync_interval === 'number' ? `every ${config.sync_interval / nanosPerSecond} s` : 'at intervals'
    return { level: 'weak', why: `${name} syncs its log ${seconds}, not on every write` }
  }
  const asked = new Set(servers.map((varz) => varz?.server_name)).size
  const sizes = servers.map((varz) => (varz?.cluster?.name === undefined ? 1 : varz.jetstream?.meta?.cluster_size))
  const size = sizes.reduce<number>((most, each) => Math.max(most, typeof each === 'number' ? each : Infinity), 1)
  if (asked >= size) return { level: 'synced' }
  const all = Number.isFinite(size) ? `the ${size} servers` : 'all servers'
  return { level: 'unknown', why: `${asked} of ${all} of the cluster ${asked === 1 ? 'says that it syncs' : 'say that they sync'} every write, the others were not asked` }
}
