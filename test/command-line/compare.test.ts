/** `reeve replay --compare` as a process: with itself, with copies of the code in which one thing was changed, with what is no build. */
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { buildIn } from '../../src/replay/builds.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { record } from '../replay/recorded.ts'
import { Story, group, lane, tell } from '../replay/story.ts'
import { assigned, blocked, failed, granted, opened, retried, sealed, spec, unblocked } from '../support/group-events.ts'
import { allOf } from '../support/stored-log.ts'
import { reeve } from './reeve.ts'

const clone = fileURLToPath(new URL('../..', import.meta.url))
let folder: string
let copies = 0
/** Where an event stands in the long log. */
let found: (wanted: (event: GroupEvent) => boolean) => { readonly position: number; readonly id: string; readonly revision: number; readonly events: readonly string[] }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-compare-'))
  const story = await tell()
  await exportLog(story.coordinator.log, story.coordinator.texts, { file: join(folder, 'story.ndjson'), realm: 'reeve' })
  await story.coordinator.close()
  const coordinator = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom }).connect({ name: 'test', clock: systemClock })
  await record(coordinator, subjectsOf('reeve'), 60, 40, ['here-1', 'here-2'])
  await exportLog(coordinator.log, coordinator.texts, { file: join(folder, 'long.ndjson'), realm: 'reeve' })
  const messages = await allOf(coordinator.log)
  await coordinator.close()
  await exportLarge()
  found = (wanted) => {
    for (const { position, bytes } of messages) {
      for (const { id, revision, events } of decodeTurn(bytes).commits) {
        if (events.some((event) => wanted(event as GroupEvent))) return { position, id, revision, events: events.map(({ type }) => type) }
      }
    }
    throw new Error('no such event in the log')
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Cycles of a job that fails and is retried, three turns each, in a group of 20,000 jobs, which is told whole at each 101st revision; turn 256 ends a cycle. */
async function exportLarge(): Promise<void> {
  const story = new Story()
  const jobs = 20_000
  const parts = 40
  await story.group('person:ada', [opened({ jobs, parts })])
  for (let part = 1; part <= parts; part++) await story.group('service:s1', [{ type: 'JobsAdded', data: { part, jobs: Array.from({ length: jobs / parts }, () => spec) } }])
  await story.group('service:s1', [sealed])
  let revision = 1 + (await story.group('agent:a1', [assigned({ first: 1, last: jobs, agent: 'a1' })]))
  for (let [job, retry] = [1, jobs + 1]; retry <= jobs + 80; retry++) {
    await story.group(`lane:${lane}`, [granted([[job, job]], 'a1')])
    await story.group('agent:a1', [failed(job, revision), blocked(job)])
    await story.group('person:ada', [retried(retry, job), unblocked])
    revision += 5
    job = retry
  }
  const { log, texts } = story.coordinator
  await exportLog(log, texts, { file: join(folder, 'large.ndjson'), realm: 'reeve' })
  await exportLog(log, texts, { file: join(folder, 'large-256.ndjson'), realm: 'reeve', until: 256 })
  await story.coordinator.close()
}

/** Another build: this one's sources, in which one text of one file is another. */
async function buildWith(file: string, text: string, instead: string): Promise<string> {
  const copy = join(folder, `build-${++copies}`)
  for (const name of ['bin', 'machines', 'streams', 'src', 'package.json']) await cp(join(clone, name), join(copy, name), { recursive: true })
  await symlink(join(clone, 'node_modules'), join(copy, 'node_modules'))
  const before = await readFile(join(copy, file), 'utf8')
  expect(before.split(text)).toHaveLength(2)
  await writeFile(join(copy, file), before.replace(text, instead))
  return copy
}

type Log = 'story' | 'long' | 'large' | 'large-256'
const compare = (build: string, log: Log, ...more: readonly string[]) => reeve(['replay', '--compare', build, '--from', `${log}.ndjson`, ...more], { folder })

async function differenceWith(build: string, log: Log) {
  const { code, out, err } = await compare(build, log, '--json')
  expect({ code, lines: err.trimEnd().split('\n').length }, err).toEqual({ code: 1, lines: 1 })
  return JSON.parse(out).difference
}

test('with itself: the same, and how much was compared', async () => {
  const { code, out, err } = await compare(clone, 'long')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^the build in .* and this one .* agree on every turn: \d+ turns, \d+ events, up to position \d+\n$/)
  const said = JSON.parse((await compare(clone, 'long', '--json')).out)
  expect(said).toMatchObject({ ok: true, difference: null, stopped: null, builds: [{ version: expect.any(String), program: expect.stringContaining('main.ts') }, { program: expect.stringContaining('reeve.mjs') }] })
  expect(said.turns).toBeGreaterThan(2 * 256)
  expect(said.until).toBe(said.turns)
})

