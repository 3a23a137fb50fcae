/** A command's connection to a realm: its endpoints (queries and changes), or its log (replay and export, read only). */
import type { Noun, Verb, ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import type { ServerPlace } from '../../machines/coordinator/choice.ts'
import { connectCoordinator, type NatsCoordinator } from '../../streams/jetstream/connect.ts'
import { type LinkOptions, openLink } from '../../streams/jetstream/open-link.ts'
import { openIncarnations } from '../../streams/jetstream/incarnations.ts'
import { NatsBus } from '../../streams/jetstream/bus.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Incarnations } from '../../streams/ports/incarnations.ts'
import { type ReadingSaid, readingText } from '../../streams/reading.ts'
import { type Subjects, subjectsOf } from '../../streams/subjects.ts'
import { systemClock } from '../platform/clock.ts'
import { systemRandom } from '../platform/random.ts'
import type { CallOptions } from '../service/client.ts'
import { readRunning } from '../up/running-file.ts'
import { actorOf } from './command.ts'
import type { Settings } from './configuration.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { complain } from './output.ts'

export type Ask = <N extends Noun, V extends Verb<N>>(noun: N, verb: V, request: ApiRequest<N, V>, options?: Pick<CallOptions, 'signal'>) => Promise<ApiSuccess<N, V>>

export interface Session {
  readonly bus: Bus
  readonly subjects: Subjects
  /** Throws `ApiFailure`. */
  readonly ask: Ask
  close(): Promise<void>
}

export interface Place {
  /** Nearest first; one at least. */
  readonly servers: readonly ServerPlace[]
  readonly realm: string
  readonly monitoringUrl: string | undefined
  /** Whence the URL is known, for a person. */
  readonly source: string
}

/** Where the realm is. Throws `CommandEnd` (unreachable) where nothing says it. */
export async function placeOf(settings: Settings): Promise<Place> {
  if (settings.servers.length > 0) {
    return { servers: settings.servers, realm: settings.realm, monitoringUrl: settings.monitoringUrl, source: settings.sources.server ?? 'default' }
  }
  const running = await readRunning(settings.data)
  if (running === undefined) {
    throw new CommandEnd(exitCodes.unreachable, `no realm runs with the data in ${settings.data}: start one with "reeve up" (in a clone: "npm start"), or name a server with --server URL`)
  }
  if (!running.alive) {
    throw new CommandEnd(exitCodes.unreachable, `the realm with the data in ${settings.data} has ended (process ${running.pid}): start it again with "reeve up" (in a clone: "npm start")`)
  }
  return {
    servers: (running.servers ?? [running.url]).map((url) => ({ url, region: null })),
    realm: settings.sources.realm === undefined ? running.realm : settings.realm,
    monitoringUrl: settings.monitoringUrl ?? running.monitoringUrl,
    source: `what reeve up left, process ${running.pid}`,
  }
}

const connectTimeoutMs = 3_000

/** Throws `Unavailable`, `CommandEnd`. */
export async function openSession(settings: Settings): Promise<Session> {
  const place = await placeOf(settings)
  const link = await openLink({ servers: place.servers.map(({ url }) => url), name: 'reeve command', clock: systemClock, connectTimeoutMs, ...settings.login })
  const bus = new NatsBus(link)
  const subjects = subjectsOf(place.realm)
  return { bus, subjects, ask: await apiOf(bus, subjects), close: () => link.close() }
}

/** The endpoints of the realm. */
export async function apiOf(bus: Bus, subjects: Subjects): Promise<Ask> {
  const { apiClient } = await import('../service/client.ts')
  const client = apiClient(bus, subjects, { actor: actorOf() })
  return (noun, verb, request, options) => client.call(noun, verb, request, options)
}

export interface LogForReading {
  readonly coordinator: NatsCoordinator
  readonly subjects: Subjects
  /** For a further connection of the same kind. */
  readonly connect: Omit<LinkOptions, 'clock'>
}

/** For what only reads the log. Throws `Unavailable`, `NoSuchRealm`, `WrongDefinition`, `ServerTooOld`, `CommandEnd`. */
export async function openLogForReading(settings: Settings): Promise<LogForReading> {
  const place = await placeOf(settings)
  const connect = { servers: place.servers.map(({ url }) => url), name: 'reeve command (reads)', connectTimeoutMs, ...settings.login }
  const onReading = ({ kind }: ReadingSaid) => complain(`reeve: ${readingText[kind]}`)
  const coordinator = await connectCoordinator({ ...connect, realm: place.realm, clock: systemClock, random: systemRandom, create: false, onReading })
  coordinator.bus.onLink((state) => {
    if (coordinator.connection.closed) return
    complain(state === 'connected' ? 'reeve: connected again' : 'reeve: the connection is lost: reading goes on when it is back')
  })
  return { coordinator, subjects: subjectsOf(place.realm), connect }
}

/** For who looks at the log whatever its stream is like, or makes the next one. Throws `Unavailable`, `ServerTooOld`, `CommandEnd`. */
export async function openIncarnationsAt(settings: Settings, place: { readonly servers: readonly { readonly url: string }[]; readonly realm: string }): Promise<Incarnations> {
  return openIncarnations({ servers: place.servers.map(({ url }) => url), realm: place.realm, name: 'reeve command (log)', clock: systemClock, random: systemRandom, connectTimeoutMs, ...settings.login })
}

export async function withSession<T>(settings: Settings, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(settings)
  try {
    return await use(session)
  } finally {
    await session.close()
  }
}

