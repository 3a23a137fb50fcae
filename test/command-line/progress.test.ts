/** The bar that a long export, import, restore, verification or comparison draws on a terminal. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { barText, progressBar } from '../../src/command-line/progress.ts'
import { systemClock } from '../../src/platform/clock.ts'

const wasTerminal = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY')
let nowMs: number
let isTerminal: boolean
let drawn: string[]

beforeEach(() => {
  nowMs = 0
  isTerminal = true
  drawn = []
  vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => nowMs)
  Object.defineProperty(process.stdout, 'isTTY', { get: () => isTerminal, configurable: true })
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => drawn.push(String(chunk)) > 0)
})
afterEach(() => {
  vi.restoreAllMocks()
  if (wasTerminal === undefined) delete (process.stdout as { isTTY?: boolean }).isTTY
  else Object.defineProperty(process.stdout, 'isTTY', wasTerminal)
})

it.each([
  { share: 0, count: 0, tookMs: 0, bar: 'exporting [░░░░░░░░░░░░░░░░░░░░░░░░]   0 %  0 events' },
  { share: 0.5, count: 1_234_567, tookMs: 2_000, bar: 'exporting [████████████░░░░░░░░░░░░]  50 %  1,234,567 events, 617,284 a second' },
  { share: 1, count: 10, tookMs: 499, bar: 'exporting [████████████████████████] 100 %  10 events' },
])('$count of them after $tookMs ms are shown as such', ({ share, count, tookMs, bar }) => {
  expect(barText('exporting', share, count, 'events', tookMs)).toBe(bar)
})

it('is drawn ten times a second at most, and each step counts its own time', () => {
  const progress = progressBar()
  progress('reading', 1, 4, 1_000, 'events')
  nowMs = 99
  progress('reading', 2, 4, 2_000, 'events')
  nowMs = 1_000
  progress('reading', 4, 4, 4_000, 'events')
  nowMs = 2_000
  progress('writing', 1, 4, 500, 'turns')
  nowMs = 3_000
  progress('writing', 9, 4, 1_500, 'turns')
  const lines = drawn.join('').split('\r').map((line) => line.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '')).filter((line) => line !== '')
  expect(lines).toEqual([
    'reading [██████░░░░░░░░░░░░░░░░░░]  25 %  1,000 events',
    'reading [████████████████████████] 100 %  4,000 events, 4,000 a second',
    'writing [██████░░░░░░░░░░░░░░░░░░]  25 %  500 turns',
    'writing [████████████████████████] 100 %  1,500 turns, 1,500 a second',
  ])
})

it('nothing is drawn where nobody watches', () => {
  isTerminal = false
  progressBar()('reading', 1, 4, 1_000, 'events')
  expect(drawn).toEqual([])
})
