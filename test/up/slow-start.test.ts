import { expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { sayingWhoIsSlow, slowMs } from '../../src/up/slow-start.ts'
import type { Clock } from '../../streams/ports/clock.ts'

function slowClock() {
  const timer = { afterMs: NaN, task: () => {}, cancelled: false }
  const clock: Clock = {
    ...systemClock,
    after(afterMs, task) {
      Object.assign(timer, { afterMs, task })
      return { cancel: () => (timer.cancelled = true) }
    },
  }
  return { clock, timer }
}

test('a start that takes long says once who is not ready yet, and what to do', async () => {
  const { clock, timer } = slowClock()
  const said: string[] = []
  const programs = [{ name: 'service', ready: true }, { name: 'generic-1', ready: false }, { name: 'generic-2', ready: false }]
  let end = (_: string) => {}
  const started = sayingWhoIsSlow(clock, programs, new Promise<string>((resolve) => (end = resolve)), (line) => said.push(line))
  expect(timer.afterMs).toBe(slowMs)
  timer.task()
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(/not ready yet: generic-1, generic-2; "reeve doctor" says more/)
  end('up')
  expect(await started).toBe('up')
  expect(timer.cancelled).toBe(true)
})

test('one that is over, or fails, says nothing', async () => {
  const { clock, timer } = slowClock()
  await expect(sayingWhoIsSlow(clock, [{ name: 'service', ready: false }], Promise.reject(new Error('port taken')))).rejects.toThrow('port taken')
  expect(timer.cancelled).toBe(true)
})
