/** P7: a leader whose appends are not taken lets others try. */
import { beforeEach, expect, it } from 'vitest'
import { AppendWatch, oneTroubleMs, unsettledMs } from '../../src/leader/append-watch.ts'

let nowMs: number
let stuck: number
let watch: AppendWatch
beforeEach(() => {
  nowMs = 0
  stuck = 0
  watch = new AppendWatch({ monotonicMs: () => nowMs }, () => stuck++)
})
/** An attempt every 5 s until then. */
const failingUntil = (endMs: number) => {
  for (; nowMs < endMs; nowMs = Math.min(endMs, nowMs + 5_000)) unknown()
}
const unknown = () => watch.heard({ kind: 'indeterminate', reason: 'timeout' })

it('says so when no attempt was settled for long enough, once', () => {
  failingUntil(unsettledMs - 1)
  unknown()
  expect(stuck).toBe(0)
  nowMs = unsettledMs
  watch.heard({ kind: 'unavailable', reason: 'no stream takes this subject now' })
  expect(stuck).toBe(1)
  unknown()
  expect(stuck).toBe(1)
})

it.each([{ kind: 'landed', position: 1 }, { kind: 'conflict' }, { kind: 'busy' }] as const)('an attempt that was settled ($kind) begins the time anew', (outcome) => {
  failingUntil(unsettledMs - 1)
  watch.heard(outcome)
  nowMs = unsettledMs + 1
  unknown()
  expect(stuck).toBe(0)
})

it('an attempt whose fate was found out by reading begins nothing: a single failure hours later is not the end of a long trouble', () => {
  unknown()
  nowMs = 3 * 3_600_000
  unknown()
  nowMs += oneTroubleMs + 1
  unknown()
  expect(stuck).toBe(0)
  failingUntil(nowMs + unsettledMs)
  unknown()
  expect(stuck).toBe(1)
})

it('attempts that failed because the connection was away count for nothing', () => {
  for (; nowMs <= 2 * unsettledMs; nowMs += 5_000) {
    watch.heard({ kind: 'unavailable', reason: 'not connected', about: 'connection' })
    watch.heard({ kind: 'indeterminate', reason: 'disconnected', about: 'connection' })
  }
  expect(stuck).toBe(0)
  unknown()
  expect(stuck).toBe(0)
})
