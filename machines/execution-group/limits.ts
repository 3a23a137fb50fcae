/**
 * Sizes of what goes into a turn (P16). `decide` keeps them, so that a decided commit always fits and no adapter's long
 * answer can stop a lane. UTF-8 bytes.
 */
import type { Operation } from '../service/operation.ts'
import type { JobSpec, Reason } from './events.ts'

/** Longest text in an event; a longer one lies in `<realm>_texts` under its digest. */
export const textLimitBytes = 2 * 1024
export const codeLimitBytes = 64
/** Most bytes of one `JobsAdded` (P14), and of one list of assignments. */
export const partLimitBytes = 64 * 1024

/** Most runs of predicates of one job. */
export const afterLimit = 1_000

export function isPriority(value: number): boolean {
  return Number.isInteger(value) && value >= -100 && value <= 100
}

const encoder = new TextEncoder()

/** Bytes of `value` as JSON in UTF-8: what it takes in a turn. */
export function sizeBytes(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length
}

/** At least `sizeBytes(value)`, found without making the JSON: for what is nearly always far below its limit. */
export function mostBytes(value: unknown): number {
  if (typeof value === 'string') return mostTextBytes(value)
  // Longer than any number.
  if (typeof value !== 'object' || value === null) return 32
  let bytes = 2
  if (Array.isArray(value)) for (const item of value) bytes += mostBytes(item) + 1
  else for (const key in value) bytes += mostTextBytes(key) + 2 + mostBytes((value as Readonly<Record<string, unknown>>)[key])
  return bytes
}

/**
 * At least `sizeBytes(spec)`. As `mostBytes`, which meets objects of so many kinds that it looks up each key: here nearly all are known. A
 * holder does it for every job that it grants.
 */
export function mostSpecBytes(spec: JobSpec): number {
  let bytes = 2
  for (const key in spec) {
    switch (key) {
      case 'site':
        bytes += knownKeyBytes + mostNameBytes(spec.site)
        break
      case 'service':
        bytes += knownKeyBytes + mostBytes(spec.service)
        break
      case 'repeatable':
        bytes += knownKeyBytes + mostBytes(spec.repeatable)
        break
      case 'operation':
        bytes += knownKeyBytes + mostNamedBytes(spec.operation)
        break
      case 'skill':
        bytes += knownKeyBytes + mostNamedBytes(spec.skill)
        break
      default:
        bytes += mostTextBytes(key) + 2 + mostBytes(spec[key as keyof JobSpec])
    }
  }
  return bytes
}

/** With its quotes, colon and comma. */
const knownKeyBytes = 'repeatable'.length + 4

/** What has a name, and little else. */
function mostNamedBytes(value: Operation | JobSpec['skill']): number {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return mostBytes(value)
  let bytes = 2
  for (const key in value) {
    if (key === 'name') bytes += knownKeyBytes + mostNameBytes(value.name)
    else bytes += mostTextBytes(key) + 2 + mostBytes((value as Readonly<Record<string, unknown>>)[key])
  }
  return bytes
}

/** A short one is not looked through. */
function mostNameBytes(name: unknown): number {
  return typeof name === 'string' && name.length <= shortLimit ? name.length * 6 + 2 : mostBytes(name)
}

const shortLimit = 10

/** Longer ones are not looked through. */
const plainLimit = 64

/** Exact for a short text of plain characters, as nearly all are. */
function mostTextBytes(text: string): number {
  const { length } = text
  // A UTF-16 unit takes at most six bytes, escaped.
  if (length > plainLimit) return length * 6 + 2
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return length * 6 + 2
  }
  return length + 2
}

/** The beginning of a text that fits, cut between characters. */
export function cutText(text: string, limitBytes: number): string {
  // A UTF-16 unit takes at most three bytes.
  if (text.length * 3 <= limitBytes) return text
  const { read } = encoder.encodeInto(text, new Uint8Array(limitBytes))
  return text.slice(0, read)
}

export function cutReason(reason: Reason): Reason {
  const code = cutText(reason.code, codeLimitBytes)
  const text = cutText(reason.text, textLimitBytes)
  return code === reason.code && text === reason.text ? reason : { ...reason, code, text }
}
