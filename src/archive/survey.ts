/** What stands of a lane in the log, and how much of it may be archived. Reads only. */
import type { LaneArchive } from '../../machines/lane/machine.ts'
import { decodeTurn, digestOf } from '../../streams/codec.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { archivesIn } from '../lane/beginning.ts'

export interface TurnAt {
  readonly number: number
  readonly position: number
  /** Of its stored bytes. */
  readonly digest: string
}

export interface LaneSurvey {
  readonly first: TurnAt & { readonly previous: string }
  readonly last: TurnAt
  /** The last that was recorded in this incarnation. */
  readonly archive: LaneArchive | undefined
  /** Turns that are missing behind the first, which only a purge that was cut off explains. */
  readonly gapped: boolean
}

/** Undefined where the lane has no turn. Throws `MalformedTurn`, `Unavailable`. */
export async function surveyLane(log: EventLog, subject: string, signal: AbortSignal): Promise<LaneSurvey | undefined> {
  let first: LaneSurvey['first'] | undefined
  let last: { number: number; position: number; bytes: Uint8Array } | undefined
  let archive: LaneArchive | undefined
  let gapped = false
  const end = await log.last(subject)
  if (end === undefined) return undefined
  for await (const batch of log.read({ subjects: [subject], from: 1, until: end.position, signal })) {
    for (const { position, bytes } of batch) {
      const { number, previous } = decodeTurn(bytes)
      first ??= { number, position, previous, digest: digestOf(bytes) }
      if (last !== undefined && number !== last.number + 1) gapped = true
      last = { number, position, bytes }
      archive = archivesIn(bytes, log.incarnation).at(-1) ?? archive
    }
  }
  if (first === undefined || last === undefined) return undefined
  return { first, last: { number: last.number, position: last.position, digest: digestOf(last.bytes) }, archive, gapped }
}

export interface LastBefore extends TurnAt {
  /** From `from` to it there is nothing but what archives themselves left: their records, and turns without events. */
  readonly idle: boolean
}

/** The last turn below `before` whose time is before `timeMs`, from turn `from` on; undefined where there is none. Times of a lane never fall. */
export async function lastBefore(log: EventLog, subject: string, limits: { readonly from: number; readonly before: number; readonly timeMs: number }, signal: AbortSignal): Promise<LastBefore | undefined> {
  let found: { number: number; position: number; bytes: Uint8Array } | undefined
  let idle = true
  const end = await log.last(subject)
  if (end === undefined) return undefined
  reading: for await (const batch of log.read({ subjects: [subject], from: 1, until: end.position, signal })) {
    for (const { position, bytes } of batch) {
      const { number, timeMs, commits } = decodeTurn(bytes)
      if (number >= limits.before || timeMs >= limits.timeMs) break reading
      if (number < limits.from) continue
      found = { number, position, bytes }
      idle &&= commits.every(({ events }) => events.every(({ type }) => type === 'LaneArchived'))
    }
  }
  return found === undefined ? undefined : { number: found.number, position: found.position, digest: digestOf(found.bytes), idle }
}

/** The turn of this number. */
export async function turnAt(log: EventLog, subject: string, number: number, signal: AbortSignal): Promise<TurnAt | undefined> {
  const found = await lastBefore(log, subject, { from: number, before: number + 1, timeMs: Infinity }, signal)
  return found?.number === number ? found : undefined
}
