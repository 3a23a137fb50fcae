/** The thread that renews presence and lease with a connection of its own (P8): started by `thread-keeper.ts`. */
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { pause } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { systemClock } from '../platform/clock.ts'
import { systemRandom } from '../platform/random.ts'
import { ownThread } from '../platform/worker.ts'
import { serveKeeper } from './remote-keeper.ts'
import type { RenewalThreadData } from './thread-keeper.ts'

const retryMs = 500

const { data, channel } = ownThread<RenewalThreadData>()
const early: unknown[] = []
let listener: ((message: unknown) => void) | undefined
channel.onMessage((message) => {
  if (listener === undefined) early.push(message)
  else listener(message)
})

/** The server may go at the very moment at which this thread starts; nothing is renewed until it is back. */
async function connect() {
  for (;;) {
    try {
      return await connectCoordinator({
        ...data,
        clock: systemClock,
        random: systemRandom,
        // Judged by the main thread.
        durability: { level: 'unknown', why: 'not asked by this thread' },
      })
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
    }
    await pause(systemClock, retryMs)
  }
}

const coordinator = await connect()
serveKeeper({
  clock: systemClock,
  buckets: { agents: coordinator.agents, lease: coordinator.lease },
  channel: {
    send: channel.send,
    onMessage(told) {
      listener = told
      for (const message of early.splice(0)) told(message)
    },
  },
})
