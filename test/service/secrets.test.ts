/** I10: a user and a password in a URL, in whatever text a person or a site gives, is in no event, answer, line or error. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { libvirtAdapter } from '../../src/sites/libvirt/adapter.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import { simulatedAdapter } from '../../src/sites/simulated/adapter.ts'
import type { Logger } from '../../src/agent/context.ts'
import { holdsPassword, withoutLogin } from '../../streams/login-in-text.ts'
import { reeve } from '../command-line/reeve.ts'
import { World } from '../agent/world.ts'
import { addTwoSites, startRealm, subjects, type TestRealm } from './realm.ts'

const word = 'hunter2'
const url = `https://robot:${word}@vcenter.example/sdk`

test.each([
  ['https://robot:hunter2@host/x', 'https://…@host/x'],
  ['see ftp://a:hunter2@b for more', 'see ftp://…@b for more'],
  ['nats://:hunter2@host', 'nats://…@host'],
  ['https://a:hun/ter2@host', 'https://…@host'],
  ['robot:hunter2@host:80', '…@host:80'],
])('%s', (text, without) => {
  expect(withoutLogin(text)).toBe(without)
  expect(holdsPassword(text)).toBe(text.includes('://'))
})

test.each(['mail a@b.example', 'http://host:80/x', 'qemu+ssh://robot@host/system', 'Zebra: 5@10'])('%s holds none', (text) => expect(holdsPassword(text)).toBe(false))

describe('the service interface', () => {
  let realm: TestRealm
  const said: string[] = []
  const at = (fields: object, message: string) => void said.push(message, JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? `${value.message} ${value.stack}` : value)))
  const logger: Logger = { debug: at, info: at, warn: at, error: at }

  beforeEach(async () => {
    said.length = 0
    realm = await startRealm()
    await realm.serve('s1', { logger })
    await addTwoSites(realm)
  })
  afterEach(() => realm.stop())

  test('refuses it in one line that says where it stands, and nothing of it is in the log, the feed, a line or an answer', async () => {
    const observer = realm.memory.connect({ name: 'observer', clock: { nowMs: Date.now, monotonicMs: () => performance.now(), after: () => ({ cancel() {} }) } })
    const fed: string[] = []
    observer.bus.subscribe(subjects.allFeeds, ({ data }) => void fed.push(Buffer.from(data).toString('utf8')))
    const selector = { services: ['beta/b2'] }
    const rename = { name: 'rename', to: url } as const
    const trigger = { trigger: 't', name: 'nightly', change: { selector, operation: { name: 'start' as const } }, when: { atMs: [Date.now() + 60_000] } }
    const answers = [
      [await realm.api.answer('realm', 'quarantine', { why: `restored from ${url}` }), 'why'],
      [await realm.api.answer('trigger', 'define', { ...trigger, name: url }), 'name'],
      [await realm.api.answer('trigger', 'define', { ...trigger, change: { selector, operation: rename } }), 'change.operation.to'],
      [await realm.api.answer('change', 'apply', { selector, operation: rename }), 'operation.to'],
    ] as const
    for (const [answer, path] of answers) expect(answer).toMatchObject({ ok: false, error: { code: 'malformed', text: `the request holds a password at ${path}: say it without, the log keeps every text for ever` } })
    const address = await realm.api.answer('site', 'add', { site: 'gamma', kind: 'full', address: `memory:${url}` })
    expect(address).toMatchObject({ ok: false, error: { code: 'bad-address' } })
    // Something is written at all.
    await realm.api.call('realm', 'quarantine', { why: 'restored' })
    const events: string[] = []
    const end = await observer.log.end()
    for await (const batch of observer.log.read({ subjects: [subjects.allEvents], from: 1, until: end })) for (const { bytes } of batch) events.push(Buffer.from(bytes).toString('utf8'))
    expect(events.join()).toContain('QuarantineBegun')
    for (const text of [JSON.stringify([answers, address]), ...events, ...fed, ...said]) expect(text).not.toContain(word)
    await observer.close()
  })
})

describe('addresses of sites', () => {
  const addresses = [`http://robot:${word}@h:1`, `http://robot:${word}@h:1/?fencing=no`, `robot:${word}@h:1`, `qemu+ssh://robot:${word}@h/system`, `qemu+ext://r:${word}@h/?command=x`, `drill://robot:${word}@h`, `//robot:${word}@h`]
  test.each([simulatedAdapter, libvirtAdapter, drillAdapter])('$kind refuses each in one line without it', (adapter) => {
    for (const address of addresses) {
      const fault = adapter.checkAddress(address)
      expect(fault, address).toBeTypeOf('string')
      expect(fault).not.toContain(word)
    }
  })
})

test('what a site says of a failed job stands in the log without it', async () => {
  const world = new World()
  const reason = `cannot log in at ${url}: refused`
  const saying = (kind: string) => ({ ...drillAdapter, kind, connect: (record: Parameters<typeof drillAdapter.connect>[0]) => ({ ...drillAdapter.connect(record), carryOut: async () => ({ kind: 'failed' as const, code: 'refused-by-site' as const, reason }) }) })
  world.start('a', { adapterOf: saying })
  await world.until('lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null).length === 4)
  await world.addSite('site-1', 'drill://')
  const group = await world.openGroup('here-1', [{ site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }])
  await world.until('the group blocked', () => world.view.state.group(group)?.phase === 'blocked')
  const failed = world.events.find(({ type }) => type === 'JobFailed')!
  expect(JSON.stringify(failed.data)).toContain('cannot log in at https://…@vcenter.example/sdk: refused')
  expect(JSON.stringify([world.events, world.lines])).not.toContain(word)
  await world.end()
})

describe('the server that a program is told to use', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reeve-secrets-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test.each([['realm', 'show'], ['agent', '--id', 'a'], ['serve', '--id', 's'], ['up']])('%s %s: neither what it says nor a file that it leaves holds the password', async (...args) => {
    const { code, out, err } = await reeve([...args, '--server', `nats://robot:${word}@127.0.0.1:1`, '--data', folder], { folder })
    expect(code).not.toBe(0)
    expect(err).toContain('127.0.0.1:1')
    expect(out + err).not.toContain(word)
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (file.isFile()) expect(await readFile(join(file.parentPath, file.name), 'utf8'), file.name).not.toContain(word)
    }
  })
})
