/** Connecting a program to its realm on NATS: everything of `Coordinator`, behind one connection. */
import { type IntakeSaid, IntakeWatch } from '../intake.ts'
import type { Bucket } from '../ports/bucket.ts'
import type { LinkState } from '../ports/bus.ts'
import type { Random } from '../ports/clock.ts'
import type { Coordinator, CoordinatorPlace, Durability } from '../ports/coordinator.ts'
import type { ReadingSaid } from '../reading.ts'
import type { BucketKind } from '../subjects.ts'
import { subjectsOf } from '../subjects.ts'
import { JetStreamAlarms } from './alarms.ts'
import { JetStreamBucket } from './bucket.ts'
import { NatsBus } from './bus.ts'
import { durabilityOfServers } from './durability.ts'
import { JetStreamEnds } from './ends.ts'
import { JetStreamEventLog } from './event-log.ts'
import type { Link, TooLarge } from './link.ts'
import { isUnfinished } from './next-incarnation.ts'
import { type LinkOptions, type Login, named, openLink } from './open-link.ts'
import { JetStreamSnapshotStore } from './snapshot-store.ts'
import { bucketDefinition, configOf, ensureStream, eventsDefinition, findIncarnation, NoSuchRealm, schedulesDefinition } from './streams-definition.ts'
import { openTextStore } from './text-store.ts'

export interface ConnectOptions extends LinkOptions {
  /** Region of each of `servers`, where it is known. */
  readonly regions?: readonly (string | null)[]
  readonly realm: string
  readonly random: Random
  /** Makes streams and buckets that are missing; else a missing realm is an error. */
  readonly create?: boolean
  /** Known by who runs the server (I8). */
  readonly durability?: Durability
  /** A login of the system account, with which the servers can be asked whether they sync. */
  readonly systemLogin?: Login
  readonly onLink?: (state: LinkState) => void
  /** Told when the log takes nothing that this program appends, and when it does again. */
  readonly onIntake?: (said: IntakeSaid) => void
  /** Told when something has not been readable for a while, and when all is again. */
  readonly onReading?: (said: ReadingSaid) => void
  /** Told of each message that was not sent because the server does not take one so large. */
  readonly onTooLarge?: (dropped: TooLarge) => void
}

export interface NatsCoordinator extends Coordinator {
  readonly place: CoordinatorPlace
  readonly ends: JetStreamEnds
  readonly log: JetStreamEventLog
  /** For `doctor` and what else looks at the server itself. */
  readonly connection: Link
  readonly serverVersion: string
}

/** Oldest server with everything that Reeve needs (DESIGN §5 "Embedded default"). */
export const leastServerVersion = '2.14.0'

export class ServerTooOld extends Error {
  override readonly name = 'ServerTooOld'
  readonly retryable = false
}

/** The realm's log is being imported or restored, or that was cut off (docs/wire.md, "Format 2", "Realm"). */
export class RealmUnfinished extends Error {
  override readonly name = 'RealmUnfinished'
  readonly retryable = false
}

/** Throws `Unavailable`, `ServerTooOld`, `NoSuchRealm`, `RealmUnfinished`, `WrongDefinition`. */
export async function connectCoordinator(options: ConnectOptions): Promise<NatsCoordinator> {
  const link = await openLink(options)
  try {
    return await openRealm(link, options)
  } catch (error) {
    await link.close()
    throw error
  }
}

