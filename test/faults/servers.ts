/** Which server of a cluster plays which part for the log, and how it is made so. */
import { type FaultRealm, patienceMs } from './realm.ts'

export type ServerRole = 'leader of the log' | 'leader of the cluster' | 'follower'

interface Info {
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly { readonly name: string; readonly current?: boolean; readonly offline?: boolean }[] }
}

export async function leaderOfLog(realm: FaultRealm): Promise<string | undefined> {
  const { connection, log } = realm.coordinator
  const answer = await connection.api<Info>(`STREAM.INFO.${log.stream}`)
  return answer.ok ? answer.value.cluster?.leader : undefined
}

async function leaderOfCluster(realm: FaultRealm): Promise<string | undefined> {
  for (const server of realm.cluster.servers.values()) {
    const { ofCluster } = await leadersKnownTo(server.monitoringUrl, realm.coordinator.log.stream)
    if (ofCluster !== undefined) return ofCluster
  }
  return undefined
}

/**
 * When the cluster, or the log, last had no leader that most servers know of. They choose one by waits of 4 to 9 s of their own, also anew when a
 * server that was frozen or cut off comes back with a higher term; until then JetStream answers nothing but appends, so nobody can read the log or a bucket.
 */
export class Leaderless {
  lastMs = 0
  #stopped = false
  readonly #looking: Promise<void>

  /** Looks until it is stopped; for five minutes at most. A lone server leads itself. */
  constructor(realm: FaultRealm) {
    const urls = realm.monitoringUrl.split(',')
    this.#looking = urls.length === 1 ? Promise.resolve() : this.#look(urls, realm.coordinator.log.stream, Date.now() + patienceMs)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#looking
  }

  async #look(urls: readonly string[], stream: string, untilMs: number): Promise<void> {
    while (!this.#stopped && Date.now() < untilMs) {
      const askedMs = Date.now()
      const known = await Promise.all(urls.map((url) => leadersKnownTo(url, stream)))
      if (!agreed(known.map(({ ofCluster }) => ofCluster)) || !agreed(known.map(({ ofLog }) => ofLog))) this.lastMs = askedMs
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Most of them name the same one. */
function agreed(leaders: readonly (string | undefined)[]): boolean {
  return leaders.some((leader) => leader !== undefined && leaders.filter((other) => other === leader).length > leaders.length / 2)
}

interface Leaders {
  readonly ofCluster: string | undefined
  readonly ofLog: string | undefined
}

/** By the server's own page; undefined what it does not know, and both where it does not answer. */
async function leadersKnownTo(monitoringUrl: string, stream: string): Promise<Leaders> {
  try {
    const page = (await (await fetch(`${monitoringUrl}/jsz?streams=true`, { signal: AbortSignal.timeout(2_000) })).json()) as StatePage
    const log = page.account_details?.flatMap(({ stream_detail }) => stream_detail ?? []).find(({ name }) => name === stream)
    return { ofCluster: page.meta_cluster?.leader || undefined, ofLog: log?.cluster?.leader || undefined }
  } catch {
    return { ofCluster: undefined, ofLog: undefined }
  }
}

interface StatePage {
  readonly meta_cluster?: { readonly leader?: string }
  readonly account_details?: readonly { readonly stream_detail?: readonly { readonly name: string; readonly cluster?: { readonly leader?: string } }[] }[]
}

/** Every copy of the log is there and has all of it. */
export async function replicated(realm: FaultRealm): Promise<void> {
  const { connection, log } = realm.coordinator
  await realm.eventually(
    async () => {
      const answer = await connection.api<Info>(`STREAM.INFO.${log.stream}`)
      const replicas = answer.ok ? (answer.value.cluster?.replicas ?? []) : []
      return replicas.length === 2 && replicas.every(({ current, offline }) => current === true && offline !== true)
    },
    { what: 'three current copies of the log', everyMs: 200 },
  )
}

/** Resolves with the name of a server that has that part and no other; the log's leader is moved where it also leads the cluster. */
export async function serverWith(realm: FaultRealm, role: ServerRole): Promise<string> {
  await replicated(realm)
  const { connection, log } = realm.coordinator
  const names = [...realm.cluster.servers.keys()]
  const parts = await realm.eventually(
    async () => {
      const [ofLog, ofCluster] = [await leaderOfLog(realm), await leaderOfCluster(realm)]
      if (ofLog === undefined || ofCluster === undefined) return undefined
      if (ofLog !== ofCluster) return { ofLog, ofCluster }
      await connection.api(`STREAM.LEADER.STEPDOWN.${log.stream}`, { placement: { preferred: names.find((name) => name !== ofCluster) } })
      return undefined
    },
    { what: 'two leaders on two servers', everyMs: 300 },
  )
  if (role === 'leader of the log') return parts.ofLog
  if (role === 'leader of the cluster') return parts.ofCluster
  return names.find((name) => name !== parts.ofLog && name !== parts.ofCluster)!
}
