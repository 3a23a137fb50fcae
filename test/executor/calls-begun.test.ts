import { expect, test } from 'vitest'
import { CallsBegun } from '../../src/executor/calls-begun.ts'
import { VirtualTime, clockOf } from '../simulation/virtual-time.ts'

test('a call that ends in the go of the event loop in which it began is not told that it lasts; the others are, once, also those that begin later', async () => {
  const time = new VirtualTime()
  const calls = new CallsBegun(clockOf(time))
  const told: string[] = []
  const call = (name: string) => ({ isOver: false, lasts: () => void told.push(name) })
  const short = call('short')
  calls.begun(short)
  calls.begun(call('long'))
  short.isOver = true
  time.after(1, () => calls.begun(call('later')))
  time.after(2, () => {})
  await time.run(() => time.nowMs >= 2, { steps: 100, untilMs: 10 })
  expect(told).toEqual(['long', 'later'])
})
