/** The keeper of a real process: a thread with its own connection (P8). */
import type { Clock } from '../../streams/ports/clock.ts'
import { startThread } from '../platform/worker.ts'
import type { Keeper } from './keeper.ts'
import { remoteKeeper } from './remote-keeper.ts'

/** How the thread connects; copied to it. */
export interface RenewalThreadData {
  readonly servers: readonly string[]
  readonly regions?: readonly (string | null)[]
  readonly realm: string
  readonly name: string
  readonly token?: string
  readonly user?: string
  readonly pass?: string
}

export interface ThreadKeeperOptions {
  readonly connect: RenewalThreadData
  readonly clock: Clock
  readonly isConnected: () => boolean
  /** The thread ended by itself: nothing is renewed any more, and the process has to end. */
  readonly onFailure: (error: Error) => void
}

export function threadKeeper(options: ThreadKeeperOptions): Keeper {
  const thread = startThread(import.meta.url, './renewal-thread', options.connect)
  thread.onFailure(options.onFailure)
  return remoteKeeper({ channel: thread, clock: options.clock, isConnected: options.isConnected, end: () => thread.end() })
}
