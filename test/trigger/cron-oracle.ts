/**
 * When a cron expression is due, found the slow way: every minute is looked at as the clock on the wall shows it. Written from the
 * rules in docs/wire.md and nominal-times.ts, knowing nothing of the library that they are kept by.
 */
const minuteMs = 60_000

interface Wall {
  readonly minute: number
  readonly hour: number
  readonly day: number
  readonly month: number
  readonly weekday: number
  /** Minutes of this wall clock since an arbitrary origin: falls where it is set back. */
  readonly total: number
}

export function oracle(pattern: string, zone: string, afterMs: number, untilMs: number): readonly number[] {
  const fields = pattern.split(' ') as [string, string, string, string, string]
  const fits = fitting(fields)
  const fixed = !/[*/]/.test(fields[0] + fields[1])
  const wallAt = wallClock(zone)
  const due: number[] = []
  // A day before, so that what the wall clock has shown already is known.
  const firstMs = Math.ceil((afterMs + 1) / minuteMs) * minuteMs - 24 * 60 * minuteMs
  const shown = new Set<number>()
  let before: Wall | undefined
  for (let atMs = firstMs; atMs <= untilMs; atMs += minuteMs) {
    const wall = wallAt(atMs)
    let is = fits(wall)
    if (fixed) {
      if (shown.has(wall.total)) is = false
      // What the wall clock left out since the minute before.
      for (let total = (before?.total ?? wall.total) + 1; total < wall.total; total++) if (!shown.has(total) && fits(wallOf(total))) is = true
    }
    shown.add(wall.total)
    if (fixed && before !== undefined) for (let total = before.total + 1; total < wall.total; total++) shown.add(total)
    before = wall
    if (is && atMs > afterMs) due.push(atMs)
  }
  return due
}

function wallClock(zone: string): (atMs: number) => Wall {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric',
  })
  return (atMs) => {
    const part = Object.fromEntries(format.formatToParts(new Date(atMs)).map(({ type, value }) => [type, Number(value)]))
    return wallOf(Date.UTC(part['year']!, part['month']! - 1, part['day']!, part['hour']!, part['minute']!) / minuteMs)
  }
}

function wallOf(total: number): Wall {
  const date = new Date(total * minuteMs)
  return { minute: date.getUTCMinutes(), hour: date.getUTCHours(), day: date.getUTCDate(), month: date.getUTCMonth() + 1, weekday: date.getUTCDay(), total }
}

function fitting([minute, hour, day, month, weekday]: readonly [string, string, string, string, string]): (wall: Wall) => boolean {
  const [minutes, hours, days, months, weekdays] = [setOf(minute, 0, 59), setOf(hour, 0, 23), setOf(day, 1, 31), setOf(month, 1, 12), setOf(weekday, 0, 6)]
  const anyDay = day === '*'
  const anyWeekday = weekday === '*'
  return (wall) => {
    if (!minutes.has(wall.minute) || !hours.has(wall.hour) || !months.has(wall.month)) return false
    // Where both are narrowed, either will do.
    if (!anyDay && !anyWeekday) return days.has(wall.day) || weekdays.has(wall.weekday)
    return days.has(wall.day) && weekdays.has(wall.weekday)
  }
}

function setOf(field: string, least: number, most: number): ReadonlySet<number> {
  const values = new Set<number>()
  for (const part of field.split(',')) {
    const [range, step = '1'] = part.split('/') as [string, string?]
    const [first, last = first] = range === '*' ? [least, most] : range.split('-').map(Number)
    for (let value = first!; value <= last!; value += Number(step)) values.add(value)
  }
  return values
}
