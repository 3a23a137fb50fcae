/**
 * Following the log from outside: pages of `log.read`, then live. The feed is a courtesy (P9): it only says that there is
 * something new; what is shown always comes from the log, in its order, each turn once.
 */
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import type { TurnShown } from '../../streams/api/log.ts'
import { type Clock, pause } from '../../streams/ports/clock.ts'

export type Followed = TurnShown

export interface FollowSource {
  readonly read: (request: Pick<ApiRequest<'log', 'read'>, 'from' | 'until' | 'limit'>) => Promise<ApiSuccess<'log', 'read'>>
  /** Calls the listener with the position of each message of the feed. Returns how to stop. */
  readonly onFeed: (listener: (position: number) => void) => () => void
  readonly clock: Clock
}

export interface FollowOptions {
  /** First position, or how many positions before the end. */
  readonly from?: number
  readonly last?: number
  /** False: end at the end of the log as it was when this began. */
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** P9: after this silence a follower reads the log even when the feed said nothing. */
export const silenceMs = 5_000

export async function* followLog(source: FollowSource, options: FollowOptions): AsyncGenerator<Followed> {
  const { signal } = options
  let heard = 0
  let wake = () => {}
  const stopFeed = source.onFeed((position) => {
    heard = Math.max(heard, position)
    wake()
  })
  try {
    let next = options.from ?? 1
    if (options.from === undefined) {
      const { end } = await source.read({ from: 1, limit: 1 })
      next = Math.max(1, end - (options.last ?? 0) + 1)
    }
    for (;;) {
      if (signal.aborted) return
      const page = await source.read({ from: next, limit: 200 })
      for (const turn of page.turns) yield turn
      next = Math.max(next, page.next)
      if (!page.complete) continue
      if (!options.follow) return
      if (heard >= next) continue
      await new Promise<void>((resolve) => {
        wake = resolve
        void pause(source.clock, silenceMs, signal).then(resolve)
      })
    }
  } finally {
    stopFeed()
  }
}
