/** Nominal times as a person reads them: on the wall of their zone, with its offset, and in UTC. */
import { type TriggerTimes, lastTimeMs } from '../../machines/trigger/definition.ts'
import { nominalTimes } from './nominal-times.ts'

export interface PreviewedTime {
  readonly atMs: number
  /** `2026-03-29 03:00:00`, in the zone. */
  readonly local: string
  /** `Sun` */
  readonly weekday: string
  /** `+02:00` */
  readonly offset: string
  /** `2026-03-29T01:00:00.000Z` */
  readonly utc: string
}

/** Once-at times alone are shown in UTC. */
export function zoneOf(when: TriggerTimes): string {
  return when.cron?.zone ?? 'UTC'
}

/** The next `count` after `afterMs`; none past `lastTimeMs`, which have no such text. Throws `BadTime`. */
export function previewOf(when: TriggerTimes, afterMs: number, count: number): readonly PreviewedTime[] {
  return nominalTimes(when, afterMs, lastTimeMs, count).map((atMs) => shownIn(zoneOf(when), atMs))
}

export function shownIn(zone: string, atMs: number): PreviewedTime {
  const parts = Object.fromEntries(formatOf(zone).formatToParts(new Date(atMs)).map(({ type, value }) => [type, value])) as Record<string, string>
  const { year, month, day, hour, minute, second, weekday } = parts
  const wallMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return {
    atMs,
    local: `${year}-${month}-${day} ${hour}:${minute}:${second}`,
    weekday: weekday!,
    offset: offsetText(Math.round((wallMs - Math.floor(atMs / 1_000) * 1_000) / 60_000)),
    utc: new Date(atMs).toISOString(),
  }
}

/** When a wall of the zone shows `wallMs`, a time taken as if it were UTC: the first time where it does twice; where clocks skip it, as if they had not been changed yet. */
export function whenOnWall(zone: string, wallMs: number): number {
  const dayMs = 24 * 60 * 60 * 1_000
  const shown = (atMs: number) => Date.parse(`${shownIn(zone, atMs).local.replace(' ', 'T')}Z`) - Math.floor(atMs / 1_000) * 1_000
  const before = wallMs - shown(wallMs - dayMs)
  const after = wallMs - shown(wallMs + dayMs)
  return before + shown(before) === wallMs || after + shown(after) !== wallMs ? before : after
}

function formatOf(zone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone, hourCycle: 'h23', weekday: 'short', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  })
}

function offsetText(minutes: number): string {
  const text = (value: number) => String(value).padStart(2, '0')
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${text(Math.floor(size / 60))}:${text(size % 60)}`
}
