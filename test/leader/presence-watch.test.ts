/** P18: whose key is gone is lost for good only after a whole presence time and more, whatever came before the word of its key. */
import { beforeEach, expect, it } from 'vitest'
import { PresenceWatch } from '../../src/leader/presence-watch.ts'
import { type PresenceValue, presenceKey, toBytes } from '../../streams/coordination.ts'
import type { Bucket, BucketChange } from '../../streams/ports/bucket.ts'
import type { Bus } from '../../streams/ports/bus.ts'

const presenceMs = 10_000
const lostAfterMs = Math.ceil(1.1 * presenceMs)
let nowMs: number
let tell: (change: BucketChange) => void
let watch: PresenceWatch
let lostInLog: Set<string>

beforeEach(() => {
  nowMs = 0
  lostInLog = new Set()
  watch = new PresenceWatch({
    agents: { watch: (see: (change: BucketChange) => void) => ((tell = see), { stop() {} }) } as unknown as Bucket,
    bus: { onLink: () => ({ stop() {} }) } as unknown as Bus,
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel() {} }) },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    presenceMs,
    isLostInLog: (instance) => lostInLog.has(instance),
    onChange() {},
  })
  tell({ kind: 'current' })
})

const here = (instance: string) => tell({ kind: 'set', entry: { key: presenceKey(instance), value: toBytes({ agent: 'a', instance, role: 'generic', region: 'r', skills: [], build: 'b', stopping: false } satisfies PresenceValue), revision: 1, storedMs: 0 } })
const gone = (instance: string) => tell({ kind: 'gone', key: presenceKey(instance), revision: 2 })
const lost = (instance: string) => watch.lostSinceMs(instance) !== undefined

it('one that is gone is lost 1.1 presence times after its last revision', () => {
  nowMs = 50_000
  here('i1')
  nowMs += 5_000
  gone('i1')
  expect(lost('i1')).toBe(false)
  nowMs = 50_000 + lostAfterMs - 1
  expect(lost('i1')).toBe(false)
  nowMs += 2
  expect(lost('i1')).toBe(true)
})

it('one of whose key no word has come yet is not: a grant may name it before (seed 500001004)', () => {
  nowMs = 50_000
  expect(lost('i1')).toBe(false)
  nowMs += 200
  here('i1')
  expect(lost('i1')).toBe(false)
})

it('one whose key never comes is lost that long after somebody asked for it first', () => {
  nowMs = 50_000
  expect(lost('i1')).toBe(false)
  nowMs += lostAfterMs - 1
  expect(lost('i1')).toBe(false)
  nowMs += 2
  expect(lost('i1')).toBe(true)
})

it('one that a former leader found lost is so from when this one sees it in the log, not before; and not while its key is there', () => {
  nowMs = 50_000
  expect(lost('i1')).toBe(false)
  nowMs += 200
  lostInLog.add('i1')
  expect(watch.lostSinceMs('i1')).toBe(nowMs)
  nowMs += 1_000
  expect(watch.lostSinceMs('i1')).toBe(nowMs - 1_000)
  here('i2')
  lostInLog.add('i2')
  expect(lost('i2')).toBe(false)
})

it('a bucket that was made anew tells nothing of those that a former leader found lost either: they wait like all others', () => {
  lostInLog.add('i1')
  expect(lost('i1')).toBe(true)
  tell({ kind: 'missing' })
  tell({ kind: 'current' })
  expect(lost('i1')).toBe(false)
  nowMs += lostAfterMs
  expect(lost('i1')).toBe(true)
})
