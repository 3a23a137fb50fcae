/** Import gives the same log, and so the same revisions and states, of whatever a realm has been through: over logs of simulated worlds. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { singletons, subjectsOf } from '../../streams/subjects.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { RealmFold } from '../../src/realm/view.ts'
import { replayGroup } from '../../src/replay/group.ts'
import { restoreRealm } from '../../src/restore/restore.ts'
import { fileSource, streamSource } from '../../src/restore/source.ts'
import { compareWithFile, verifyLog } from '../../src/verification/verify.ts'
import { canonicalJson, decodeTurn, digestOf } from '../../streams/codec.ts'
import type { Turn } from '../../streams/envelope.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { type Focus } from '../simulation/plan.ts'
import { fileOf, realmName } from '../golden/history.ts'
import { scenes } from '../golden/scenes.ts'
import { readLogFile } from '../../src/log-file/read.ts'
import { World } from '../simulation/world.ts'
import { allOf, storedLog } from '../support/stored-log.ts'

const base = { clock: systemClock, random: systemRandom }
const noFinding = { onFinding: (finding: unknown) => expect(finding).toBeUndefined() }
let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'reeve-restore-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

async function simulated(seed: number, focus?: Focus): Promise<StoredMessage[]> {
  const world = new World({ seed, ...(focus && { focus }) })
  try {
    await world.run()
    return [...(await world.onlooker.readAll())]
  } finally {
    world.close()
  }
}

/** States of everything but the realm itself, as a service or a leader knows them. */
function statesOf(realm: string, messages: readonly StoredMessage[]): string {
  const fold = new RealmFold(realm)
  for (const { subject, position, bytes } of messages) fold.fold({ turn: decodeTurn(bytes), subject, position })
  const { lanes, sites, agents, manifests, instructions, triggers } = fold
  const plain = (map: ReadonlyMap<string, unknown>) => [...map]
  return canonicalJson({
    lanes: [...lanes].map(([lane, state]) => [lane, { ...state, groups: plain(state.groups), commands: plain(state.commands) }]),
    sites: plain(sites), agents: plain(agents), manifests: plain(manifests), instructions: plain(instructions), triggers: plain(triggers),
  })
}

const worlds: readonly (readonly [number, Focus | undefined])[] = [[1, undefined], [2, undefined], [3, 'restored'], [4, 'triggers'], [5, 'quarantine'], [6, 'upgraded'], [7, 'asked'], [8, 'planned']]

test.each(worlds)('world %i (%s): imported from a file, and restored after it, everything is as it was but the realm itself', async (seed, focus) => {
  const messages = await simulated(seed, focus)
  const incarnation = Math.max(...messages.map(({ bytes }) => decodeTurn(bytes).incarnation))
  const log = storedLog(messages, incarnation)
  await verifyLog(log, 'sim', noFinding)
  const file = join(folder, `${seed}.ndjson`)
  const empty = new MemoryRealm({ realm: 'sim', ...base }).connect({ name: 'texts', clock: systemClock })
  await exportLog(log, empty.texts, { file, realm: 'sim' })

  const realm = new MemoryRealm({ realm: 'other', ...base })
  const incarnations = realm.incarnations({ name: 'import', clock: systemClock })
  const subjects = subjectsOf('other')
  const source = await fileSource(file)
  const done = await restoreRealm({ incarnations, ...base }, { source, subjects, actor: 'program:test', why: 'imported' })
  expect(done).toMatchObject({ from: incarnation, incarnation: incarnation + 1, turns: messages.length })

  const { log: imported } = realm.connect({ name: 'reads', clock: systemClock })
  expect(imported.incarnation).toBe(incarnation + 1)
  const after = await allOf(imported)
  const lined = (message: StoredMessage) => `${message.subject.slice(message.subject.indexOf('.'))} ${digestOf(message.bytes)}`
  expect(after.slice(0, -1).map(lined)).toEqual(messages.map(lined))
  expect(statesOf('other', after)).toBe(statesOf('sim', messages))
  await verifyLog(imported, 'other', noFinding)
  await compareWithFile(imported, 'other', file, noFinding)

  // The realm's own: one commit more, in quarantine, and in a format that has it.
  const last = after.at(-1)!
  expect(last.subject).toBe(subjects.aggregate('realm', singletons.realm))
  const turn = decodeTurn(last.bytes)
  expect(turn.incarnation).toBe(incarnation + 1)
  const restoredFrom = (one: Turn) => one.commits[0]!.events.find(({ type }) => type === 'RealmRestored')!.data
  const { chain } = JSON.parse((await readFile(file, 'utf8')).trimEnd().split('\n').at(-1)!) as { chain: string }
  expect(restoredFrom(turn)).toEqual({ from: incarnation, how: 'import', turns: messages.length, realm: 'sim', end: chain })
  expect(turn.commits[0]!.events.map(({ type }) => type).filter((type) => type !== 'FormatRaised' && type !== 'QuarantineBegun')).toEqual(['RealmRestored'])
  const fold = new RealmFold('other')
  for (const { subject, position, bytes } of after) fold.fold({ turn: decodeTurn(bytes), subject, position })
  expect(fold.realm).toMatchObject({ format: 2, unknownType: null })
  expect(fold.realm.quarantine).not.toBeNull()

  for (const state of fold.groups()) {
    const replayed = async (of: typeof log, realmName: string) => canonicalJson(await replayGroup((options) => of.read(options), subjectsOf(realmName), state.group, { kind: 'end' }, await of.end()))
    expect(await replayed(imported, 'other')).toBe(await replayed(log, 'sim'))
  }

  const whole = await incarnations.whole()
  const again = await restoreRealm({ incarnations, ...base }, { source: await streamSource(whole!, 'other'), subjects, actor: 'program:test', why: 'restored' })
  expect(again).toMatchObject({ how: 'restore', from: incarnation + 1, incarnation: incarnation + 2, turns: messages.length + 1, quarantinedBefore: true })
  const restored = await allOf(realm.connect({ name: 'reads again', clock: systemClock }).log)
  expect(statesOf('other', restored)).toBe(statesOf('sim', messages))
  expect(restoredFrom(decodeTurn(restored.at(-1)!.bytes))).toMatchObject({ how: 'restore', realm: 'other', end: digestOf(last.bytes) })
})

test.each(scenes.map(({ format, name }) => [format, name] as const))('the history of format %i, %s: the same states, faults too, in a realm whose format has the quarantine', async (format, name) => {
  const file = fileOf(format, name, 'log')
  const realm = new MemoryRealm({ realm: 'other', ...base })
  const incarnations = realm.incarnations({ name: 'import', clock: systemClock })
  await restoreRealm({ incarnations, ...base }, { source: await fileSource(file), subjects: subjectsOf('other'), actor: 'program:test', why: 'imported' })
  const before: StoredMessage[] = []
  for await (const batch of readLogFile(file)) before.push(...batch)
  const after = await allOf(realm.connect({ name: 'reads', clock: systemClock }).log)
  expect(statesOf('other', after)).toBe(statesOf(realmName, before).replaceAll(`"${realmName}.event`, '"other.event'))
  const types = decodeTurn(after.at(-1)!.bytes).commits[0]!.events.map(({ type }) => type)
  expect(types).toEqual([...(before.some(({ bytes }) => /"format":2/.test(new TextDecoder().decode(bytes))) ? [] : ['FormatRaised']), 'RealmRestored', 'QuarantineBegun'])
})
