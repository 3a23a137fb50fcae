/** Lines of a snapshot into bytes and back, in slices short enough that nothing is late by it (P8). */
import { createHash } from 'node:crypto'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { MalformedSnapshot, SnapshotReader } from '../../streams/lane-snapshot.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { readJobs } from '../../streams/turn-reader.ts'
import { type Pace, Slices, briskPace } from './slices.ts'

const newlineByte = 0x0a
const closeListByte = 0x5d
const groupHead = '{"group":{'
const specsKey = '"specs":['
/** Shorter ones take no longer than a slice to be parsed. */
const longLineBytes = 64 * 1024
/** A tenth of a millisecond. */
const jobsAtOnce = 256

/** Why it cannot be read, in words, where it cannot; `stopped` where `signal` has aborted. */
export async function readSnapshot(bytes: Uint8Array, clock: Clock, signal: AbortSignal, pace: Pace = briskPace): Promise<ReturnType<SnapshotReader['finish']> | string> {
  const reader = new SnapshotReader()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const slices = new Slices(clock, signal, pace)
  try {
    for (let from = 0; from < bytes.length && !signal.aborted; ) {
      const newline = bytes.indexOf(newlineByte, from)
      if (newline === -1) throw new MalformedSnapshot('a snapshot without its last newline')
      const line = bytes.subarray(from, newline)
      const long = line.length < longLineBytes ? undefined : await specsOf(line, slices)
      if (signal.aborted) break
      if (long === undefined) reader.take(decoder.decode(line))
      else reader.take(decoder.decode(line.subarray(0, long.begins)) + decoder.decode(line.subarray(long.ends)), long.specs)
      from = newline + 1
      if (slices.over) await slices.rest()
    }
    return signal.aborted ? 'stopped' : reader.finish()
  } catch (error) {
    if (error instanceof MalformedSnapshot || error instanceof TypeError) return error.message
    throw error
  }
}

/**
 * The jobs of a group, of which there may be a million in one line, read piece by piece; and where they begin and end in it. Undefined where the line is not as
 * `snapshotLines` writes it: it is to be parsed as a whole then.
 */
async function specsOf(line: Uint8Array, slices: Slices): Promise<{ readonly specs: JobSpec[]; readonly begins: number; readonly ends: number } | undefined> {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.length)
  // As bytes it stands inside of no text, where a quote has a backslash before it.
  const key = bytes.indexOf(specsKey)
  if (key === -1) return undefined
  const begins = key + specsKey.length
  if (!isInGroup(bytes.toString('utf8', 0, begins))) return undefined
  const specs: JobSpec[] = []
  if (bytes[begins] === closeListByte) return { specs, begins, ends: begins }
  let at = begins - 1
  while (bytes[at] !== closeListByte) {
    const next = readJobs(bytes, at, specs, jobsAtOnce)
    if (next === undefined) return undefined
    at = next
    if (slices.over) await slices.rest()
    if (slices.aborted) return undefined
  }
  return { specs, begins, ends: at }
}

/** What stands before the jobs is the beginning of a group and of nothing else: what ends there is whole. */
function isInGroup(head: string): boolean {
  if (!head.startsWith(groupHead)) return false
  try {
    return Object.keys(JSON.parse(`${head}]}}`) as object).length === 1
  } catch {
    return false
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
