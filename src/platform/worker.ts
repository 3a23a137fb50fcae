/** Threads of our own program: starting one from the main thread, and the way back from within one. */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

export interface ThreadChannel {
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
}

export interface Thread extends ThreadChannel {
  /** Called once when the thread has ended although nobody asked it to. */
  onFailure(listener: (error: Error) => void): void
  /** Idempotent. */
  end(): Promise<void>
}

/**
 * Starts `<name>.ts` (in a clone) or `<name>.js` (in the published package) beside `siblingUrl` as a thread; `data` is copied
 * to it. The thread does not keep the process alive.
 */
export function startThread(siblingUrl: string, name: string, data: unknown): Thread {
  const extension = siblingUrl.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`${name}.${extension}`, siblingUrl), { workerData: data })
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
    send: (message) => worker.postMessage(message),
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
    channel: { send: (message) => port.postMessage(message), onMessage: (listener) => void port.on('message', listener) },
  }
}
