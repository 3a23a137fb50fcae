/** A reader as a thread is one, in this very thread: over a real channel, whose messages are copied or handed over. */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { serveReading } from '../../src/log-reading/serve-reading.ts'
import type { Thread } from '../../src/platform/worker.ts'

export interface Beside {
  start(): Thread
  /** That were begun and not ended. */
  readonly running: number
  readonly started: number
  /** Pieces that came to this side. */
  readonly pieces: number
}

export interface BesideOptions {
  /** Of pieces: the next one does not come any more, and the thread ends. */
  readonly failsAfter?: number
  /** It ends before it could read. */
  readonly failsAtStart?: boolean
}

export function readersBeside(log: Pick<EventLog, 'read'>, { failsAfter = Infinity, failsAtStart = false }: BesideOptions = {}): Beside {
  let [running, started, pieces] = [0, 0, 0]
  const start = (): Thread => {
    const { port1, port2 } = new MessageChannel()
    running += 1
    started += 1
    let failed: ((error: Error) => void) | undefined
    let ended = false
    const close = () => {
      if (ended) return
      ended = true
      running -= 1
      port1.close()
    }
    const fail = (error: Error) => {
      if (ended) return
      close()
      failed?.(error)
    }
    if (failsAtStart) queueMicrotask(() => fail(new Error('it did not start')))
    else serveReading(log, { send: sendOn(port2), onMessage: (listener) => void port2.on('message', listener) }).catch(fail)
    return {
      send: sendOn(port1),
      onMessage: (listener) => void port1.on('message', (message: { readonly kind: string }) => {
        if (message.kind === 'piece' && pieces === failsAfter) return fail(new Error('it was lost'))
        if (message.kind === 'piece') pieces += 1
        listener(message)
      }),
      onFailure: (listener) => void (failed = listener),
      end: () => Promise.resolve(close()),
    }
  }
  return {
    start,
    get running() {
      return running
    },
    get started() {
      return started
    },
    get pieces() {
      return pieces
    },
  }
}

function sendOn(port: MessagePort): Thread['send'] {
  return (message, handedOver = []) => port.postMessage(message, [...handedOver])
}
