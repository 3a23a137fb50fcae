/** I6: the log, replayed, is the state that was live; from the live log and from an exported file, at any point. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { emptyLane, foldTurn } from '../../machines/lane/state.ts'
import { canonicalJson, decodeTurn, digestOf } from '../../streams/codec.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { laneOfGroup, subjectsOf } from '../../streams/subjects.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { selectionOf } from '../../src/log-file/selection.ts'
import { readLogFile, readLogFileHeader } from '../../src/log-file/read.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { parseAt } from '../../src/replay/at.ts'
import { type ReadMessages, replayGroup } from '../../src/replay/group.ts'
import { replayLanes } from '../../src/replay/lanes.ts'
import { dice, record } from './recorded.ts'

const subjects = subjectsOf('reeve')
const lanes = ['here-1', 'here-2', 'here-3']
let coordinator: Coordinator
let groups: readonly string[]
let messages: StoredMessage[]
let folder: string
let file: string
let live: ReadMessages
let fromFile: ReadMessages

beforeAll(async () => {
  coordinator = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom }).connect({ name: 'test', clock: systemClock })
  ;({ groups } = await record(coordinator, subjects, 1_000, 6, lanes))
  messages = []
  for await (const batch of coordinator.log.read({ subjects: [], from: 1, until: await coordinator.log.end() })) messages.push(...batch)
  folder = await mkdtemp(join(tmpdir(), 'reeve-replay-'))
  file = join(folder, 'log.ndjson')
  await exportLog(coordinator.log, coordinator.texts, { file, realm: 'reeve' })
  live = (options) => coordinator.log.read(options)
  fromFile = (options) => readLogFile(file, options)
})

afterAll(async () => {
  await coordinator.close()
  await rm(folder, { recursive: true, force: true })
})

/** What a lane's holder shows of the group after it folded everything that `takes` lets through, in log order. */
function liveState(group: string, takes: (message: StoredMessage) => boolean): string | undefined {
  const lane = emptyLane(laneOfGroup(group)!)
  for (const message of messages) {
    if (message.subject !== subjects.lane(lane.lane)) continue
    if (!takes(message)) break
    foldTurn(lane, decodeTurn(message.bytes))
  }
  const state = lane.groups.get(group)
  return state === undefined ? undefined : canonicalJson(exclusiveStateOf(state))
}

const chosen = () => groups.filter((_, index) => index % 199 === 0)

describe('1,000 groups interleaved', () => {
  test('every group ends, and none is faulted', async () => {
    const { lanes: replayed, turns } = await replayLanes(live, subjects, await coordinator.log.end())
    const states = [...replayed.values()].flatMap((lane) => [...lane.groups.values()])
    expect(states.length).toBe(1_000)
    expect(new Set(states.map((state) => state.phase))).toEqual(new Set(['completed', 'cancelled']))
    expect(turns).toBe(messages.length)
  })

  test('at the end: the live log and the file give the state that was live', async () => {
    for (const group of chosen()) {
      const expected = liveState(group, () => true)
      expect(canonicalJson((await replayGroup(live, subjects, group, { kind: 'end' }, await coordinator.log.end())).state)).toBe(expected)
      expect(canonicalJson((await replayGroup(fromFile, subjects, group, { kind: 'end' })).state)).toBe(expected)
    }
  })

  test('at a position', async () => {
    const roll = dice(3)
    for (const group of chosen()) {
      const position = Math.ceil(messages.length / 2) + roll(Math.floor(messages.length / 2))
      const at = parseAt(String(position))
      const expected = liveState(group, (message) => message.position <= position)
      for (const read of [live, fromFile]) {
        const replayed = await replayGroup(read, subjects, group, at, messages.length)
        expect(canonicalJson(replayed.state)).toBe(expected)
        expect(replayed.position).toBeLessThanOrEqual(position)
      }
    }
  })

  test('at a revision, also in the middle of a commit', async () => {
    const group = groups[10]!
    const { state } = await replayGroup(live, subjects, group, { kind: 'end' }, messages.length)
    for (let revision = 1; revision <= state.revision; revision++) {
      const ours = await replayGroup(live, subjects, group, parseAt(`r${revision}`), messages.length)
      expect(ours.state.revision).toBe(revision)
      if (revision % 5 === 0) expect(await replayGroup(fromFile, subjects, group, parseAt(`r${revision}`))).toEqual(ours)
    }
    await expect(replayGroup(live, subjects, group, parseAt(`r${state.revision + 1}`), messages.length)).rejects.toMatchObject({ code: 'no-such-revision' })
  })

  test('at a time: the state before the first turn of its lane that is later', async () => {
    for (const group of chosen()) {
      const own = messages.filter((message) => message.subject === subjects.lane(laneOfGroup(group)!))
      const { timeMs } = decodeTurn(own[Math.floor(own.length * 0.7)]!.bytes)
      const at = parseAt(new Date(timeMs).toISOString())
      const expected = liveState(group, (message) => decodeTurn(message.bytes).timeMs <= timeMs)
      expect(canonicalJson((await replayGroup(live, subjects, group, at, messages.length)).state)).toBe(expected)
      expect(canonicalJson((await replayGroup(fromFile, subjects, group, at)).state)).toBe(expected)
    }
  })

  test('before a group was opened there is no such group', async () => {
    await expect(replayGroup(live, subjects, groups[999]!, parseAt('1'), messages.length)).rejects.toMatchObject({ code: 'unknown-group' })
    await expect(replayGroup(live, subjects, 'nope', { kind: 'end' }, messages.length)).rejects.toMatchObject({ code: 'unknown-group' })
    await expect(replayGroup(live, subjects, 'not an id', { kind: 'end' }, messages.length)).rejects.toMatchObject({ code: 'malformed' })
  })
})

