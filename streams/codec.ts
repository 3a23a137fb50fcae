/**
 * Bytes of a turn, digests and ids (DESIGN §3). The bytes are what is stored, repeated (P11) and digested, so a turn is
 * encoded once and its bytes are kept with it.
 */
import { createHash, hash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { Cause, Turn } from './envelope.ts'
import { schemaVersion, turnLimitBytes } from './envelope.ts'
import type { Random } from './ports/clock.ts'
import { shareEqualParts } from './shared-jobs.ts'
import { readWrittenTurn } from './turn-reader.ts'
import { type EncodedTurn, writeTurn } from './turn-writer.ts'

/** What stands at a position is not a turn. Never retried: the bytes are for ever. */
export class MalformedTurn extends Error {
  override readonly name = 'MalformedTurn'
  readonly retryable = false
}

/** The turn is larger than `turnLimitBytes` (P16): `decide` should have refused or split it. */
export class TurnTooLarge extends Error {
  override readonly name = 'TurnTooLarge'
  readonly retryable = false
  readonly sizeBytes: number
  constructor(sizeBytes: number) {
    super(`a turn of ${sizeBytes} bytes exceeds the limit of ${turnLimitBytes}: split it into several turns`)
    this.sizeBytes = sizeBytes
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Keys in the order of `envelope.ts`, absent ones left out, so that equal turns have equal bytes whoever built them. Throws `TurnTooLarge`. */
export function encodeTurn(turn: Turn): Uint8Array {
  return encodeTurnAndCommits(turn).bytes
}

/** As `encodeTurn`. Throws `TurnTooLarge`. */
export function encodeTurnAndCommits(turn: Turn): EncodedTurn {
  const encoded = writeTurn(turn)
  if (encoded.bytes.length > turnLimitBytes) throw new TurnTooLarge(encoded.bytes.length)
  return encoded
}

/** Checks the envelope, not the events' data, which their own schemas judge. Throws `MalformedTurn`. */
export function decodeTurn(bytes: Uint8Array): Turn {
  return readWrittenTurn(bytes) ?? parseTurn(bytes)
}

/** As `decodeTurn`, of whatever JSON it is. */
export function parseTurn(bytes: Uint8Array): Turn {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw new MalformedTurn('a stored turn is not JSON in UTF-8: the log holds something that Reeve did not write', { cause })
  }
  const fault = envelopeFault(value)
  if (fault !== undefined) throw new MalformedTurn(`a stored turn is malformed: ${fault}`)
  const turn = value as Turn
  for (const { events } of turn.commits) for (const { type, data } of events) if (type === 'JobsAdded') shareEqualParts((data as { readonly jobs?: unknown } | undefined | null)?.jobs)
  return turn
}

/** First thing wrong with what claims to be a turn; undefined when nothing is. */
function envelopeFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it is not an object'
  const turn = value as Record<string, unknown>
  if (typeof turn['turn'] !== 'string') return '"turn" is not a string'
  if (!isCount(turn['schema'], 1)) return '"schema" is not a whole number from 1'
  if ((turn['schema'] as number) > schemaVersion) return `it has schema ${String(turn['schema'])}, this build reads up to ${schemaVersion}: use a newer build`
  if (!isCount(turn['incarnation'], 1)) return '"incarnation" is not a whole number from 1'
  if (!isCount(turn['number'], 1)) return '"number" is not a whole number from 1'
  if (!isCount(turn['timeMs'], 0)) return '"timeMs" is not a whole number'
  if (typeof turn['previous'] !== 'string' || turn['previous'].length !== 64) return '"previous" is not a digest'
  const commits = turn['commits']
  if (!Array.isArray(commits)) return '"commits" is not a list'
  for (const commit of commits as Record<string, unknown>[]) {
    if (typeof commit !== 'object' || commit === null) return 'a commit is not an object'
    if (typeof commit['aggregate'] !== 'string') return 'a commit names no aggregate'
    if (typeof commit['id'] !== 'string') return 'a commit names no id'
    if (!isCount(commit['revision'], 1)) return 'a commit has no revision'
    if (typeof commit['actor'] !== 'string') return 'a commit names no actor'
    const events = commit['events']
    if (!Array.isArray(events)) return 'the events of a commit are not a list'
    for (const event of events as Record<string, unknown>[]) {
      if (typeof event !== 'object' || event === null || typeof event['type'] !== 'string') return 'an event has no type'
    }
  }
  return undefined
}

function isCount(value: unknown, least: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least
}

/** SHA-256 in lower-case hex. */
export function digestOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

/** RFC 8785. Throws `TypeError` for what JSON cannot say. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('only what JSON can say has a canonical form')
  return text
}

export function canonicalBytes(value: unknown): Uint8Array {
  return encoder.encode(canonicalJson(value))
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const ulidPattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/
const ulidRandomBytes = 10
/** Largest time a ULID can say. */
const ulidTimeLimitMs = 2 ** 48

export class MalformedUlid extends Error {
  override readonly name = 'MalformedUlid'
  readonly retryable = false
}

/** A ULID with the time `nowMs` and 80 random bits. Not monotone within a millisecond: nothing orders by ids. */
export function newUlid(nowMs: number, random: Random): string {
  return ulidOf(nowMs, random.bytes(ulidRandomBytes))
}

/** P15: the id of a command made from a cause has the time of the cause's turn and 80 bits of SHA-256 over (cause, ordinal). */
export function ulidFromCause(timeMs: number, cause: Cause, ordinal: number): string {
  const { aggregate, id, revision } = cause
  const digest = createHash('sha256').update(canonicalJson([aggregate, id, revision, ordinal])).digest()
  return ulidOf(timeMs, digest.subarray(0, ulidRandomBytes))
}

/** Time that a ULID begins with, integer milliseconds since the Unix epoch. Throws `MalformedUlid`. */
export function ulidTimeMs(ulid: string): number {
  if (!isUlid(ulid)) throw new MalformedUlid(`${JSON.stringify(ulid)} is not a ULID: 26 characters of Crockford's base 32 were expected`)
  let timeMs = 0
  for (let i = 0; i < 10; i++) timeMs = timeMs * 32 + crockford.indexOf(ulid[i] as string)
  return timeMs
}

export function isUlid(text: string): boolean {
  return ulidPattern.test(text)
}

function ulidOf(timeMs: number, tail: Uint8Array): string {
  if (!Number.isSafeInteger(timeMs) || timeMs < 0 || timeMs >= ulidTimeLimitMs) {
    throw new MalformedUlid(`${timeMs} ms is not a time that a ULID can hold`)
  }
  let head = ''
  for (let i = 0, rest = timeMs; i < 10; i++, rest = Math.floor(rest / 32)) head = crockford[rest % 32] + head
  let text = head
  let bits = 0
  let held = 0
  for (const byte of tail) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += crockford[(held >>> bits) & 31]
      held &= (1 << bits) - 1
    }
  }
  return text
}
