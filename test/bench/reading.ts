/** A process that reads a log once, raw or as a replay, and tells how long it took and how much memory it held at most. */
import { jetstream } from '@nats-io/jetstream'
import { connect } from 'nats'
import { fileURLToPath } from 'node:url'
import { spawn } from 'node:child_process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '../../src/platform/clock.ts'
import { readingInThread } from '../../src/log-reading/thread-reader.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { replayLanes } from '../../src/replay/lanes.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import type { Turn } from '../../streams/envelope.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { ownPeakBytes } from './process-memory.ts'

export interface Reading {
  readonly how: 'raw' | 'replay'
  readonly url: string
  readonly realm: string
  readonly stream: string
  /** Last position to read. */
  readonly until: number
}

export interface WasRead {
  readonly events: number
  readonly turns: number
  readonly tookMs: number
  /** CPU time of the whole process from its start, all threads, user and system. */
  readonly cpuMs: number
  readonly peakBytes: number
  /** On the heap once all garbage is collected, with the folded states still held. */
  readonly liveBytes: number
}

type Read = Omit<WasRead, 'cpuMs' | 'peakBytes' | 'liveBytes'> & { readonly holds?: unknown }

export function readInProcess(reading: Reading): Promise<WasRead> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(reading)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    child.once('exit', (code) => (code === 0 ? resolve(JSON.parse(text) as WasRead) : reject(new Error(`reading the log ${reading.how} ended with code ${code}`))))
  })
}

/**
 * Messages that the client asks for at once. At about 10 KB a message the client is fastest with one to two thousand; with 5,000
 * the server takes it for a slow consumer, and the reading stalls.
 */
const rawPull = 1_500

/** The client's ordered consumer, each message parsed, nothing else. */
async function readRaw({ url, realm, stream, until }: Reading): Promise<Read> {
  const connection = await connect({ servers: url })
  const consumer = await jetstream(connection).consumers.get(stream, { filter_subjects: [subjectsOf(realm).allLanes] })
  let turns = 0
  let events = 0
  const begin = performance.now()
  await new Promise<void>((resolve, reject) => {
    const callback = (message: { readonly seq: number; json<T>(): T }) => {
      const turn = message.json<Turn>()
      turns += 1
      for (const commit of turn.commits) events += commit.events.length
      if (message.seq >= until) resolve()
    }
    consumer.consume({ max_messages: rawPull, callback }).catch(reject)
  })
  const tookMs = performance.now() - begin
  await connection.close()
  return { events, turns, tookMs }
}

async function replay({ url, realm, until }: Reading): Promise<Read> {
  const connect = { servers: [url], name: 'bench' }
  const coordinator = await connectCoordinator({ ...connect, realm, clock: systemClock, random: systemRandom, durability: { level: 'synced' } })
  const begin = performance.now()
  const replayed = await replayLanes(readingInThread(coordinator.log, connect), subjectsOf(realm), until)
  const tookMs = performance.now() - begin
  await coordinator.close()
  return { events: replayed.events, turns: replayed.turns, tookMs, holds: replayed }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const reading = JSON.parse(process.argv[2]!) as Reading
  const { holds, ...read } = await (reading.how === 'raw' ? readRaw(reading) : replay(reading))
  const { userCPUTime, systemCPUTime } = process.resourceUsage()
  const peakBytes = ownPeakBytes()
  const cpuMs = (userCPUTime + systemCPUTime) / 1000
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const liveBytes = process.memoryUsage().heapUsed
  process.stdout.write(JSON.stringify({ ...read, cpuMs, peakBytes, liveBytes, held: holds === undefined ? 0 : 1 }))
}
