/** The raw limits: what the NATS client alone does on this server, without anything of Reeve. */
import { JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from 'nats'
import { apiCodes } from '../../streams/jetstream/error-codes.ts'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { inThread } from './thread.ts'

interface AppenderJob {
  readonly url: string
  readonly stream: string
  readonly subject: string
  readonly sizeBytes: number
  readonly forMs: number
}

/** Serial conditional appends, each on the last position of its subject, for `forMs`; returns how many a second. */
async function appendSerially(job: AppenderJob): Promise<number> {
  const connection = await connect({ servers: job.url })
  const js = jetstream(connection)
  const manager = await js.jetstreamManager()
  const bytes = new Uint8Array(job.sizeBytes).fill(120)
  let last = 0
  let count = 0
  const begin = performance.now()
  while (performance.now() - begin < job.forMs) {
    try {
      const ack = await js.publish(job.subject, bytes, { expect: { lastSubjectSequence: last } })
      last = ack.seq
      count += 1
    } catch (error) {
      // The client sends a message again where a replicated stream has no leader yet; the first may have landed, or be on its way.
      if (!(error instanceof JetStreamApiError) || (error.code !== apiCodes.wrongLastSequence && error.code !== apiCodes.wrongLastSequenceUnknown)) throw error
      last = (await manager.streams.getMessage(job.stream, { last_by_subj: job.subject }))?.seq ?? 0
    }
  }
  const took = performance.now() - begin
  await connection.close()
  return (count * 1000) / took
}

/** Appends a second of `appenders` serial appenders together, each a thread with a connection and a subject of its own. */
export async function rawAppends(url: string, appenders: number, sizeBytes: number, forMs = 3_000, replicas = 1): Promise<number> {
  const connection = await connect({ servers: url })
  const manager = await jetstreamManager(connection)
  const stream = `RAW_${appenders}_${sizeBytes}`
  await manager.streams.add({ name: stream, subjects: [`raw.${appenders}-${sizeBytes}.*`], num_replicas: replicas })
  const rates = await Promise.all(
    Array.from({ length: appenders }, (_, index) => {
      const job: AppenderJob = { url, stream, subject: `raw.${appenders}-${sizeBytes}.${index}`, sizeBytes, forMs }
      return appenders === 1 ? appendSerially(job) : inThread<number>(import.meta.url, job)
    }),
  )
  await manager.streams.delete(stream)
  await connection.close()
  return rates.reduce((sum, rate) => sum + rate, 0)
}

if (!isMainThread && parentPort !== null && (workerData as AppenderJob | undefined)?.stream?.startsWith('RAW_') === true) {
  parentPort.postMessage(await appendSerially(workerData as AppenderJob))
}
