/** The NATS server: JetStream, the streams field by field, durability (I8), clocks. Reads only. */
import { counted } from '../../machines/counted.ts'
import type { Link } from '../../streams/jetstream/link.ts'
import { isUnfinished } from '../../streams/jetstream/next-incarnation.ts'
import { configOf, findIncarnation, realmDefinitions, reportOf } from '../../streams/jetstream/streams-definition.ts'
import { leastServerVersion } from '../../streams/jetstream/connect.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Durability } from '../../streams/ports/coordinator.ts'
import type { Subjects } from '../../streams/subjects.ts'
import { readPageAt } from '../platform/loopback.ts'
import { durabilityAt } from '../up/ask-durability.ts'
import { compareVersions, parseVersion } from '../server/version.ts'
import { type Finding, note, ok, problem } from './finding.ts'

export function checkServerVersion(link: Link): Finding {
  const version = link.connection.info?.version ?? ''
  const [found, least] = [parseVersion(version), parseVersion(leastServerVersion)!]
  if (found === undefined) return note('server-version', 'the server does not say which version it is')
  return compareVersions(found, least) >= 0
    ? ok('server-version', `nats-server ${version} answers at ${link.connection.getServer()}`)
    : problem('server-version', `the nats-server is ${version}`, `Reeve needs ${leastServerVersion} or newer: upgrade it`)
}

export async function checkJetStream(link: Link): Promise<Finding> {
  const answer = await link.api<{ readonly streams: number; readonly storage: number }>('INFO')
  return answer.ok
    ? ok('jetstream', `JetStream is on: ${counted(answer.value.streams, 'stream')}, ${Math.ceil(answer.value.storage / 1024)} KiB`)
    : problem('jetstream', `JetStream is not available: ${answer.error.description}`, 'switch JetStream on for this account')
}

/** Every stream and bucket of the realm, field by field. */
export async function checkStreams(link: Link, subjects: Subjects): Promise<readonly Finding[]> {
  const incarnation = await findIncarnation(link, subjects)
  if (incarnation === undefined) return [problem('streams', `there is no realm ${subjects.realm} on this server`, 'start it ("reeve up", "reeve serve"), or name another with --realm')]
  const stands = await configOf(link, subjects.streamName(incarnation))
  if (stands !== undefined && isUnfinished(subjects, incarnation, stands)) {
    return [problem('streams', `realm ${subjects.realm} is being imported or restored, or that was cut off (stream ${subjects.streamName(incarnation)} is not whole)`, 'wait for its end, or repeat it; to give it up, delete that stream; do not change its fields')]
  }
  const findings: Finding[] = []
  const definitions = realmDefinitions(subjects, incarnation)
  for (const definition of definitions) {
    const report = await reportOf(link, definition)
    if (!report.present) {
      findings.push(problem('streams', `stream ${definition.name} is missing`, 'start "reeve serve", which makes what is missing; a bucket is rebuilt, a log is not'))
      continue
    }
    for (const one of report.differences) {
      findings.push(problem('streams', `stream ${one.stream}: ${one.field} is ${JSON.stringify(one.actual)} where ${JSON.stringify(one.expected)} is needed`, 'restore the field with the nats command; no program writes until then'))
    }
  }
  return findings.length > 0 ? findings : [ok('streams', `${counted(definitions.length, 'stream')} of realm ${subjects.realm}, incarnation ${incarnation}: every field is as it should be`)]
}

/** Never ok on a guess: what cannot be read is unknown. `saidByRealm`: what the service interface knows. */
export async function checkDurability(link: Link, monitoringUrl: string | undefined, saidByRealm: Durability | undefined): Promise<Finding> {
  const how = 'name its monitoring page with --monitoring-url'
  if (monitoringUrl === undefined) {
    if (saidByRealm === undefined) return note('durability', 'durability is unknown: only its monitoring page says whether the server syncs every write', how)
    return durabilityFinding(saidByRealm, how)
  }
  return durabilityFinding((await durabilityAt(monitoringUrl))!, link.connection.info?.cluster === undefined ? how : `${how}, that of each server of the cluster, separated by commas`)
}

function durabilityFinding(durability: Durability, how: string): Finding {
  switch (durability.level) {
    case 'synced':
      return ok('durability', 'every acknowledged write is on the disk (sync_interval: always)')
    case 'weak':
      return problem('durability', `durability is weak: ${durability.why}`, 'set jetstream.sync_interval: always and restart the server')
    case 'unknown':
      return note('durability', `durability is unknown: ${durability.why}`, durability.unanswered === true ? 'start that server, or name the page that it has' : how)
  }
}

/** From where on a store counts as full: the rest may go in minutes. */
const fullPart = 0.95
const mebibyte = 1024 * 1024

/** Whether each server takes writes, and has room for more, as its monitoring pages say. */
export async function checkStores(monitoringUrl: string | undefined): Promise<readonly Finding[]> {
  if (monitoringUrl === undefined) return []
  return Promise.all(monitoringUrl.split(',').map(checkStore))
}

async function checkStore(monitoringUrl: string): Promise<Finding> {
  const page = (path: string) => readPageAt(new URL(path, monitoringUrl).href, 3_000)
  const [health, varz] = await Promise.all([page('/healthz'), page('/varz')])
  if (health === undefined || varz === undefined) return problem('store', `the monitoring page ${monitoringUrl} does not answer`, 'look whether that nats-server runs, and start it')
  const { server_name: name, jetstream } = varz.json as { readonly server_name?: string; readonly jetstream?: { readonly config?: { readonly max_storage?: number }; readonly stats?: { readonly storage?: number } } }
  const server = `nats-server ${name ?? monitoringUrl}`
  if (!health.ok) {
    const { error = 'it does not say why' } = health.json as { readonly error?: string }
    return problem('store', `${server} is not well: ${error}`, 'where its disk is full, make room; then start it again: until then it writes nothing')
  }
  const [used, most] = [jetstream?.stats?.storage ?? 0, jetstream?.config?.max_storage ?? Infinity]
  const text = `${Math.ceil(used / mebibyte)} of ${Number.isFinite(most) ? Math.floor(most / mebibyte) : 'any number of'} MiB`
  return used >= most * fullPart
    ? problem('store', `the store of ${server} is full: ${text} (max_file_store)`, 'raise max_file_store and start it again, or make room: until then nothing new is started')
    : ok('store', `the store of ${server} has room: ${text} are used`)
}

/** Compares with the server's stamp on its answer; half the round trip is the error. */
export async function checkClock(link: Link, clock: Clock, subjects: Subjects, allowedMs: number): Promise<Finding> {
  const incarnation = await findIncarnation(link, subjects)
  if (incarnation === undefined) return note('clock', 'clocks cannot be compared: there is no log yet')
  const beforeMs = clock.nowMs()
  const answer = await link.api<{ readonly ts?: string }>(`STREAM.INFO.${subjects.streamName(incarnation)}`)
  const afterMs = clock.nowMs()
  const serverMs = answer.ok && answer.value.ts !== undefined ? Date.parse(answer.value.ts) : Number.NaN
  if (Number.isNaN(serverMs)) return note('clock', 'the server does not say what time it has')
  const skewMs = Math.round(serverMs - (beforeMs + afterMs) / 2)
  const text = `the server's clock is ${Math.abs(skewMs)} ms ${skewMs < 0 ? 'behind' : 'ahead of'} this machine's`
  return Math.abs(skewMs) > allowedMs
    ? problem('clock', text, `set the clocks: beyond ${allowedMs} ms an agent takes no lane (P15)`)
    : ok('clock', text)
}