describe('with one in which', () => {
  test('a fold was changed: the first decision whose state is another, far in the log', async () => {
    const build = await buildWith('machines/execution-group/evolve.ts', 'state.retries.push({ job, retryOf })', 'if (job !== 46) state.retries.push({ job, retryOf })')
    const { id, position, revision, events } = found((event) => event.type === 'JobRetried' && event.data.job === 46)
    expect(position).toBeGreaterThan(256)
    const difference = await differenceWith(build, 'long')
    expect(difference).toMatchObject({ position, aggregate: 'group', id, revision, events, key: 'retries', more: [] })
    // As docs/json.md lists them.
    expect(Object.keys(difference)).toEqual(['aggregate', 'events', 'here', 'id', 'key', 'more', 'number', 'position', 'revision', 'subject', ...('there' in difference ? ['there'] : []), 'timeMs'])
    expect(difference.here.at(-1)).toMatchObject({ job: 46 })
    expect(difference.there ?? []).toEqual(difference.here.slice(0, -1))
  })

  test('a state differs for some turns only: the first of these, although the end is the same', async () => {
    const build = await buildWith('machines/lane/state.ts', 'instance: event.data.instance }', "instance: event.data.instance.replace('a1', 'a3') }")
    const { code, out, err } = await compare(build, 'story')
    expect({ code, lines: err.trimEnd().split('\n').length }).toEqual({ code: 1, lines: 1 })
    expect(out).toMatch(new RegExp(`^first difference +position 5, reeve\\.event\\.lane\\.${lane} turn 1, .*\\ndecision +lane ${lane} r1: LaneTaken\\nkey +holder\\nhere +\\{"agent":"a1","instance":"a1-i"\\}.*\\nthere +\\{"agent":"a1","instance":"a3-i"\\}.*\\n$`))
  })

  test('only what would be decided next is another: where it could first be decided', async () => {
    const build = await buildWith('machines/execution-group/decide/locks.ts', "why: 'handed-back' }", "why: 'lost' }")
    expect(await differenceWith(build, 'story')).toMatchObject({
      position: 11, subject: `reeve.event.lane.${lane}`, number: 6, aggregate: 'group', id: group, revision: 6, events: ['LockGranted'], key: 'ifHandedBack',
      here: [{ type: 'LockReturned', data: { grant: 6, why: 'handed-back' } }], there: [{ type: 'LockReturned', data: { grant: 6, why: 'lost' } }],
    })
  })

  test('a large group, which is not told whole after every turn, differs long before that shows: the very first turn', async () => {
    const build = await buildWith('machines/execution-group/evolve.ts', 'state.retries.push({ job, retryOf })', 'state.retries.push({ job, retryOf: job === 20_070 ? 1 : retryOf })')
    // The 70th cycle; turn 256 is a checkpoint, and the revision that shows it stands behind that, or nowhere.
    const expected = { position: 43 + 70 * 3, aggregate: 'group', id: group, events: ['JobRetried', 'GroupUnblocked'], revision: 43 + 69 * 5 + 4, key: 'retries' }
    expect(await differenceWith(build, 'large')).toMatchObject(expected)
    expect(await differenceWith(build, 'large-256')).toMatchObject(expected)
  })

  test('a fold ends with an error', async () => {
    const build = await buildWith('machines/agent/agent.ts', "state.phase = 'lost'", "throw new RangeError('no')")
    expect(await differenceWith(build, 'story')).toMatchObject({
      position: 12, aggregate: 'agent', id: 'a1', revision: 2, events: ['AgentLost'], key: null, here: { phase: 'lost' }, there: { cannotBeRead: 'RangeError' },
    })
  })

  test('a state has gained a key that this log does not use: the same', async () => {
    const build = await buildWith('machines/execution-group/exclusive-state.ts', '    fault: state.fault,', '    fault: state.fault, ...{ sponsor: null, badges: [] },')
    expect(await compare(build, 'story')).toMatchObject({ code: 0 })
  })
})

