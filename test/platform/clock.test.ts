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

  test('tells whole milliseconds since the epoch', () => {
    expect(Number.isInteger(systemClock.nowMs())).toBe(true)
  })
})

test('randomness is of the length asked for, and differs', () => {
  const [one, other] = [systemRandom.bytes(16), systemRandom.bytes(16)]
  expect(one).toHaveLength(16)
  expect(one).not.toEqual(other)
})
