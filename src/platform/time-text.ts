/** Times as text and back. Pure: the runtime's calendar, not its clock. */

const isoTime = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/

/** ISO 8601, to the millisecond; without a zone it is UTC. Milliseconds since the Unix epoch, undefined for anything else, also for a day that no month has. */
export function parseTime(text: string): number | undefined {
  if (!isoTime.test(text) || namesNoDay(text)) return undefined
  const withT = text.replace(' ', 'T')
  const whole = withT.includes('T') ? withT : `${withT}T00:00:00`
  const timeMs = Date.parse(namesOffset(whole) ? whole : `${whole}Z`)
  return Number.isNaN(timeMs) ? undefined : timeMs
}

/** It begins with a date that the calendar does not have, such as 2027-02-30, which the runtime would take for a later one. */
export function namesNoDay(text: string): boolean {
  const date = /^\d{4}-\d{2}-\d{2}/.exec(text)?.[0]
  if (date === undefined) return false
  const dayMs = Date.parse(`${date}T00:00:00Z`)
  return Number.isNaN(dayMs) || !new Date(dayMs).toISOString().startsWith(date)
}

/** Says of which zone it is: `Z`, or an offset. Of what `parseTime` takes. */
export function namesOffset(text: string): boolean {
  return /(?:Z|[+-]\d{2}:\d{2})$/.test(text) && /[T ]/.test(text)
}

/** Farthest from the epoch that the calendar goes, either way. */
const calendarEndMs = 8.64e15

/** `2026-05-04T10:20:30.123Z`; of a number that is no time of the calendar, which a log may hold: `9000000000000000 ms`. */
export function timeText(timeMs: number): string {
  return Math.abs(timeMs) <= calendarEndMs ? new Date(timeMs).toISOString() : `${timeMs} ms`
}

/** `10:20:30.123Z` on the day of `nowMs` (UTC), with its date on any other. */
export function shortTimeText(timeMs: number, nowMs: number): string {
  const [time, now] = [timeText(timeMs), timeText(nowMs)]
  return time.slice(0, 10) === now.slice(0, 10) ? time.slice(11) : time
}