describe('an exported file', () => {
  test('holds every message with its position, stamp and bytes', async () => {
    const read: StoredMessage[] = []
    for await (const batch of readLogFile(file)) read.push(...batch)
    const lined = (message: StoredMessage) => `${message.position} ${message.subject} ${message.storedMs} ${digestOf(message.bytes)}`
    expect(read.map(lined)).toEqual(messages.map(lined))
    expect(await readLogFileHeader(file)).toMatchObject({ format: 'reeve-log', version: 1, realm: 'reeve', incarnation: 1, from: 1, until: messages.length })
  })

  test('holds the texts that its turns name (P16)', async () => {
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line))
    expect(lines.filter((line) => 'text' in line).length).toBe(1_000)
    expect(lines.at(-1)).toMatchObject({ records: messages.length, texts: 1_000 })
  })

  test('of a part and of one lane says so, and replays', async () => {
    const part = join(folder, 'part.ndjson')
    const written = await exportLog(coordinator.log, coordinator.texts, { file: part, realm: 'reeve', selection: selectionOf(subjects, { lanes: ['here-2'] }), until: 400 })
    const header = await readLogFileHeader(part)
    expect(header).toMatchObject({ subjects: ['reeve.event.lane.here-2'], until: 400 })
    expect(written.records).toBe(messages.filter((message) => message.position <= 400 && message.subject === subjects.lane('here-2')).length)
  })

  test('is not there when it was stopped, and nothing is left beside it', async () => {
    const stopped = join(folder, 'stopped.ndjson')
    const stop = new AbortController()
    await expect(
      exportLog(coordinator.log, coordinator.texts, { file: stopped, realm: 'reeve', signal: stop.signal, onProgress: () => stop.abort() }),
    ).rejects.toThrow()
    expect((await readdir(folder)).filter((name) => name.startsWith('stopped'))).toEqual([])
  })

  const damage: readonly (readonly [string, (lines: string[]) => string[], RegExp])[] = [
    ['a changed payload', (lines) => lines.map((line) => line.replace('"timeMs\\":18', '"timeMs\\":17')), /: the digest of position/],
    ['a missing line', (lines) => lines.filter((_, at) => at !== 20), /line 21: /],
    ['two lines exchanged', (lines) => [...lines.slice(0, 20), lines[21]!, lines[20]!, ...lines.slice(22)], /line 21: /],
    ['a file that was cut off', (lines) => lines.slice(0, -1), /the last line is missing/],
    ['half a line at the end', (lines) => [...lines.slice(0, -1), lines.at(-1)!.slice(0, 20)], /is not JSON/],
    ['a line too many', (lines) => [...lines, lines[5]!], /something stands after the last line/],
    ['another first line', (lines) => ['{"format":"other"}', ...lines.slice(1)], /line 1: is not the header/],
    ['a newer version', (lines) => [lines[0]!.replace('"version":1', '"version":2'), ...lines.slice(1)], /line 1: has version 2/],
    ['a header that was changed', (lines) => [lines[0]!.replace('"incarnation":1', '"incarnation":3'), ...lines.slice(1)], /line 1 or 2: the digest of text [0-9a-f]{64} is wrong/],
    ['a text that was changed', (lines) => lines.map((line, at) => (at === 1 ? line.replace('jobs', 'jubs') : line)), /line 2: is not a text/],
  ]
  test.each(damage)('with %s is refused with the number of the line', async (_what, change, message) => {
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
    const damaged = join(folder, 'damaged.ndjson')
    await writeFile(damaged, `${change(lines).join('\n')}\n`)
    const read = async () => {
      for await (const batch of readLogFile(damaged)) void batch
    }
    await expect(read()).rejects.toMatchObject({ name: 'MalformedLogFile', message: expect.stringMatching(message) })
  })

  test('that is empty, or not there, is refused', async () => {
    await writeFile(join(folder, 'empty.ndjson'), '')
    await expect(readLogFileHeader(join(folder, 'empty.ndjson'))).rejects.toMatchObject({ name: 'MalformedLogFile' })
    await expect(readLogFileHeader(folder)).rejects.toMatchObject({ name: 'NoLogFile', message: `${folder} is a folder: name a file in it that "reeve log export" wrote` })
    await expect(readLogFileHeader(join(folder, 'nowhere.ndjson'))).rejects.toMatchObject({ name: 'NoLogFile', message: expect.stringContaining('there is no file') })
  })
})

describe('--at', () => {
  test.each([
    [undefined, { kind: 'end' }],
    ['12', { kind: 'position', position: 12 }],
    ['r7', { kind: 'revision', revision: 7 }],
    ['2026-05-04', { kind: 'time', timeMs: Date.UTC(2026, 4, 4) }],
    ['2026-05-04T10:20', { kind: 'time', timeMs: Date.UTC(2026, 4, 4, 10, 20) }],
    ['2026-05-04 10:20:30.5Z', { kind: 'time', timeMs: Date.UTC(2026, 4, 4, 10, 20, 30, 500) }],
    ['2026-05-04T10:20:30+02:00', { kind: 'time', timeMs: Date.UTC(2026, 4, 4, 8, 20, 30) }],
  ])('%s', (text, at) => expect(parseAt(text)).toEqual(at))

  test.each(['', 'r', '-1', 'yesterday', '2026-13-40', '1.5', '7r'])('%j is refused', (text) => {
    expect(() => parseAt(text)).toThrow(/give a position/)
  })
})
