/** The raw limit of atomic batches (ADR-50): all of a batch lands or nothing, with one acknowledgement. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers, nuid } from 'nats'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { inThread } from './thread.ts'

interface BatcherJob {
  readonly kind: 'batcher'
  readonly url: string
  readonly subject: string
  readonly sizeBytes: number
  readonly batch: number
  readonly forMs: number
}

/** Batch after batch, each when the one before it is acknowledged; returns messages a second. */
async function appendInBatches({ url, subject, sizeBytes, batch, forMs }: BatcherJob): Promise<number> {
  const connection = await connect({ servers: url })
  const bytes = new Uint8Array(sizeBytes).fill(120)
  let count = 0
  const begin = performance.now()
  while (performance.now() - begin < forMs) {
    const id = nuid.next()
    for (let sequence = 1; sequence <= batch; sequence++) {
      const head = headers()
      head.set('Nats-Batch-Id', id)
      head.set('Nats-Batch-Sequence', `${sequence}`)
      if (sequence < batch) {
        connection.publish(subject, bytes, { headers: head })
        continue
      }
      head.set('Nats-Batch-Commit', '1')
      const answer = await connection.request(subject, bytes, { headers: head, timeout: 10_000 })
      const { error, count: taken } = answer.json<{ readonly error?: { readonly description: string }; readonly count?: number }>()
      if (error !== undefined || taken !== batch) throw new Error(`a batch of ${batch} was not taken: ${error?.description ?? `${taken} of it`}`)
    }
    count += batch
  }
  const took = performance.now() - begin
  await connection.close()
  return (count * 1000) / took
}

/** Messages a second of `appenders` together, each a thread with a connection and a subject of its own. */
export async function rawBatches(url: string, appenders: number, batch: number, sizeBytes: number, forMs: number): Promise<number> {
  const connection = await connect({ servers: url })
  const manager: JetStreamManager = await jetstreamManager(connection)
  const stream = `RAWBATCH_${batch}_${sizeBytes}`
  await manager.streams.add({ name: stream, subjects: [`rawbatch.${batch}-${sizeBytes}.*`], allow_atomic: true })
  try {
    const rates = await Promise.all(
      Array.from({ length: appenders }, (_, index) => inThread<number>(import.meta.url, { kind: 'batcher', url, subject: `rawbatch.${batch}-${sizeBytes}.${index}`, sizeBytes, batch, forMs } satisfies BatcherJob)),
    )
    return rates.reduce((sum, rate) => sum + rate, 0)
  } finally {
    await manager.streams.delete(stream)
    await connection.close()
  }
}

if (!isMainThread && parentPort !== null && (workerData as BatcherJob | undefined)?.kind === 'batcher') {
  parentPort.postMessage(await appendInBatches(workerData as BatcherJob))
}
