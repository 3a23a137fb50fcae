/** Import and restore on three servers as one: the stream has three replicas, and the order of what is written holds. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { exportLog } from '../../src/log-file/export.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { restoreRealm } from '../../src/restore/restore.ts'
import { fileSource, streamSource } from '../../src/restore/source.ts'
import { compareWithFile, verifyLog } from '../../src/verification/verify.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { openIncarnations } from '../../streams/jetstream/incarnations.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { record } from '../replay/recorded.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsCluster } from '../support/nats-cluster.ts'

const base = { clock: systemClock, random: systemRandom }
const noFinding = { onFinding: (finding: unknown) => expect(finding).toBeUndefined() }
const subjects = subjectsOf('reeve')
let cluster: TestNatsCluster
let folder: string
let closing: (() => Promise<void>)[] = []
beforeEach(async () => {
  cluster = await TestNatsCluster.start()
  folder = await mkdtemp(join(tmpdir(), 'reeve-restore-'))
})
afterEach(async () => {
  for (const close of closing.reverse()) await close()
  closing = []
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('imported, verified, restored, verified', async () => {
  const origin = new MemoryRealm({ realm: 'reeve', ...base }).connect({ name: 'test', clock: systemClock })
  await joinRealm({ log: origin.log, ...base }, subjects, { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  await record(origin, subjects, 400, 20, ['here-1', 'here-2', 'here-3', 'here-4'])
  const file = join(folder, 'log.ndjson')
  const { records } = await exportLog(origin.log, origin.texts, { file, realm: 'reeve' })

  const servers = [...cluster.servers.values()].map(({ url }) => url)
  // Until the servers have found their leader none takes a stream.
  const incarnations = await eventually(async () => {
    const opened = await openIncarnations({ servers, realm: 'reeve', name: 'test', ...base })
    const ready = await opened.whole().then(() => true, () => false)
    if (!ready) await opened.close()
    return ready ? opened : undefined
  }, { everyMs: 200, what: 'a leader of the cluster' })
  closing.push(() => incarnations.close())
  const request = { subjects, actor: 'program:test', why: 'tried' }
  const imported = await restoreRealm({ incarnations, ...base }, { ...request, source: await fileSource(file) })
  expect(imported).toMatchObject({ turns: records, incarnation: 2, texts: 400 })
  const reader = await connectCoordinator({ servers, realm: 'reeve', name: 'test', ...base })
  closing.push(() => reader.close())
  await verifyLog(reader.log, 'reeve', noFinding)
  await compareWithFile(reader.log, 'reeve', file, noFinding)

  const restored = await restoreRealm({ incarnations, ...base }, { ...request, source: await streamSource((await incarnations.whole())!, 'reeve') })
  expect(restored).toMatchObject({ turns: records + 1, incarnation: 3 })
  const again = await connectCoordinator({ servers, realm: 'reeve', name: 'test', ...base })
  closing.push(() => again.close())
  expect(again.log.incarnation).toBe(3)
  await verifyLog(again.log, 'reeve', noFinding)
  await compareWithFile(again.log, 'reeve', file, noFinding)
})
