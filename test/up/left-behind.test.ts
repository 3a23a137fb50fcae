/** What a run of `reeve up` leaves on the disk for the next one. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Objm } from '@nats-io/obj'
import { connect } from 'nats'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { subjectsOf } from '../../streams/subjects.ts'
import { RealmFolder, spawnUp } from '../support/up-process.ts'

const { snapshotsName } = subjectsOf('reeve')
let realm: RealmFolder

beforeEach(async () => {
  realm = await RealmFolder.create()
})

afterEach(() => realm[Symbol.asyncDispose]())

/** On the disk of the server, as `STREAM/CONSUMER`. */
async function consumersLeft(): Promise<readonly string[]> {
  const folder = join(realm.data, 'nats', 'jetstream', '$G', 'streams')
  const streams = await readdir(folder)
  expect(streams).toContain(`OBJ_${snapshotsName}`)
  return (await Promise.all(streams.map(async (stream) => (await readdir(join(folder, stream, 'obs'))).map((name) => `${stream}/${name}`)))).flat()
}

test('a realm with archives and snapshots ends without a consumer on the disk, however often; what former builds left there the next start removes', async () => {
  const first = await realm.up('--demo')
  expect(await realm.json('log', 'archive', '--to', join(realm.folder, 'archives'), '--older-than', '0s')).toMatchObject({ ok: true })
  const connection = await connect({ servers: /nats:\/\/127\.0\.0\.1:\d+/.exec(first.out())![0] })
  const store = await new Objm(connection).open(snapshotsName)
  const objects = (await store.list()).map(({ name }) => name)
  expect(objects.length).toBeGreaterThan(0)
  await store.getBlob(objects[0]!)
  await connection.close()
  await realm.end(first)
  // As the client leaves them.
  expect((await consumersLeft()).filter((name) => !name.startsWith(`OBJ_${snapshotsName}/`))).toEqual([])
  expect((await consumersLeft()).length).toBeGreaterThan(0)
  for (const start of ['second', 'third']) {
    await realm.end(await realm.up())
    expect(await consumersLeft(), start).toEqual([])
  }
})

test('of code that never ran here, what was compiled is written before agents take part, not at Ctrl-C, when it would take longer than their time', async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'reeve-compiled-'))
  try {
    const written = async () => (await readdir(temporary, { recursive: true })).length
    const running = spawnUp(realm.folder, ['--data', realm.data, '--nats-server', realm.natsServer], { TMPDIR: temporary })
    await running.until('Ctrl-C ends it')
    const before = await written()
    expect(before).toBeGreaterThan(500)
    await realm.end(running)
    expect(running.out()).not.toContain('by force')
    expect((await written()) - before).toBeLessThan(before / 50)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
})
