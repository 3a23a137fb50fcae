/** A realm on a real nats-server behind a proxy that can lose single messages. */
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { NatsCoordinator } from '../../streams/jetstream/connect.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import { eventsDefinition } from '../../streams/jetstream/streams-definition.ts'
import { ensureStream } from '../../streams/jetstream/streams-definition.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { NatsProxy } from '../support/nats-proxy.ts'
import { TestNatsServer } from '../support/nats-server.ts'
import type { ConformanceRealm } from './realm.ts'

export interface JetStreamRealm extends ConformanceRealm {
  readonly server: TestNatsServer
  readonly proxy: NatsProxy
  connect(name: string): Promise<NatsCoordinator>
}

export async function realmOnJetStream(): Promise<JetStreamRealm> {
  const server = await TestNatsServer.start()
  const proxy = await NatsProxy.start(server.port)
  const subjects = subjectsOf('reeve')
  const clients: NatsCoordinator[] = []
  const connect = async (name: string, url = proxy.url) => {
    const client = await connectCoordinator({
      servers: [url],
      realm: 'reeve',
      name,
      clock: systemClock,
      random: systemRandom,
      create: true,
      answerTimeoutMs: 3_000,
    })
    clients.push(client)
    return client
  }
  return {
    server,
    proxy,
    realm: 'reeve',
    connect,
    loseNextAppend: (subject, loss) => void proxy.loseNext(subject, loss),
    loseNextBucketWrite: (bucket, key, loss) => void proxy.loseNext(`$KV.reeve_${bucket}.${key}`, loss),
    async interrupt() {
      await server.kill()
      await server.start()
    },
    stop: () => server.kill(),
    start: () => server.start(),
    async raiseIncarnation() {
      const { connection, log } = await connect('administrator', server.url)
      await connection.api(`STREAM.DELETE.${log.stream}`)
      await ensureStream(connection, eventsDefinition(subjects, log.incarnation + 1), true, 1)
    },
    async deleteBucket(kind) {
      // Not through `connect`, which would make it anew.
      const connection = await openLink({ servers: [server.url], name: 'administrator', clock: systemClock })
      await connection.api(`STREAM.DELETE.KV_reeve_${kind}`)
      await connection.close()
    },
    async purge(subject, upTo) {
      const { connection, log } = await connect('archivist', server.url)
      await connection.api(`STREAM.PURGE.${log.stream}`, { filter: subject, seq: upTo + 1 })
    },
    async deleteAlarms() {
      const { connection } = await connect('janitor', server.url)
      await connection.api(`STREAM.PURGE.${subjects.schedulesName}`)
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close()
      await proxy[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}
