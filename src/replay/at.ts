/** Which point of the log a person means with `--at` (DESIGN §2). */
import { parseTime, timeText } from '../platform/time-text.ts'

export type At =
  | { readonly kind: 'end' }
  /** After everything up to this position. */
  | { readonly kind: 'position'; readonly position: number }
  /** After the event of the group with this revision. */
  | { readonly kind: 'revision'; readonly revision: number }
  /** Before the first turn, in the order of the group's lane, that is later than this: milliseconds since the Unix epoch. */
  | { readonly kind: 'time'; readonly timeMs: number }

export class MalformedAt extends Error {
  override readonly name = 'MalformedAt'
  readonly retryable = false
}

/** `N`, `rN`, or an ISO 8601 time (without a zone: UTC). Throws `MalformedAt`. */
export function parseAt(text: string | undefined): At {
  if (text === undefined) return { kind: 'end' }
  const number = /^(r?)(\d{1,15})$/.exec(text)
  if (number !== null) {
    const value = Number(number[2])
    return number[1] === 'r' ? { kind: 'revision', revision: value } : { kind: 'position', position: value }
  }
  const timeMs = parseTime(text)
  if (timeMs === undefined) {
    throw new MalformedAt(`--at ${JSON.stringify(text)}: give a position (120), a revision (r7) or a time (2026-05-04T10:20:30.123Z)`)
  }
  return { kind: 'time', timeMs }
}

export function atText(at: At): string {
  switch (at.kind) {
    case 'end':
      return 'the end of the log'
    case 'position':
      return `position ${at.position}`
    case 'revision':
      return `revision ${at.revision}`
    case 'time':
      return `time ${timeText(at.timeMs)}`
  }
}
