/** Nominal times against an oracle that looks at every single minute through Intl.DateTimeFormat. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TriggerTimes } from '../../machines/trigger/definition.ts'
import { BadTime, checkCron, nextNominalTime, nominalTimes } from '../../src/trigger/nominal-times.ts'
import { oracle } from './cron-oracle.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const utc = (text: string) => Date.parse(`${text}Z`)
const iso = (times: readonly number[]) => times.map((atMs) => new Date(atMs).toISOString().slice(0, 16))
const cron = (pattern: string, zone: string): TriggerTimes => ({ cron: { pattern, zone } })
const between = (pattern: string, zone: string, from: string, until: string) => iso(nominalTimes(cron(pattern, zone), utc(from), utc(until), 1_000))

describe('where clocks change', () => {
  it('a fixed time that the day lacks is due at the first moment after the gap', () => {
    expect(between('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00', '2026-03-31T00:00')).toEqual(['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'])
  })
  it('several fixed times that the day lacks are due once', () => {
    expect(between('15,45 2 * * *', 'Europe/Berlin', '2026-03-28T20:00', '2026-03-30T00:20')).toEqual(['2026-03-29T01:00', '2026-03-30T00:15'])
  })
  it('a fixed time that the day has twice is due the first time', () => {
    expect(between('30 2,14 * * *', 'Europe/Berlin', '2026-10-24T20:00', '2026-10-26T02:00')).toEqual(['2026-10-25T00:30', '2026-10-25T13:30', '2026-10-26T01:30'])
  })
  it('what repeats within the hour goes on through both', () => {
    expect(between('*/30 2 * * *', 'Europe/Berlin', '2026-10-24T20:00', '2026-10-26T00:00')).toEqual(['2026-10-25T00:00', '2026-10-25T00:30', '2026-10-25T01:00', '2026-10-25T01:30'])
    expect(between('*/30 2 * * *', 'Europe/Berlin', '2026-03-28T02:00', '2026-03-30T00:20')).toEqual(['2026-03-30T00:00'])
  })
  it('a change by half an hour, and one at midnight', () => {
    expect(between('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02T12:00', '2026-10-05T00:00')).toEqual(['2026-10-02T15:45', '2026-10-03T15:30', '2026-10-04T15:15'])
    expect(between('0 0 * * *', 'Africa/Cairo', '2026-04-22T12:00', '2026-04-25T00:00')).toEqual(['2026-04-22T22:00', '2026-04-23T22:00', '2026-04-24T21:00'])
  })
})

// One change of clocks of each kind: by an hour, by half an hour, at midnight, far from UTC, none at all.
const changes = [
  { zone: 'Europe/Berlin', around: ['2026-03-29T01:00', '2026-10-25T01:00'] },
  { zone: 'America/New_York', around: ['2026-03-08T07:00', '2026-11-01T06:00'] },
  { zone: 'Australia/Lord_Howe', around: ['2026-04-04T15:00', '2026-10-03T15:30'] },
  { zone: 'Africa/Cairo', around: ['2026-04-23T22:00', '2026-10-29T21:00'] },
  { zone: 'America/Santiago', around: ['2026-04-05T03:00', '2026-09-06T04:00'] },
  { zone: 'Pacific/Chatham', around: ['2026-04-04T14:00', '2026-09-26T14:00'] },
  { zone: 'Asia/Kathmandu', around: ['2026-03-01T00:00', '2026-12-31T23:00'] },
  { zone: 'UTC', around: ['2026-02-28T23:00', '2026-12-31T23:00'] },
] as const

const value = (least: number, most: number) => fc.integer({ min: least, max: most })
function field(least: number, most: number, steps: readonly number[]): fc.Arbitrary<string> {
  const range = fc.tuple(value(least, most), value(least, most)).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
  const one = value(least, most).map(String)
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant('*') },
    { weight: 4, arbitrary: one },
    { weight: 1, arbitrary: fc.constantFrom(...steps).map((step) => `*/${step}`) },
    { weight: 1, arbitrary: range },
    { weight: 2, arbitrary: fc.uniqueArray(fc.oneof(one, range), { minLength: 2, maxLength: 3 }).map((parts) => parts.join(',')) },
    { weight: 1, arbitrary: fc.tuple(range, fc.constantFrom(...steps)).map(([text, step]) => `${text}/${step}`) },
  )
}
// Hours where clocks change come up more often than by chance.
const hour = fc.oneof(field(0, 23, [2, 3, 6]), fc.constantFrom('0', '1', '2', '3', '0-3', '1,2', '2,3,14'))
const pattern = fc
  .tuple(
    field(0, 59, [5, 15, 20, 30]),
    hour,
    fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, { weight: 1, arbitrary: field(1, 31, [2, 7]) }),
    fc.oneof({ weight: 4, arbitrary: fc.constant('*') }, { weight: 1, arbitrary: field(1, 12, [3]) }),
    fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, { weight: 1, arbitrary: field(0, 6, [2]) }),
  )
  .map((fields) => fields.join(' '))