describe('with what cannot be compared: one line, and why', () => {
  const oneLine = async (build: string, code: number, why: RegExp) => {
    const ended = await compare(build, 'story')
    expect(ended).toMatchObject({ code, out: '' })
    expect(ended.err).toMatch(/^reeve: [^\n]*\n$/)
    expect(ended.err).toMatch(why)
  }

  test('a folder that is none, or holds no build', async () => {
    await oneLine('nowhere', 2, /holds no build of reeve \(there is no package\.json in it\)/)
    const other = join(folder, 'other')
    const why = () => buildIn(other).then(({ version }) => version, ({ name, message }: Error) => `${name}: ${message}`)
    await mkdir(other)
    await writeFile(join(other, 'package.json'), 'package')
    expect(await why()).toMatch(/^NoBuild: .*is no JSON/)
    await writeFile(join(other, 'package.json'), '{"name":"other","version":"1.0.0"}')
    expect(await why()).toMatch(/^NoBuild: .*that of "other"/)
    await writeFile(join(other, 'package.json'), '{"name":"reeve","version":"1.0.0","bin":{"reeve":"package.json/reeve.mjs"}}')
    expect(await why()).toMatch(/^NoBuild: .*package\.json\/reeve\.mjs is missing/)
    await writeFile(join(other, 'package.json'), '{"name":"reeve","version":"1.0.0","bin":{"reeve":"package.json"}}')
    expect(await why()).toBe('1.0.0')
  })

  test('a build from before there was a comparison', async () => {
    await oneLine(await buildWith('src/command-line/replay.ts', "'--digests <REQUEST>'", "'--never <REQUEST>'"), 3, /too old to be compared.*unknown option/)
  })

  test('a build of which digests are of another version', async () => {
    await oneLine(await buildWith('src/replay/digests.ts', 'digestsVersions: readonly number[] = [1]', 'digestsVersions: readonly number[] = [2]'), 3, /digests of version 2, not 1/)
  })

  test('a clone whose packages are missing', async () => {
    const build = await buildWith('package.json', '"name": "reeve"', '"name": "reeve"')
    await rm(join(build, 'node_modules'))
    await oneLine(build, 3, /npm ci/)
  })

  test('a log that is damaged, or none', async () => {
    const text = await readFile(join(folder, 'story.ndjson'), 'utf8')
    await writeFile(join(folder, 'damaged.ndjson'), text.replace('LockReturned', 'LockRetained'))
    const damaged = await reeve(['replay', '--compare', clone, '--from', 'damaged.ndjson'], { folder })
    expect(damaged).toMatchObject({ code: 1, out: '' })
    expect(damaged.err).toMatch(/^reeve: .*damaged\.ndjson, line \d+: .*\n$/)
    await writeFile(join(folder, 'cut.ndjson'), text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1))
    const cut = await reeve(['replay', '--compare', clone, '--from', 'cut.ndjson'], { folder })
    expect(cut).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^reeve: .*cut\.ndjson, line \d+: the last line is missing: .*\n$/) })
    expect(await reeve(['replay', '--compare', clone, '--from', 'none.ndjson'], { folder })).toMatchObject({ code: 2, err: expect.stringMatching(/there is no file or folder .*none\.ndjson: check the path/) })
  })

  test('together with what looks at one group', async () => {
    expect(await reeve(['replay', '--compare', clone, '--group', group], { folder })).toMatchObject({ code: 2 })
  })
})
