/**
 * Loaded into an agent's process ahead of the program (`BenchRealm.start`, `stamped`): tells the benchmark when what happened to a group was acknowledged, by
 * the machine's monotonic clock, which all processes share. Turns are looked into later, so that no answer waits for it.
 */
import { isMainThread } from 'node:worker_threads'
import { decodeTurn } from '../../streams/codec.ts'
import { JetStreamEventLog } from '../../streams/jetstream/event-log.ts'

export interface Stamp {
  readonly group: string
  readonly event: 'GroupSealed' | 'LockGranted'
  /** When the turn that holds it was acknowledged; as `machineMs`. */
  readonly atMs: number
  /** Of the turn. */
  readonly turn: number
  readonly bytes: number
}

export interface StampsMessage {
  readonly kind: 'stamps'
  readonly stamps: readonly Stamp[]
}

const tellEveryMs = 250

/** Milliseconds by a clock that is the same in all processes of the machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function stampAppends(tell: (message: StampsMessage) => void): void {
  let landed: { readonly position: number; readonly bytes: Uint8Array; readonly atMs: number }[] = []
  const append = JetStreamEventLog.prototype.append
  JetStreamEventLog.prototype.append = async function (request) {
    const outcome = await append.call(this, request)
    if (outcome.kind === 'landed') landed.push({ position: outcome.position, bytes: request.bytes, atMs: machineMs() })
    return outcome
  }
  setInterval(() => {
    const stamps: Stamp[] = []
    for (const { position, bytes, atMs } of landed) {
      for (const { aggregate, id, events } of decodeTurn(bytes).commits) {
        if (aggregate !== 'group') continue
        for (const { type } of events) if (type === 'GroupSealed' || type === 'LockGranted') stamps.push({ group: id, event: type, atMs, turn: position, bytes: bytes.length })
      }
    }
    landed = []
    if (stamps.length > 0) tell({ kind: 'stamps', stamps })
  }, tellEveryMs).unref()
}

if (isMainThread && process.execArgv.some((flag) => flag === import.meta.url)) stampAppends((message) => process.send!(message))
