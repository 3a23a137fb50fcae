/** The thread that renews presence and lease with a connection of its own (P8): started by `thread-keeper.ts`. */
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { systemClock } from '../platform/clock.ts'
import { systemRandom } from '../platform/random.ts'
import { ownThread } from '../platform/worker.ts'
import { serveKeeper } from './remote-keeper.ts'
import type { RenewalThreadData } from './thread-keeper.ts'

const { data, channel } = ownThread<RenewalThreadData>()
const early: unknown[] = []
let listener: ((message: unknown) => void) | undefined
channel.onMessage((message) => {
  if (listener === undefined) early.push(message)
  else listener(message)
})
const coordinator = await connectCoordinator({
  ...data,
  clock: systemClock,
  random: systemRandom,
  // Judged by the main thread.
  durability: { level: 'unknown', why: 'not asked by this thread' },
})
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
