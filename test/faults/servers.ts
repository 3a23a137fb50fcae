/** Which server of a cluster plays which part for the log, and how it is made so. */
import type { FaultRealm } from './realm.ts'

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
    const page = (await (await fetch(`${server.monitoringUrl}/jsz`, { signal: AbortSignal.timeout(2_000) })).json()) as { readonly meta_cluster?: { readonly leader?: string } }
    const leader = page.meta_cluster?.leader
    if (leader !== undefined && leader !== '') return leader
  }
  return undefined
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
