/** Golden histories: logs of former builds, replayed by this one to the byte (I6); one that was changed fails with a typed error. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { laneSchema, plainLane, restoredLane } from '../../machines/lane/snapshot.ts'
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import { defaultConstants } from '../../machines/realm/realm.ts'
import { missingFormat } from '../../machines/realm/shapes.ts'
import { chainOfHeader, chainOfRecord, chainOfText } from '../../src/log-file/format.ts'
import { readLogFile } from '../../src/log-file/read.ts'
import { replayLanes } from '../../src/replay/lanes.ts'
import { canonicalJson, decodeTurn } from '../../streams/codec.ts'
import { SnapshotReader, snapshotLines } from '../../streams/lane-snapshot.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { fileOf, realmName, statesOf } from './history.ts'
import { scenes } from './scenes.ts'
import { recordedShape, shapeOfStates } from './shape.ts'

const histories = scenes.map(({ format, name }) => [format, name] as const)

test.each(histories)('format %i, %s: every group at every recorded position is what it was, to the byte of its canonical JSON', async (format, name) => {
  const recorded = await readFile(fileOf(format, name, 'states'), 'utf8')
  expect(recorded.split('\n').length).toBeGreaterThan(5)
  expect(`${(await statesOf(fileOf(format, name, 'log'))).join('\n')}\n`).toBe(recorded)
})

test.each(histories)('format %i, %s: folded on from a snapshot at any turn it is the same state (I6)', async (format, name) => {
  const whole = emptyLane('here-1')
  let state = emptyLane('here-1')
  for await (const batch of readLogFile(fileOf(format, name, 'log'))) {
    for (const message of batch) {
      if (message.subject !== subjectsOf(realmName).lane('here-1')) continue
      foldTurn(whole, decodeTurn(message.bytes))
      foldTurn(state, decodeTurn(message.bytes))
      const reader = new SnapshotReader()
      for (const line of snapshotLines(plainLane(state), { incarnation: 1, position: message.position, turn: 'x', again: 1 })) reader.take(line)
      state = restoredLane(reader.finish().plain, defaultConstants)
      const text = (lane: LaneState) => canonicalJson({ ...lane, groups: [...lane.groups.values()], commands: [...lane.commands] })
      expect(text(state)).toBe(text(whole))
    }
  }
})

test('every file that is here belongs to a scene, and none is missing', async () => {
  for (const format of [1, 2]) {
    const files = await readdir(new URL(`format-${format}`, import.meta.url))
    const wanted = scenes.filter((scene) => scene.format === format).flatMap(({ name }) => [`${name}.log.ndjson`, `${name}.states.ndjson`])
    expect(files.sort()).toEqual(wanted.sort())
  }
})

test.each(histories)('format %i, %s: it holds no shape of a later format', async (format, name) => {
  for await (const batch of readLogFile(fileOf(format, name, 'log'))) {
    for (const message of batch) for (const { events } of decodeTurn(message.bytes).commits) expect(missingFormat(format, events)).toBeUndefined()
  }
})

test('the shape of the state is that of its version (else: raise laneSchema, then node test/golden/make.ts)', async () => {
  const recorded = await recordedShape()
  expect(recorded?.schema).toBe(laneSchema)
  expect(await shapeOfStates()).toEqual(recorded?.shape)
})

describe('one that was changed', () => {
  let folder: string
  const golden = fileOf(1, 'plain', 'log')
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'reeve-golden-'))))
  afterEach(() => rm(folder, { recursive: true, force: true }))

  type Line = Record<string, any>
  /** Written as `reeve log export` would have, so that only what it says is wrong. */
  async function forged(change: (turns: Line[]) => Line[]): Promise<string> {
    const lines = (await readFile(golden, 'utf8')).trimEnd().split('\n')
    const body = lines.slice(1, -1).map((line) => JSON.parse(line) as Line)
    const changed = change(body)
    let chain = chainOfHeader(lines[0]!)
    const written = changed.map((line) => {
      chain = 'text' in line ? chainOfText(chain, line as never) : chainOfRecord(chain, line as never)
      return JSON.stringify({ ...line, chain })
    })
    const count = (key: string) => changed.filter((line) => key in line).length
    const file = join(folder, 'log.ndjson')
    await writeFile(file, [lines[0], ...written, JSON.stringify({ records: count('position'), texts: count('text'), chain })].join('\n') + '\n')
    return file
  }
  const isOfLane = (line: Line) => 'position' in line && (line['subject'] as string).includes('.lane.')
  const withTurn = (line: Line, change: (turn: Line) => void): Line => {
    const turn = JSON.parse(line['payload'] as string) as Line
    change(turn)
    return { ...line, payload: JSON.stringify(turn) }
  }
  async function folded(file: string): Promise<LaneState> {
    const lane = emptyLane('here-1')
    for await (const batch of readLogFile(file)) for (const message of batch) if (message.subject === subjectsOf(realmName).lane('here-1')) foldTurn(lane, decodeTurn(message.bytes))
    return lane
  }

  test('in the file: MalformedLogFile names the line', async () => {
    const text = await readFile(golden, 'utf8')
    const file = join(folder, 'log.ndjson')
    await writeFile(file, text.replace('one at a time', 'two at a time'))
    await expect(statesOf(file)).rejects.toMatchObject({ name: 'MalformedLogFile', message: expect.stringMatching(/line \d+/) })
  })

  test('without one turn, its chain made anew: the lane has a broken-number fault', async () => {
    const file = await forged((lines) => lines.filter((line, index) => !(isOfLane(line) && lines.slice(0, index).filter(isOfLane).length === 5)))
    expect((await folded(file)).fault).toMatchObject({ type: 'broken-number', number: 7 })
  })

  test('with a job settled before its turn: the group has a broken-order fault', async () => {
    const file = await forged((lines) => lines.map((line) => (isOfLane(line) ? withTurn(line, ({ commits }) => {
      for (const { events } of commits as Line[]) for (const event of events as Line[]) if (event['type'] === 'JobSucceeded' && event['data'].job === 2) event['data'].job = 3
    }) : line)))
    expect([...(await folded(file)).groups.values()].map(({ fault }) => fault?.type)).toContain('broken-order')
    expect(await statesOf(file)).not.toEqual(await statesOf(golden))
  })

  test('with an event that no build knows: ReplayRefused says which', async () => {
    const file = await forged((lines) => lines.map((line) => (isOfLane(line) ? withTurn(line, ({ commits }) => {
      for (const { events } of commits as Line[]) for (const event of events as Line[]) if (event['type'] === 'GroupCompleted') event['type'] = 'GroupPerfected'
    }) : line)))
    await expect(replayLanes((options) => readLogFile(file, options), subjectsOf(realmName))).rejects.toMatchObject({ name: 'ReplayRefused', code: 'unknown-type', message: expect.stringContaining('GroupPerfected') })
  })

  test('with a turn that is none: MalformedTurn', async () => {
    const file = await forged((lines) => lines.map((line) => (isOfLane(line) ? withTurn(line, (turn) => void (turn['number'] = 'five')) : line)))
    await expect(statesOf(file)).rejects.toMatchObject({ name: 'MalformedTurn' })
  })
})
