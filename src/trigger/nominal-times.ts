/**
 * Nominal times of a trigger, computed from its definition and a given instant: no clock is read. A time of a cron expression
 * is local time of its zone. Where clocks change:
 * - no wildcard and no step in minute and hour: a time that the day lacks is due at the first moment after the gap (once, where several
 *   are lacking), one that the day has twice is due the first time.
 * - else every minute that exists counts: what the day lacks is not due, what it has twice is due twice.
 */
import { Cron } from 'croner'
import type { TriggerTimes } from '../../machines/trigger/definition.ts'

/** Neither the pattern nor the zone is named in a way that a person would not understand. */
export class BadTime extends Error {
  override readonly name = 'BadTime'
  readonly retryable = false
}

const fieldNames = ['minute', 'hour', 'day of the month', 'month', 'day of the week']
/** Farther than any leap day is from the next. */
const horizonMs = 9 * 366 * 24 * 60 * 60 * 1000

type CronTimes = NonNullable<TriggerTimes['cron']>

/** Parsing costs more than a step; definitions are few and looked at often. */
const parsed = new Map<string, Cron>()
const parsedLimit = 1_000

/** Throws `BadTime` where the zone is unknown, the pattern cannot be read, or no time fits it after `afterMs`. */
export function checkCron(cron: CronTimes, afterMs: number): void {
  if (nextOfCron(cron, afterMs) === undefined) throw new BadTime(`the cron expression "${cron.pattern}" fits no time at all: there is no such day`)
}

/** The first nominal time later than `afterMs`; undefined where none is to come. Throws `BadTime`. */
export function nextNominalTime(when: TriggerTimes, afterMs: number): number | undefined {
  const once = when.atMs?.find((atMs) => atMs > afterMs)
  const repeated = when.cron === undefined ? undefined : nextOfCron(when.cron, afterMs)
  if (once === undefined || repeated === undefined) return once ?? repeated
  return Math.min(once, repeated)
}

/** All nominal times later than `afterMs` up to `untilMs`, at most `limit`, strictly rising. Throws `BadTime`. */
export function nominalTimes(when: TriggerTimes, afterMs: number, untilMs: number, limit: number): readonly number[] {
  const times: number[] = []
  for (let last = afterMs; times.length < limit; ) {
    const next = nextNominalTime(when, last)
    if (next === undefined || next > untilMs) break
    times.push(next)
    last = next
  }
  return times
}

function nextOfCron({ pattern, zone }: CronTimes, afterMs: number): number | undefined {
  const next = cronOf(pattern, zone).nextRun(new Date(afterMs))
  const atMs = next?.getTime()
  return atMs === undefined || atMs > afterMs + horizonMs ? undefined : atMs
}

function cronOf(pattern: string, zone: string): Cron {
  const key = `${pattern}\n${zone}`
  const known = parsed.get(key)
  if (known !== undefined) return known
  const cron = parse(pattern, zone)
  if (parsed.size >= parsedLimit) parsed.clear()
  parsed.set(key, cron)
  return cron
}

function parse(pattern: string, zone: string): Cron {
  demandZone(zone)
  const fields = pattern.trim().split(/\s+/)
  if (pattern.trim() === '' || fields.length !== fieldNames.length) {
    throw new BadTime(`the cron expression "${pattern}" has ${pattern.trim() === '' ? 0 : fields.length} fields, and 5 are needed: ${fieldNames.join(', ')}`)
  }
  fields.forEach((field, index) => {
    // One field at a time, so that the message names it.
    const alone = fieldNames.map((_, other) => (other === index ? field : '*')).join(' ')
    try {
      new Cron(alone, { paused: true, mode: '5-part', timezone: zone })
    } catch {
      throw new BadTime(`the cron expression "${pattern}" has ${JSON.stringify(field)} as ${fieldNames[index]}, which is none: ${allowed[index]}`)
    }
  })
  return new Cron(fields.join(' '), { paused: true, mode: '5-part', timezone: zone, fixedTimeRule: 'no-wildcard' })
}

const allowed = [
  'use 0-59, *, lists, ranges and steps (*/5)',
  'use 0-23, *, lists, ranges and steps (*/2)',
  'use 1-31, L (the last), *, lists, ranges and steps',
  'use 1-12 or JAN-DEC, *, lists, ranges and steps',
  'use 0-7 or SUN-SAT, *, lists, ranges and steps',
]

function demandZone(zone: string): void {
  // An offset is accepted by the runtime, but has no daylight saving time: who writes one is seldom served by it.
  const named = /^[A-Za-z]/.test(zone)
  try {
    if (named && Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined) return
  } catch {
    // Said below.
  }
  throw new BadTime(`there is no time zone ${JSON.stringify(zone)}: give an IANA name such as Europe/Berlin, or UTC`)
}
