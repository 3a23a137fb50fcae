/** Lines of a snapshot into bytes and back, in slices short enough that nothing is late by it (P8). */
import { createHash } from 'node:crypto'
import { MalformedSnapshot, SnapshotReader } from '../../streams/lane-snapshot.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { type Pace, Slices, briskPace } from './slices.ts'

const newlineByte = 0x0a

/** Why it cannot be read, in words, where it cannot; `stopped` where `signal` has aborted. */
export async function readSnapshot(bytes: Uint8Array, clock: Clock, signal: AbortSignal, pace: Pace = briskPace): Promise<ReturnType<SnapshotReader['finish']> | string> {
  const reader = new SnapshotReader()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const slices = new Slices(clock, signal, pace)
  try {
    for (let from = 0; from < bytes.length && !signal.aborted; ) {
      const newline = bytes.indexOf(newlineByte, from)
      if (newline === -1) throw new MalformedSnapshot('a snapshot without its last newline')
      reader.take(decoder.decode(bytes.subarray(from, newline)))
      from = newline + 1
      if (slices.over) await slices.rest()
    }
    return signal.aborted ? 'stopped' : reader.finish()
  } catch (error) {
    if (error instanceof MalformedSnapshot || error instanceof TypeError) return error.message
    throw error
  }
}

/** With the digest of all of it; cut off where `signal` has aborted. */
export async function writtenLines(lines: Iterable<string>, clock: Clock, signal: AbortSignal, pace: Pace = briskPace): Promise<{ readonly bytes: Uint8Array; readonly digest: string }> {
  const encoder = new TextEncoder()
  const hash = createHash('sha256')
  const parts: Uint8Array[] = []
  let length = 0
  const slices = new Slices(clock, signal, pace)
  for (const line of lines) {
    if (signal.aborted) break
    const part = encoder.encode(`${line}\n`)
    parts.push(part)
    hash.update(part)
    length += part.length
    if (slices.over) await slices.rest()
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return { bytes, digest: hash.digest('hex') }
}
