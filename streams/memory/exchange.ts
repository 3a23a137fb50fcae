/** One request to the realm in memory and its answer, with everything that a network may do to them. */
import type { Delays } from './faults.ts'
import type { MemoryLink } from './realm.ts'

export type Exchanged<T> =
  | { readonly kind: 'answer'; readonly value: T }
  /** Not connected: nothing was sent. */
  | { readonly kind: 'offline' }
  /** Sent; no answer within the time-out, or the connection went. */
  | { readonly kind: 'lost'; readonly reason: 'timeout' | 'disconnected' }

/** `perform` runs at the realm, also when the client has given up by then. */
export function exchange<T>(
  link: MemoryLink,
  fault: (Delays & { readonly lose?: 'request' | 'answer' }) | undefined,
  perform: () => T,
  timeoutMs: number = link.network.answerTimeoutMs,
): Promise<Exchanged<T>> {
  if (link.closed || link.state() === 'disconnected') return Promise.resolve({ kind: 'offline' })
  const { network } = link
  return new Promise((resolve) => {
    const settle = (outcome: Exchanged<T>) => {
      timer.cancel()
      stopListening()
      resolve(outcome)
    }
    const timer = link.clock.after(timeoutMs, () => settle({ kind: 'lost', reason: 'timeout' }))
    const stopListening = link.onChange(() => {
      if (link.closed || link.state() === 'disconnected') settle({ kind: 'lost', reason: 'disconnected' })
    })
    if (fault?.lose === 'request' || link.reach() !== 'connected') return
    network.later(fault?.requestMs, () => {
      const value = perform()
      if (fault?.lose === 'answer') return
      network.later(fault?.answerMs, () => {
        if (link.reach() === 'connected') settle({ kind: 'answer', value })
      })
    })
  })
}
