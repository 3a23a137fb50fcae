/**
 * A stream as a backup, and back: the snapshot and restore requests of the JetStream API, which `nats stream backup` and `nats stream
 * restore` make (that command is not needed here). The chunks are what those write into `stream.tar.s2`.
 */
import { type NatsConnection, createInbox } from 'nats'

const patienceMs = 60_000

export interface StreamBackup {
  readonly stream: string
  readonly config: unknown
  readonly state: unknown
  readonly chunks: readonly Uint8Array[]
}

interface Answer {
  readonly error?: { readonly description: string }
  readonly config?: unknown
  readonly state?: unknown
  readonly deliver_subject?: string
}

async function api(connection: NatsConnection, verb: string, payload: unknown): Promise<Answer> {
  const answer = (await connection.request(`$JS.API.${verb}`, JSON.stringify(payload), { timeout: patienceMs })).json<Answer>()
  if (answer.error !== undefined) throw new Error(`${verb}: ${answer.error.description}`)
  return answer
}

export async function backUpStream(connection: NatsConnection, stream: string): Promise<StreamBackup> {
  const inbox = createInbox()
  const chunks: Uint8Array[] = []
  let end = () => {}
  const ended = new Promise<void>((resolve) => (end = resolve))
  const subscription = connection.subscribe(inbox, {
    callback: (_, message) => {
      if (message.data.length === 0) return end()
      chunks.push(message.data.slice())
      message.respond()
    },
  })
  const { config, state } = await api(connection, `STREAM.SNAPSHOT.${stream}`, { deliver_subject: inbox, no_consumers: true })
  await ended
  subscription.unsubscribe()
  return { stream, config, state, chunks }
}

/** The stream must not be there. */
export async function putStreamBack(connection: NatsConnection, { stream, config, state, chunks }: StreamBackup): Promise<void> {
  const { deliver_subject: to } = await api(connection, `STREAM.RESTORE.${stream}`, { config, state })
  for (const chunk of chunks) await connection.request(to!, chunk, { timeout: patienceMs })
  const last = (await connection.request(to!, new Uint8Array(0), { timeout: patienceMs })).json<Answer>()
  if (last.error !== undefined) throw new Error(`restore of ${stream}: ${last.error.description}`)
}
