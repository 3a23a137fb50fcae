/** Long reads of the log of a real process, that go on in a thread with a connection of its own. */
import type { LinkOptions } from '../../streams/jetstream/open-link.ts'
import type { JetStreamEventLog } from '../../streams/jetstream/event-log.ts'
import type { ReadOptions, StoredMessage } from '../../streams/ports/event-log.ts'
import { load, processors } from '../platform/own-machine.ts'
import { startThread } from '../platform/worker.ts'
import { type ReadingLimits, readingOn } from './read-on.ts'

/** How the thread connects, and what it reads; copied to it. */
export interface ReadingThreadData {
  readonly connect: Omit<LinkOptions, 'clock'>
  readonly stream: string
  readonly incarnation: number
}

/** All that the thread makes is handed over or garbage soon. */
const youngMebibytes = 6

export interface ThreadReading extends ReadingLimits {
  /** How many processes of ours do the same at the same time; 1 when absent. */
  readonly beside?: number
  /** Of the machine, a processor: a thread makes a replay shorter and takes a quarter more processor time, which a busy machine does not have. */
  readonly mostLoad?: number
}

/**
 * The log's own read where a thread would gain nothing: short reads, machines that have not two processors for each process, or no time to spare. A thread
 * lives until its read ends, whatever becomes of the log's own connection.
 */
export function readingInThread(
  log: Pick<JetStreamEventLog, 'read' | 'stream' | 'incarnation'>,
  connect: ReadingThreadData['connect'],
  { beside = 1, mostLoad = 1.5, ...limits }: ThreadReading = {},
): (read: ReadOptions) => AsyncIterable<readonly StoredMessage[]> {
  if (processors() < 2 * beside || load() > mostLoad * processors()) return (read) => log.read(read)
  const { stream, incarnation } = log
  const data: ReadingThreadData = { connect, stream, incarnation }
  return readingOn(log, { ...limits, startReader: () => startThread(import.meta.url, 'reading-thread', data, { youngMebibytes }) })
}
