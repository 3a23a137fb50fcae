import { beforeEach, expect, test } from 'vitest'
import { type ReadingSaid, ReadingWatch } from '../../streams/reading.ts'

let nowMs: number
let said: ReadingSaid[]
let watch: ReadingWatch
const [log, bucket] = [{}, {}]

beforeEach(() => {
  nowMs = 1_000
  said = []
  watch = new ReadingWatch({ monotonicMs: () => nowMs }, (what) => said.push(what))
})

const failing = (reader: object, forMs: number) => {
  for (let passed = 0; passed < forMs; passed += 1_000) {
    watch.fails(reader, 'no answer')
    nowMs += 1_000
  }
}

test('what cannot be read for longer than a change of leader is said once, and its end once', () => {
  failing(log, 10_000)
  expect(said).toEqual([])
  failing(log, 5_000)
  expect(said).toEqual([{ kind: 'silent', reason: 'no answer', sinceMs: 10_000 }])
  watch.ends(log)
  watch.ends(log)
  expect(said.slice(1)).toEqual([{ kind: 'read', afterMs: 15_000 }])
})

test('it is over when nothing fails any more, and begins anew with the next that fails', () => {
  failing(log, 6_000)
  failing(bucket, 6_000)
  expect(said).toHaveLength(1)
  watch.ends(log)
  expect(said).toHaveLength(1)
  watch.ends(bucket)
  expect(said[1]).toEqual({ kind: 'read', afterMs: 12_000 })
  failing(log, 10_000)
  expect(said).toHaveLength(2)
})

test('a change of leader is not told, nor its end', () => {
  failing(log, 9_000)
  watch.ends(log)
  failing(log, 9_000)
  watch.ends(log)
  expect(said).toEqual([])
})
