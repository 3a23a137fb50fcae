import { beforeEach, expect, test } from 'vitest'
import { type IntakeSaid, IntakeWatch } from '../../streams/intake.ts'
import type { Clock } from '../../streams/ports/clock.ts'

let nowMs: number
let said: IntakeSaid[]
let watch: IntakeWatch

beforeEach(() => {
  nowMs = 1_000
  said = []
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel: () => {} }) }
  watch = new IntakeWatch(clock, (what) => said.push(what))
})

const landed = { kind: 'landed', position: 1 } as const
const full = { kind: 'unavailable', reason: 'no room (10047)', about: 'room' } as const
const silent = { kind: 'indeterminate', reason: 'no answer' } as const

test('a full store is said at once, once, and its end once', () => {
  for (let attempt = 0; attempt < 5; attempt++) {
    watch.note(full)
    nowMs += 2_000
  }
  expect(said).toEqual([{ kind: 'full', reason: 'no room (10047)' }])
  expect(watch.full).toBe(true)
  watch.note(landed)
  watch.note(landed)
  expect(said.slice(1)).toEqual([{ kind: 'taken', afterMs: 10_000 }])
  expect(watch.full).toBe(false)
})

test('a refusal of long ago says nothing of now: the next attempt is to find out', () => {
  watch.note(full)
  nowMs += 10_000
  expect(watch.full).toBe(false)
  watch.note(full)
  expect(watch.full).toBe(true)
  expect(said).toHaveLength(1)
})

test('silence is said when it has lasted longer than a change of the stream\'s leader', () => {
  watch.note(silent)
  nowMs += 8_000
  watch.note({ kind: 'unavailable', reason: 'no stream takes this subject now' })
  expect(said).toEqual([])
  nowMs += 2_000
  watch.note(silent)
  nowMs += 7_000
  watch.note(silent)
  expect(said).toEqual([{ kind: 'silent', reason: 'no answer', sinceMs: 10_000 }])
  // It may turn out to be for lack of room.
  watch.note(full)
  expect(said.map(({ kind }) => kind)).toEqual(['silent', 'full'])
})

test('a conflict is an answer of a log that works; a lost connection says nothing of it', () => {
  watch.note(silent)
  nowMs += 9_000
  watch.note({ kind: 'conflict' })
  nowMs += 9_000
  watch.note(silent)
  watch.note({ kind: 'indeterminate', reason: 'disconnected', about: 'connection' })
  nowMs += 9_000
  watch.note({ kind: 'unavailable', reason: 'not connected', about: 'connection' })
  nowMs += 9_000
  watch.note({ kind: 'busy' })
  expect(said).toEqual([])
})
