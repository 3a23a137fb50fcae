/**
 * What a running program holds, seen from outside: resident memory as the kernel counts it, and what is left in the heap of its main thread
 * after a collection, through the inspector that Node opens when it is sent SIGUSR1. The program itself knows nothing of it.
 */
import { readFileSync } from 'node:fs'
import { eventually } from '../support/eventually.ts'
import type { AgentProcess } from './realm.ts'

export interface Held {
  /** Bytes, after a collection. */
  readonly residentBytes: number
  readonly heapBytes: number
  /** That the heap takes for it. */
  readonly committedBytes: number
  /** Outside of the heap: buffers. */
  readonly externalBytes: number
}

/** Bytes. */
export function residentBytes(pid: number): number {
  return ofStatus('VmRSS', pid)
}

/** Most of this very process since its program began, bytes; what the kernel tells a process of its usage goes back to what started it, when that was larger. */
export function ownPeakBytes(): number {
  return ofStatus('VmHWM', 'self')
}

function ofStatus(field: string, pid: number | 'self'): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!
  return Number(kibibytes) * 1024
}

/** A session with one process; `close` leaves its inspector open, as nothing but its end closes that. */
export class HeapWatch {
  readonly #socket: WebSocket
  readonly #pid: number
  #asked = 0
  readonly #waiting = new Map<number, { resolve(result: Record<string, unknown>): void; reject(error: Error): void }>()

  private constructor(socket: WebSocket, pid: number) {
    this.#socket = socket
    this.#pid = pid
    socket.addEventListener('message', ({ data }) => {
      const { id, result, error } = JSON.parse(data as string) as { id?: number; result?: Record<string, unknown>; error?: { message: string } }
      if (id === undefined) return
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result!)
      else waiting?.reject(new Error(error.message))
    })
  }

  /** The process was started with `--inspect-port=127.0.0.1:0`, and says in its log where it listens. */
  static async of({ agent, child, log }: AgentProcess): Promise<HeapWatch> {
    child.kill('SIGUSR1')
    const url = await eventually(() => /Debugger listening on (ws:\S+)/.exec(readFileSync(log, 'utf8'))?.[1], { what: `the inspector of ${agent}`, withinMs: 30_000 })
    const socket = new WebSocket(url)
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('error', () => reject(new Error(`the inspector of ${agent} does not answer`)))
    })
    return new HeapWatch(socket, child.pid!)
  }

  async held(): Promise<Held> {
    // Twice: what the first one sets free by finalizers goes with the second.
    for (let round = 0; round < 2; round++) await this.#ask('HeapProfiler.collectGarbage')
    const { usedSize, totalSize, backingStorageSize = 0 } = (await this.#ask('Runtime.getHeapUsage')) as { usedSize: number; totalSize: number; backingStorageSize?: number }
    return { residentBytes: residentBytes(this.#pid), heapBytes: usedSize, committedBytes: totalSize, externalBytes: backingStorageSize }
  }

  close(): void {
    this.#socket.close()
  }

  #ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#asked
    this.#socket.send(JSON.stringify({ id, method, params }))
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }
}
