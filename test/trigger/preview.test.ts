/** Times as a wall of a zone shows them, and back. */
import { expect, test } from 'vitest'
import { shownIn, whenOnWall } from '../../src/trigger/preview.ts'

const hourMs = 3_600_000

test.each([
  ['Europe/Berlin', '2027-03-27T00:00Z', '2027-03-26T23:00:00.000Z'],
  ['Europe/Berlin', '2027-03-28T03:00Z', '2027-03-28T01:00:00.000Z'],
  // Skipped by clocks: as if they had not been changed yet.
  ['Europe/Berlin', '2027-03-28T02:30Z', '2027-03-28T01:30:00.000Z'],
  // Twice: the first.
  ['Europe/Berlin', '2027-10-31T02:30Z', '2027-10-31T00:30:00.000Z'],
  ['America/St_Johns', '2027-07-01T12:00Z', '2027-07-01T14:30:00.000Z'],
  ['UTC', '2027-02-28T24:00Z', '2027-03-01T00:00:00.000Z'],
])('on a wall of %s, %s is %s', (zone, wall, utc) => {
  expect(new Date(whenOnWall(zone, Date.parse(wall))).toISOString()).toBe(utc)
})

test('every hour of a year comes back from the wall of its zone, or is the first of two', () => {
  for (const zone of ['Europe/Berlin', 'Australia/Lord_Howe', 'America/New_York']) {
    let twice = 0
    for (let atMs = Date.UTC(2027, 0, 1); atMs < Date.UTC(2028, 0, 1); atMs += hourMs) {
      const { local } = shownIn(zone, atMs)
      const back = whenOnWall(zone, Date.parse(`${local.replace(' ', 'T')}Z`))
      if (back === atMs) continue
      twice += 1
      expect(back).toBeLessThan(atMs)
      expect(shownIn(zone, back).local).toBe(local)
    }
    expect(twice).toBe(1)
  }
})
