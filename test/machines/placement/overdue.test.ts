import { describe, expect, it } from 'vitest'
import { overdueAtMs, quietLaneMs, stepAfter } from '../../../machines/placement/overdue.ts'

const grant = (left: number) => ({ left, callDeadlineMs: 1_000 })

describe('an open grant of which no word comes (I9)', () => {
  it('is overdue once each of its jobs could have been called and read, and its lane could have stood still', () => {
    expect(overdueAtMs(grant(1), 500)).toBe(500 + 2_200 + quietLaneMs)
    expect(overdueAtMs(grant(4), 500)).toBe(500 + 4 * 2_200 + quietLaneMs)
  })
  it('its executor stopped: it is closed at once, however long it took to say so (P19)', () => {
    for (const askedMs of [0, 3_099, 3_100, 1_000_000]) expect(stepAfter('stopped', askedMs, grant(1))).toBe('expire')
  })
  it.each(['running', 'none'] as const)('its executor says %s: it has the time of a call; then its presence is ended (P18)', (said) => {
    expect(stepAfter(said, 0, grant(1))).toBe('ask-again')
    expect(stepAfter(said, 3_099, grant(1))).toBe('ask-again')
    expect(stepAfter(said, 3_100, grant(1))).toBe('end-presence')
  })
})
