/**
 * A keeper on the other side of a channel (P8): the asker's end sends what to keep and a beat; the keeper's end renews only
 * while beats come and say that the asker is connected.
 *
 * 1. The stamp of a renewal is that of the last beat before it was sent, so it is the asker's own clock and never too late.
 * 2. Without a beat that says "connected" for `stallMs` of the keeper's clock nothing is renewed.
 */
import type { Clock } from '../../streams/ports/clock.ts'
import { every } from '../../streams/ports/clock.ts'
import { type KeepListener, type KeepRequest, type Kept, type Keeper, KeyKeeper, type KeeperDeps, type Stamp } from './keeper.ts'

/** Messages in order, each as a copy; dropped once either end has closed. */
export interface Channel {
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
}

type ToKeeper =
  | { readonly kind: 'beat'; readonly stamp: Stamp; readonly connected: boolean }
  | { readonly kind: 'keep'; readonly id: number; readonly request: KeepRequest }
  | { readonly kind: 'replace'; readonly id: number; readonly value: { readonly instance: string } }
  | { readonly kind: 'drop'; readonly id: number }
  | { readonly kind: 'remove'; readonly id: number }

type ToAsker =
  | { readonly kind: 'renewed'; readonly id: number; readonly revision: number; readonly sent: Stamp }
  | { readonly kind: 'unsettled'; readonly id: number }
  | { readonly kind: 'gone'; readonly id: number }
  | { readonly kind: 'removed'; readonly id: number }

/** How often the asker shows that it lives, milliseconds: what a renewal's stamp may be too early by. */
export const beatMs = 1_000
/** Renewals stop when the main thread has been silent or disconnected for so long (P8). */
export const stallMs = 5_000

export interface AskerDeps {
  readonly channel: Channel
  readonly clock: Clock
  readonly isConnected: () => boolean
  /** Ends the other side. */
  readonly end: () => Promise<void>
}

export function remoteKeeper(deps: AskerDeps): Keeper {
  const { channel, clock } = deps
  const send = (message: ToKeeper) => channel.send(message)
  const listeners = new Map<number, KeepListener>()
  const removals = new Map<number, () => void>()
  let nextId = 0
  let closing: Promise<void> | undefined
  channel.onMessage((message) => {
    const told = message as ToAsker
    const listener = listeners.get(told.id)
    switch (told.kind) {
      case 'renewed':
        return listener?.onRenewed(told.revision, told.sent)
      case 'unsettled':
        return listener?.onUnsettled()
      case 'gone':
        listeners.delete(told.id)
        return listener?.onGone()
      case 'removed':
        removals.get(told.id)?.()
        removals.delete(told.id)
        return
    }
  })
  const beat = () =>
    send({ kind: 'beat', stamp: { monotonicMs: clock.monotonicMs(), nowMs: clock.nowMs() }, connected: deps.isConnected() })
  const beating = every(clock, beatMs, beat)
  return {
    keep(request: KeepRequest, listener: KeepListener): Kept {
      const id = ++nextId
      listeners.set(id, listener)
      beat()
      send({ kind: 'keep', id, request })
      let removal: Promise<void> | undefined
      return {
        replace: (value) => send({ kind: 'replace', id, value }),
        drop: () => {
          listeners.delete(id)
          send({ kind: 'drop', id })
        },
        remove: () => {
          listeners.delete(id)
          removal ??= new Promise<void>((resolve) => {
            removals.set(id, resolve)
            send({ kind: 'remove', id })
          })
          return removal
        },
      }
    },
    close() {
      closing ??= (async () => {
        beating.stop()
        listeners.clear()
        await deps.end()
        for (const resolve of removals.values()) resolve()
        removals.clear()
      })()
      return closing
    },
  }
}

export interface ServeDeps {
  readonly channel: Channel
  readonly buckets: KeeperDeps['buckets']
  readonly clock: Clock
}

/** The keeper's end. Returns how to end it. */
export function serveKeeper(deps: ServeDeps): () => Promise<void> {
  const { channel, clock } = deps
  let lastStamp: Stamp = { monotonicMs: -Infinity, nowMs: -Infinity }
  let lastGoodMs = -Infinity
  const keeper = new KeyKeeper({
    buckets: deps.buckets,
    clock,
    stamp: () => lastStamp,
    mayRenew: () => clock.monotonicMs() - lastGoodMs < stallMs,
  })
  const kept = new Map<number, Kept>()
  const tell = (message: ToAsker) => channel.send(message)
  channel.onMessage((message) => {
    const asked = message as ToKeeper
    switch (asked.kind) {
      case 'beat':
        lastStamp = asked.stamp
        if (asked.connected) lastGoodMs = clock.monotonicMs()
        return
      case 'keep': {
        const { id, request } = asked
        kept.set(
          id,
          keeper.keep(request, {
            onRenewed: (revision, sent) => tell({ kind: 'renewed', id, revision, sent }),
            onUnsettled: () => tell({ kind: 'unsettled', id }),
            onGone: () => {
              kept.delete(id)
              tell({ kind: 'gone', id })
            },
          }),
        )
        return
      }
      case 'replace':
        return kept.get(asked.id)?.replace(asked.value)
      case 'drop':
        kept.get(asked.id)?.drop()
        kept.delete(asked.id)
        return
      case 'remove': {
        const { id } = asked
        void Promise.resolve(kept.get(id)?.remove()).then(() => tell({ kind: 'removed', id }))
        kept.delete(id)
        return
      }
    }
  })
  return () => keeper.close()
}
