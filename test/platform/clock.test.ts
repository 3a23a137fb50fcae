import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'

describe('the clock of the system', () => {
  test('runs a task once, not before its delay', async () => {
    const startMs = systemClock.monotonicMs()
    let runs = 0
    await new Promise<void>((resolve) => systemClock.after(30, () => {
      runs += 1
      resolve()
    }))
    expect(runs).toBe(1)
    // The runtime's timers count whole milliseconds.
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(29)
  })

  test('never runs a cancelled task', async () => {
    let ran = false
    const timer = systemClock.after(5, () => (ran = true))
    timer.cancel()
    timer.cancel()
    await new Promise<void>((resolve) => systemClock.after(20, resolve))
    expect(ran).toBe(false)
  })

  test('does not run what is due in months at once', async () => {
    let ran = false
    const timer = systemClock.after(2 ** 31 + 1_000, () => (ran = true))
    await new Promise<void>((resolve) => systemClock.after(20, resolve))
    timer.cancel()
    expect(ran).toBe(false)
  })

  test('runs tasks with slack in one moment, each not further from its time than that, and again after whole periods', async () => {
    const startMs = systemClock.monotonicMs()
    const ranMs: Record<'one' | 'other', number[]> = { one: [], other: [] }
    const run = (name: 'one' | 'other', periodMs: number, times: number): Promise<void> =>
      new Promise<void>((resolve) =>
        systemClock.after(
          periodMs,
          () => {
            ranMs[name].push(systemClock.monotonicMs())
            resolve(times === 1 ? undefined : run(name, periodMs, times - 1))
          },
          periodMs / 2,
        ),
      )
    const one = run('one', 250, 4)
    await new Promise<void>((resolve) => systemClock.after(60, resolve))
    await Promise.all([one, run('other', 500, 2)])
    const [first] = ranMs.one
    expect(first! - startMs).toBeGreaterThanOrEqual(124)
    // Nothing lies between two tasks of one moment.
    const together = ranMs.other.filter((ms) => ranMs.one.some((other) => Math.abs(ms - other) < 5))
    expect(together.length).toBeGreaterThanOrEqual(1)
  })

  test('cancels one task of a moment, and not the others', async () => {
    const ran: string[] = []
    const cancelled = systemClock.after(125, () => ran.push('cancelled'), 63)
    const whole = new Promise<void>((resolve) => systemClock.after(125, () => resolve(void ran.push('ran')), 63))
    cancelled.cancel()
    cancelled.cancel()
    await whole
    const last = systemClock.after(125, () => ran.push('last'), 63)
    last.cancel()
    await new Promise<void>((resolve) => systemClock.after(300, resolve))
    expect(ran).toEqual(['ran'])
  })

  test('tells whole milliseconds since the epoch', () => {
    expect(Number.isInteger(systemClock.nowMs())).toBe(true)
  })
})

test('randomness is of the length asked for, and differs', () => {
  const [one, other] = [systemRandom.bytes(16), systemRandom.bytes(16)]
  expect(one).toHaveLength(16)
  expect(one).not.toEqual(other)
})
