/**
 * Watches the store of the nats-server that `reeve up` runs. One that met a full disk once writes nothing any more, with space or without,
 * until it is started again (tried with 2.15.1): so that is done as soon as there is space.
 *
 * 1. Nothing is started again while the disk is full, and at most once in `leastBetweenMs`.
 * 2. A full disk is said once, until it has space again.
 */
import { type Clock, type Repeating, every } from '../../streams/ports/clock.ts'
import { freeBytesAt } from '../platform/folders.ts'
import { readPageAt } from '../platform/loopback.ts'

export interface StoreWatchOptions {
  readonly clock: Clock
  /** Of the server that runs now; undefined while none does. */
  readonly monitoringUrl: () => string | undefined
  /** That its store is in. */
  readonly folder: string
  readonly onFull: () => void
  /** There is space, and the server is not well. */
  readonly onStartAgain: () => void
}

const lookMs = 2_000
/** A server that has just started may be recovering its store. */
const failuresInRow = 2
const leastBetweenMs = 30_000
/** Less than that is a full disk: a server needs some for its own files. */
export const leastFreeMebibytes = 16

export function watchStore(options: StoreWatchOptions): Repeating {
  const { clock, monitoringUrl, folder, onFull, onStartAgain } = options
  let failures = 0
  let looking = false
  let stopped = false
  let saidFull = false
  let startedAgainMs = -Infinity

  const look = async () => {
    const url = monitoringUrl()
    const health = url === undefined ? undefined : await readPageAt(`${url}/healthz`, lookMs)
    // One that does not answer at all has ended, or is told of otherwise.
    failures = health === undefined || health.ok ? 0 : failures + 1
    if (health?.ok === true) saidFull = false
    if (failures < failuresInRow || stopped) return
    if ((await freeBytesAt(folder)) < leastFreeMebibytes * 1024 * 1024) {
      if (!saidFull) onFull()
      saidFull = true
    } else if (clock.monotonicMs() - startedAgainMs >= leastBetweenMs) {
      failures = 0
      startedAgainMs = clock.monotonicMs()
      onStartAgain()
    }
  }
  const rounds = every(clock, lookMs, () => {
    if (looking) return
    looking = true
    look().catch(() => {}).finally(() => (looking = false))
  })
  return {
    stop() {
      stopped = true
      rounds.stop()
    },
  }
}
