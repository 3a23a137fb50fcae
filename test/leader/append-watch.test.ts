/** P7: a leader whose appends are not taken lets others try. */
import { beforeEach, expect, it } from 'vitest'
import { AppendWatch, unsettledMs } from '../../src/leader/append-watch.ts'

let nowMs: number
let stuck: number
let watch: AppendWatch
beforeEach(() => {
  nowMs = 0
  stuck = 0
  watch = new AppendWatch({ monotonicMs: () => nowMs }, () => stuck++)
})
const unknown = () => watch.heard({ kind: 'indeterminate', reason: 'timeout' })

it('says so when no attempt was settled for long enough, once', () => {
  unknown()
  nowMs = unsettledMs - 1
  unknown()
  expect(stuck).toBe(0)
  nowMs = unsettledMs
  watch.heard({ kind: 'unavailable', reason: 'no stream takes this subject now' })
  expect(stuck).toBe(1)
  unknown()
  expect(stuck).toBe(1)
})

it.each([{ kind: 'landed', position: 1 }, { kind: 'conflict' }, { kind: 'busy' }] as const)('an attempt that was settled ($kind) begins the time anew', (outcome) => {
  unknown()
  nowMs = unsettledMs - 1
  watch.heard(outcome)
  nowMs = unsettledMs + 1
  unknown()
  expect(stuck).toBe(0)
})
