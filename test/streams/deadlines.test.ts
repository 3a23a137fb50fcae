import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deadlines } from '../../streams/deadlines.ts'
import { VirtualTime, clockOf } from '../simulation/virtual-time.ts'
import { countedClock } from '../support/counted-clock.ts'

const asked = fc.record({ atMs: fc.nat(8_000), lengthMs: fc.constantFrom(500, 2_000, 5_000, 5_001), takenBackMs: fc.option(fc.nat(6_000)) })

test('each time that is not taken back comes once, when it is reached or up to half a second later; one that is never does; and nothing waits in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { maxLength: 30 }), async (all) => {
      const time = new VirtualTime()
      const clock = countedClock(clockOf(time))
      const deadlines = new Deadlines(clock)
      const came = all.map((): number[] => [])
      for (const [index, { atMs, lengthMs, takenBackMs }] of all.entries()) {
        time.after(atMs, () => {
          const timer = deadlines.after(lengthMs, () => came[index]!.push(time.nowMs))
          if (takenBackMs !== null) time.after(takenBackMs, () => timer.cancel())
        })
      }
      time.after(20_000, () => {})
      await time.run(() => time.nowMs >= 20_000, { steps: 10_000, untilMs: 30_000 })
      for (const [index, { atMs, lengthMs, takenBackMs }] of all.entries()) {
        const dueMs = atMs + lengthMs
        const backMs = takenBackMs === null ? Infinity : atMs + takenBackMs
        const times = came[index]!
        if (backMs < dueMs) expect(times).toEqual([])
        else {
          // Taken back in the half second in which it may come.
          if (times.length === 0) expect(backMs).toBeLessThanOrEqual(dueMs + 500)
          else expect(times.length === 1 && times[0]! >= dueMs && times[0]! <= dueMs + 500).toBe(true)
        }
      }
      expect(clock.standing).toBe(0)
    }),
  )
})

test('a thousand requests that are answered one after the other set one timer, which does not keep a process that is done', () => {
  const time = new VirtualTime()
  const clock = countedClock(clockOf(time))
  const deadlines = new Deadlines(clock)
  for (let request = 0; request < 1_000; request++) deadlines.after(5_000, () => {}).cancel()
  expect(clock.standing).toBe(1)
  deadlines.stop()
  expect(clock.standing).toBe(0)
})

test('a task that asks for another time does not put off those that wait already', async () => {
  const time = new VirtualTime()
  const deadlines = new Deadlines(clockOf(time))
  let cameMs: number | undefined
  deadlines.after(5_000, () => deadlines.after(5_000, () => {}))
  time.after(400, () => deadlines.after(5_000, () => (cameMs = time.nowMs)))
  time.after(20_000, () => {})
  await time.run(() => time.nowMs >= 20_000, { steps: 1_000, untilMs: 30_000 })
  expect(cameMs).toBeLessThanOrEqual(5_400 + 500)
})
