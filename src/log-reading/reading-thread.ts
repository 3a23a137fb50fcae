/** The thread that reads a long log with a connection of its own: started by `thread-reader.ts`. Whatever fails ends it, and who started it reads on. */
import { keepCompiledCode } from '../platform/compile-cache.ts'
import { systemClock } from '../platform/clock.ts'
import { ownThread } from '../platform/worker.ts'
import type { ReadingThreadData } from './thread-reader.ts'

keepCompiledCode()
// Loaded when that is in force: nothing is waited for as much as this thread's start.
const { JetStreamEventLog } = await import('../../streams/jetstream/event-log.ts')
const { openLink } = await import('../../streams/jetstream/open-link.ts')
const { serveReading } = await import('./serve-reading.ts')

const { data, channel } = ownThread<ReadingThreadData>()
const link = await openLink({ ...data.connect, clock: systemClock })
await serveReading(new JetStreamEventLog(link, data.stream, data.incarnation), channel)
