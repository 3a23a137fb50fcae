/** Threads of our own program: starting one from the main thread, and the way back from within one. */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

export interface ThreadChannel {
  /** What is in `handedOver` is not copied: the sender has it no more. */
  send(message: unknown, handedOver?: readonly ArrayBuffer[]): void
  onMessage(listener: (message: unknown) => void): void
}

export interface Thread extends ThreadChannel {
  /** Called once when the thread has ended although nobody asked it to. */
  onFailure(listener: (error: Error) => void): void
  /** Idempotent. */
  end(): Promise<void>
}

export interface ThreadLimits {
  /** Of what it has made last, before the first collection; absent: as the runtime likes. */
  readonly youngMebibytes?: number
}

/**
 * Starts `<name>.ts` (in a clone) or `<name>.js` (in the published package) beside `siblingUrl` as a thread; `data` is copied
 * to it. The thread does not keep the process alive.
 */
export function startThread(siblingUrl: string, name: string, data: unknown, limits: ThreadLimits = {}): Thread {
  const extension = siblingUrl.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`${name}.${extension}`, siblingUrl), {
    workerData: data,
    ...(limits.youngMebibytes !== undefined && { resourceLimits: { maxYoungGenerationSizeMb: limits.youngMebibytes } }),
  })
  worker.unref()
  let ended = false
  let failed: ((error: Error) => void) | undefined
  let failure: Error | undefined
  const fail = (error: Error) => {
    if (ended || failure !== undefined) return
    failure = error
    failed?.(error)
  }
  worker.on('error', fail)
  worker.on('exit', (code) => fail(new Error(`thread ${name} ended with code ${code}`)))
  return {
    send: (message, handedOver = []) => worker.postMessage(message, handedOver),
    onMessage: (listener) => void worker.on('message', listener),
    onFailure(listener) {
      failed = listener
      if (failure !== undefined) listener(failure)
    },
    async end() {
      ended = true
      await worker.terminate()
    },
  }
}

/** Within a thread: what it was given, and the channel to who started it. Throws on the main thread. */
export function ownThread<Data>(): { readonly data: Data; readonly channel: ThreadChannel } {
  if (isMainThread || parentPort === null) throw new Error('this module runs as a thread of its own only')
  const port = parentPort
  return {
    data: workerData as Data,
    channel: { send: (message, handedOver = []) => port.postMessage(message, handedOver), onMessage: (listener) => void port.on('message', listener) },
  }
}