const window = fc.constantFrom(...changes).chain(({ zone, around }) =>
  fc.record({ zone: fc.constant(zone), fromMs: fc.constantFrom(...around).chain((text) => value(-36, 1).map((hours) => utc(text) + hours * hourMs)) }),
)

it('over expressions and zones: rising, none doubled, none lost', () => {
  fc.assert(
    fc.property(pattern, window, fc.integer({ min: 0, max: minuteMs - 1 }), (text, { zone, fromMs }, offsetMs) => {
      const afterMs = fromMs + offsetMs
      const untilMs = fromMs + 2 * dayMs
      let found: readonly number[]
      try {
        found = nominalTimes(cron(text, zone), afterMs, untilMs, 5_000)
      } catch (error) {
        if (error instanceof BadTime) return fc.pre(false)
        throw error
      }
      expect(iso(found)).toEqual(iso(oracle(text, zone, afterMs, untilMs)))
      for (let index = 1; index < found.length; index++) expect(found[index]).toBeGreaterThan(found[index - 1]!)
    }),
    { numRuns: 400 },
  )
})

it('asked from wherever, the same times follow', () => {
  fc.assert(
    fc.property(pattern, window, fc.array(fc.integer({ min: 0, max: 2 * dayMs }), { maxLength: 20 }), (text, { zone, fromMs }, offsets) => {
      const all = nominalTimes(cron(text, zone), fromMs, fromMs + 2 * dayMs, 5_000)
      for (const offset of offsets) {
        expect(nominalTimes(cron(text, zone), fromMs + offset, fromMs + 2 * dayMs, 5_000)).toEqual(all.filter((atMs) => atMs > fromMs + offset))
      }
    }),
    { numRuns: 100 },
  )
})

describe('once-at times', () => {
  it('come with those of the cron expression, each once', () => {
    const when = { atMs: [utc('2026-06-01T10:00'), utc('2026-06-01T10:07')], ...cron('*/5 * * * *', 'UTC') }
    expect(iso(nominalTimes(when, utc('2026-06-01T09:58'), utc('2026-06-01T10:10'), 100))).toEqual(['2026-06-01T10:00', '2026-06-01T10:05', '2026-06-01T10:07', '2026-06-01T10:10'])
  })
  it('end, where there is nothing else', () => {
    expect(nextNominalTime({ atMs: [5] }, 4)).toBe(5)
    expect(nextNominalTime({ atMs: [5] }, 5)).toBeUndefined()
  })
  it('no more than asked for', () => {
    expect(nominalTimes(cron('* * * * *', 'UTC'), 0, Number.MAX_SAFE_INTEGER, 3)).toEqual([minuteMs, 2 * minuteMs, 3 * minuteMs])
  })
})

describe('one line says what is wrong', () => {
  it.each([
    ['61 * * * *', 'UTC', '"61" as minute'],
    ['0 24 * * *', 'UTC', '"24" as hour'],
    ['0 0 32 * *', 'UTC', '"32" as day of the month'],
    ['0 0 * 13 *', 'UTC', '"13" as month'],
    ['0 0 * * x', 'UTC', '"x" as day of the week'],
    ['* * * *', 'UTC', 'has 4 fields, and 5 are needed'],
    ['', 'UTC', 'has 0 fields'],
    ['* * * * * *', 'UTC', 'has 6 fields'],
    ['@daily', 'UTC', 'has 1 fields'],
    ['2026-01-01T00:00:00', 'UTC', 'has 1 fields'],
    ['0 0 31 2 *', 'UTC', 'fits no time at all'],
    ['* * * * *', 'Europe/Nowhere', 'no time zone "Europe/Nowhere"'],
    ['* * * * *', '', 'no time zone ""'],
    ['* * * * *', '+02:00', 'no time zone "+02:00"'],
  ])('%s %s', (text, zone, said) => {
    const check = () => checkCron({ pattern: text, zone }, 0)
    expect(check).toThrow(BadTime)
    expect(check).toThrow(said)
    expect(check).not.toThrow('\n')
  })
})

it('reads no clock: the same at whatever time it is asked', async () => {
  const { vi } = await import('vitest')
  const asked = () => nominalTimes(cron('30 2 * * 1', 'Europe/Berlin'), utc('2026-03-20T00:00'), utc('2026-12-31T00:00'), 100)
  const now = asked()
  vi.useFakeTimers({ now: utc('1999-12-31T23:59') })
  try {
    expect(asked()).toEqual(now)
  } finally {
    vi.useRealTimers()
  }
})
