/** A group with many jobs in one line of a snapshot is read piece by piece, and is what `JSON.parse` makes of that line. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { type GroupState, absentGroup } from '../../machines/execution-group/state.ts'
import { plainLane } from '../../machines/lane/snapshot.ts'
import { emptyLane } from '../../machines/lane/state.ts'
import { readSnapshot } from '../../src/lane/snapshot-lines.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { SnapshotReader, snapshotLines } from '../../streams/lane-snapshot.ts'
import type { Clock } from '../../streams/ports/clock.ts'

const never = new AbortController().signal
const lane = 'here-1'
const plain: JobSpec = { site: 'drill', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }
/** More than are read in one go, and than make a line long. */
const many = 1_000

function linesOf(...groups: readonly GroupState[]): string[] {
  const state = emptyLane(lane)
  for (const group of groups) state.groups.set(group.group, group)
  return [...snapshotLines(plainLane(state), { incarnation: 1, position: 1, turn: 'x', again: 1 })]
}

function groupOf(specs: readonly JobSpec[], other: Partial<GroupState> = {}): GroupState {
  return { ...absentGroup('here-1.01ARZ3NDEKTSV4RRFFQ69G5FAV'), phase: 'running', revision: 3, jobsAnnounced: specs.length, ...other, specs: [...specs] }
}

const bytesOf = (lines: readonly string[]) => new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''))

/** The groups as JSON, in order; why they cannot be read, where they cannot. */
async function read(lines: readonly string[], clock: Clock = systemClock): Promise<string> {
  const found = await readSnapshot(bytesOf(lines), clock, never)
  return typeof found === 'string' ? found : JSON.stringify([...found.plain.groups])
}

function parsed(lines: readonly string[]): string {
  const reader = new SnapshotReader()
  for (const line of lines) reader.take(line)
  return JSON.stringify([...reader.finish().plain.groups])
}

const anyJob: fc.Arbitrary<JobSpec> = fc.constantFrom<JobSpec[]>(
  plain,
  { ...plain, service: 's00002' },
  { ...plain, service: 'Zoë "the" \\ {one}' },
  { ...plain, operation: { name: 'rename', to: 's00003' }, repeatable: false },
  { ...plain, skill: { name: 'w1', need: 'required' } },
  { ...plain, skill: { name: 'w2', need: 'required' }, after: [[1, 2], [4, 4]] } as JobSpec,
  { ...plain, compensate: { operation: { name: 'power', to: 'off' } } } as unknown as JobSpec,
  { ...plain, more: { specs: [[1], ['"specs":[']] } } as unknown as JobSpec,
)

describe('a group of many jobs in one line', () => {
  test('is what parsing the line gives, whatever its jobs and its name hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyJob, { maxLength: 12 }), fc.constantFrom('bench', '"specs":[', 'Zoë'), fc.nat({ max: 600 }), async (few, name, more) => {
        const specs = [...Array.from({ length: more }, () => plain), ...few, ...Array.from({ length: many }, (_, index) => ({ ...plain, service: `s${index}` })), ...few]
        const lines = linesOf(groupOf(specs, { name }), groupOf([], { group: 'here-1.01ARZ3NDEKTSV4RRFFQ69G5FAW' }))
        expect(await read(lines)).toBe(parsed(lines))
      }),
      { numRuns: 60 },
    )
  })

  test('without jobs, but long, it is read as well', async () => {
    const lines = linesOf(groupOf([], { name: 'x'.repeat(100_000) }))
    expect(await read(lines)).toBe(parsed(lines))
  })

  test.each([
    ['a job that is none', '"specs":[', '"specs":[x,'],
    ['a comma too many at the end', '],"queue":[', ',],"queue":['],
    ['no comma between two jobs', '},{"site"', '}{"site"'],
    ['a list that does not end', '],"queue":[', ',"queue":['],
  ])('with %s it is not JSON, as before', async (_, from, to) => {
    // With 256 jobs as well, which are read in one go.
    for (const count of [many, 768]) {
      const lines = linesOf(groupOf(Array.from({ length: count }, () => plain))).map((line) => line.replace(from, to))
      expect(await read(lines)).toBe('a line of a snapshot is not JSON')
    }
  })

  test('jobs somewhere else in the line are not taken for those of the group', async () => {
    const [head, line, ...rest] = linesOf(groupOf(Array.from({ length: many }, () => plain)))
    for (const other of [line!.replace('"name":""', '"name":{"specs":[{"site":"x"}]}'), line!.replace('{"group":{', '{"x":{"specs":[]},"group":{')]) {
      const lines = [head!, other, ...rest]
      expect(await read(lines)).toBe(parsed(lines))
    }
  })

  test('rests as often as other long work does (P8)', async () => {
    let nowMs = 0
    let rests = 0
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => (nowMs += 1),
      after(_delayMs, task) {
        rests += 1
        queueMicrotask(task)
        return { cancel() {} }
      },
    }
    const lines = linesOf(groupOf(Array.from({ length: 20 * many }, (_, index) => ({ ...plain, service: `s${index}` }))))
    expect(await read(lines, clock)).toBe(parsed(lines))
    expect(rests).toBeGreaterThan(20)
  })
})
