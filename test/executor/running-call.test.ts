import { beforeEach, expect, test } from 'vitest'
import { Call } from '../../src/executor/call.ts'
import { CallsBegun } from '../../src/executor/calls-begun.ts'
import type { CallResult } from '../../src/executor/call-result.ts'
import { RunningCall } from '../../src/executor/running-call.ts'
import type { SiteCall, SiteConnection, SiteResult } from '../../src/sites/adapter.ts'
import { VirtualTime, clockOf } from '../simulation/virtual-time.ts'
import { type CountedClock, countedClock } from '../support/counted-clock.ts'

let time: VirtualTime
let clock: CountedClock
let abortedMs: number | undefined
let result: CallResult | undefined
beforeEach(() => {
  time = new VirtualTime()
  abortedMs = undefined
  result = undefined
  clock = countedClock(clockOf(time))
})

/** Aborted at 9 s, given up at 10 s. */
function begin(carryOut: (call: SiteCall) => Promise<SiteResult>): RunningCall {
  const calling = new RunningCall(clock, { abortMs: 9_000, overMs: 10_000 })
  new CallsBegun(clock).begun(calling)
  const spec = { site: 's', service: 'd', operation: { name: 'rehearse' }, repeatable: true } as const
  const call = new Call(spec, { token: { scope: 'G', incarnation: 1, revision: 5 }, idempotencyKey: 'G/1' }, 10_000, calling.signal)
  const connection = {
    carryOut: (one: SiteCall) => {
      one.signal.addEventListener('abort', () => (abortedMs = time.nowMs))
      return carryOut(one)
    },
  } as unknown as SiteConnection
  void calling.run(connection, call).then((ended) => (result = ended))
  return calling
}
const until = async (untilMs: number) => {
  time.after(untilMs - time.nowMs, () => {})
  await time.run(() => time.nowMs >= untilMs, { steps: 1_000, untilMs: untilMs + 1 })
}
const after = (delayMs: number) => new Promise<SiteResult>((resolve) => time.after(delayMs, () => resolve({ kind: 'done' })))

test.each<[string, () => Promise<SiteResult>, number]>([
  ['one that ends at once leaves no timer, and is not aborted any more', () => Promise.resolve({ kind: 'done' }), 1],
  ['nor does one that lasts', () => after(5_000), 5_001],
])('%s', async (_which, carryOut, endedMs) => {
  const calling = begin(carryOut)
  await until(endedMs)
  expect([result, clock.standing]).toEqual([{ kind: 'done' }, 0])
  calling.abort()
  await until(20_000)
  expect([abortedMs, calling.hanging]).toEqual([undefined, undefined])
})

test('one that does not end is aborted, then unknown by its deadline; it hangs until it has come back (P18, P19)', async () => {
  const calling = begin(() => after(30_000))
  await until(9_999)
  expect([abortedMs, result, calling.hanging]).toEqual([9_000, undefined, undefined])
  await until(10_000)
  expect(result).toMatchObject({ kind: 'unknown', code: 'adapter-hangs' })
  let isBack = false
  void calling.hanging!.then(() => (isBack = true))
  await until(29_999)
  expect([isBack, clock.standing]).toEqual([false, 0])
  await until(30_001)
  expect([isBack, calling.hanging, result?.kind]).toEqual([true, undefined, 'unknown'])
})

test('one whose adapter throws is unknown', async () => {
  begin(() => {
    throw new Error('the library\nbroke')
  })
  await until(1)
  expect(result).toEqual({ kind: 'unknown', code: 'adapter-error', reason: 'the adapter failed: the library broke' })
  expect(clock.standing).toBe(0)
})