async function openRealm(link: Link, options: ConnectOptions): Promise<NatsCoordinator> {
  const { realm, create = false } = options
  const subjects = subjectsOf(realm)
  requireServer(link, options.servers)
  const replicas = replicasOf(link)
  const incarnation = (await findIncarnation(link, subjects)) ?? (create ? 1 : undefined)
  if (incarnation === undefined) throw new NoSuchRealm(`there is no realm ${realm} on this server: start it first, or check the name and the URL`)
  const events = eventsDefinition(subjects, incarnation)
  const stands = await configOf(link, events.name)
  if (stands !== undefined && isUnfinished(subjects, incarnation, stands)) {
    throw new RealmUnfinished(`realm ${realm} is being imported or restored, or that was cut off (stream ${events.name} is not whole): wait for its end, or repeat it; to give it up, delete that stream`)
  }
  await ensureStream(link, events, create, replicas)
  const bucket = async (kind: BucketKind): Promise<Bucket> => {
    const definition = bucketDefinition(subjects, kind)
    await ensureStream(link, definition, create, replicas)
    return new JetStreamBucket(link, subjects.bucketName(kind), {
      expires: kind === 'lease' || kind === 'agents',
      ensure: () => ensureStream(link, definition, true, replicas),
    })
  }
  const lease = await bucket('lease')
  const agents = await bucket('agents')
  const config = await bucket('config')
  const mappings = await bucket('mappings')
  // A realm that older programs founded has none until a newer one starts; who only reads does without.
  if (create || (await configOf(link, subjects.schedulesName)) !== undefined) await ensureStream(link, schedulesDefinition(subjects), create, replicas)
  const texts = await openTextStore(link, `${realm}_texts`, create, replicas)
  if (options.onTooLarge !== undefined) link.onTooLarge = options.onTooLarge
  if (options.onReading !== undefined) link.onReading = options.onReading
  const bus = new NatsBus(link)
  if (options.onLink !== undefined) bus.onLink(options.onLink)
  const intake = new IntakeWatch(options.clock, options.onIntake ?? (() => {}))
  return {
    log: new JetStreamEventLog(link, events.name, incarnation, (outcome) => intake.note(outcome)),
    intake,
    bus,
    texts,
    snapshots: new JetStreamSnapshotStore(link, subjects.snapshotsName, replicas),
    lease,
    agents,
    config,
    mappings,
    alarms: new JetStreamAlarms(link, subjects),
    durability: options.durability ?? (await durabilityByAsking(options)),
    place: placeOf(link, options, incarnation),
    ends: new JetStreamEnds(link, subjects.bucketName('agents')),
    connection: link,
    serverVersion: link.connection.info?.version ?? '',
    close: () => link.close(),
  }
}

/** Throws `ServerTooOld`. */
export function requireServer(link: Link, servers: readonly string[]): void {
  const version = link.connection.info?.version
  if (isAtLeast(version ?? '0.0.0', leastServerVersion)) return
  throw new ServerTooOld(`the nats-server at ${named(servers)} is ${version ?? 'of unknown version'}, and Reeve needs ${leastServerVersion} or newer: upgrade it, or name another server`)
}

/** R3 wherever there is a cluster (DESIGN §3). */
export function replicasOf(link: Link): number {
  return link.connection.info?.cluster === undefined ? 1 : 3
}

/** How long a nearer server may take to show that it is well. */
const probeMs = 2_000

function placeOf(link: Link, options: ConnectOptions, incarnation: number): CoordinatorPlace {
  const { servers, regions = [], realm } = options
  const rank = () => link.serverRank
  return {
    get url() {
      // It is shown to whoever asks the agent: never with a name and a password (I10).
      return (servers[rank()] ?? link.connection.getServer()).replace(/^([a-z]+:\/\/)?[^/]*@/i, '$1')
    },
    get region() {
      return regions[rank()] ?? null
    },
    get nearest() {
      return rank() === 0
    },
    async nearerAnswers() {
      const nearer = servers.slice(0, rank())
      for (const server of nearer) {
        try {
          const probe = await openLink({ ...options, servers: [server], name: `${options.name} (probe)`, connectTimeoutMs: probeMs, answerTimeoutMs: probeMs })
          try {
            // Connected: it has room. It answers for the same realm: its streams can be reached from there.
            if ((await findIncarnation(probe, subjectsOf(realm))) === incarnation) return true
          } finally {
            await probe.close()
          }
        } catch {
          // Not well yet, for whatever reason.
        }
      }
      return false
    },
    moveNearer: () => link.dialAnew(),
  }
}

/** How long answers of further servers of a cluster are waited for. */
const gatherMs = 1_000

async function durabilityByAsking(options: ConnectOptions): Promise<Durability> {
  const { servers, name, clock, systemLogin } = options
  if (systemLogin === undefined) {
    return { level: 'unknown', why: 'only the system account or the monitoring page of the server tells whether it syncs every write' }
  }
  let link: Link
  try {
    link = await openLink({ servers, name: `${name} (system)`, clock, ...systemLogin })
  } catch {
    return { level: 'unknown', why: 'the system account did not let this program in' }
  }
  try {
    const answers: unknown[] = []
    await link.exchange('$SYS.REQ.SERVER.PING.VARZ', '', {
      timeoutMs: gatherMs,
      accept: (data) => {
        answers.push((JSON.parse(new TextDecoder().decode(data)) as { readonly data?: unknown }).data)
        return false
      },
    })
    return durabilityOfServers(answers)
  } finally {
    await link.close()
  }
}

function isAtLeast(version: string, least: string): boolean {
  const have = version.split(/[.-]/).slice(0, 3).map(Number)
  const want = least.split('.').map(Number)
  for (let i = 0; i < 3; i++) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
