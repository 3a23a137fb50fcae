/** The setting `server`: one, or several with their regions [508]. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { settingsOf } from '../../src/command-line/configuration.ts'
import { placeOf } from '../../src/command-line/session.ts'
import { writeRunning } from '../../src/up/running-file.ts'

let folder: string
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'reeve-servers-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const settings = (flags: Readonly<Record<string, unknown>>) => settingsOf({ flags, environment: {}, workingFolder: folder })
const two = 'east=nats://10.0.0.1:4222,west=tls://west.example:4223'

test('one, without a region, as ever', async () => {
  expect(await settings({ server: 'nats://127.0.0.1:4222' })).toMatchObject({ server: 'nats://127.0.0.1:4222', servers: [{ url: 'nats://127.0.0.1:4222', region: null }] })
  expect((await settings({})).servers).toEqual([])
})

test("several: those of the program's own region come first", async () => {
  const east = { url: 'nats://10.0.0.1:4222', region: 'east' }
  const west = { url: 'tls://west.example:4223', region: 'west' }
  expect((await settings({ server: two, region: 'west' })).servers).toEqual([west, east])
  expect((await settings({ server: two, region: 'east' })).servers).toEqual([east, west])
  // A program that this one starts is given the same.
  expect((await settings({ server: two, region: 'west' })).server).toBe(two)
})

test('as a list in the file', async () => {
  await writeFile(join(folder, 'reeve.yaml'), 'region: west\nserver:\n  - east=nats://10.0.0.1:4222\n  - west=tls://west.example:4223\n')
  expect((await settings({})).servers.map(({ region }) => region)).toEqual(['west', 'east'])
})

test.each(['east=10.0.0.1', 'nats://a:1,', 'nats://user:pass@host', 'ea st=nats://a:1', 'a=b=nats://c', 'ws://a:80'])('%s is no server, and one line says what is', async (server) => {
  await expect(settings({ server })).rejects.toThrow(/is no server; give a URL such as/)
})

test('commands know all servers of the realm that `reeve up` started, the nearest first', async () => {
  const running = { url: 'nats://a:1', realm: 'fleet', pid: process.pid }
  const place = async () => (await placeOf(await settings({ data: folder }))).servers.map(({ url }) => url)
  await writeRunning(folder, { ...running, servers: ['nats://a:1', 'nats://b:2'] })
  expect(await place()).toEqual(['nats://a:1', 'nats://b:2'])
  // As written by an older one.
  await writeRunning(folder, running)
  expect(await place()).toEqual(['nats://a:1'])
})
