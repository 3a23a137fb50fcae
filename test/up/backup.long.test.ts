/**
 * A whole realm lost with its server and brought back from a backup that is older than what a site has seen: from an exported file, and
 * from a backup of the server's streams.
 */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'nats'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { startNatsServer } from '../../src/server/run.ts'
import { eventually } from '../support/eventually.ts'
import { type StreamBackup, backUpStream, putStreamBack } from '../support/stream-backup.ts'
import { RealmFolder, processesOf } from '../support/up-process.ts'

const patienceMs = 300_000
let realm: RealmFolder
let file: string

beforeEach(async () => {
  realm = await RealmFolder.create()
  file = join(realm.folder, 'log.ndjson')
})

afterEach(() => realm[Symbol.asyncDispose]())

interface Call {
  readonly token: { readonly scope: string; readonly incarnation: number; readonly revision: number }
}

async function siteAt(name: string) {
  const { address } = await realm.json('site', 'show', name)
  const base = /^https?:\/\/[^/?#]+/.exec(address as string)![0]
  const request = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${base}${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
    expect(answer.ok).toBe(true)
    return answer
  }
  return {
    /** Its group of 12 lasts for longer than a busy machine takes to make a backup. */
    slow: () => request('POST', '/admin/switches', { fault: { kind: 'latency', latencyMs: 4_000 } }),
    fast: () => request('DELETE', '/admin/switches'),
    callsFor: async (group: string) => ((await (await request('GET', '/v1/journal?after=0&limit=1000')).json()) as { calls: Call[] }).calls.filter(({ token }) => token.scope === group),
  }
}

const streams = ['REEVE_EVENTS_1', 'OBJ_reeve_texts', 'KV_reeve_agents', 'KV_reeve_mappings', 'KV_reeve_lease', 'KV_reeve_config']

async function backUp(how: 'import' | 'restore'): Promise<readonly StreamBackup[]> {
  if (how === 'import') {
    expect(await realm.json('log', 'export', '--to', file)).toMatchObject({ ok: true, missingTexts: [] })
    return []
  }
  const { url } = JSON.parse(await readFile(join(realm.data, 'running.json'), 'utf8')) as { url: string }
  const connection = await connect({ servers: url })
  try {
    const backups: StreamBackup[] = []
    for (const stream of streams) backups.push(await backUpStream(connection, stream))
    return backups
  } finally {
    await connection.close()
  }
}

async function putBack(backups: readonly StreamBackup[]): Promise<void> {
  const server = await startNatsServer({ clock: systemClock, folder: join(realm.data, 'nats'), program: realm.natsServer })
  const connection = await connect({ servers: server.url })
  try {
    for (const backup of backups) await putStreamBack(connection, backup)
  } finally {
    await connection.close()
    await server.stop(5_000)
  }
}

test.each(['import', 'restore'] as const)('%s: in quarantine, at the next incarnation; after the release a site that saw higher revisions carries on', { timeout: patienceMs }, async (how) => {
  const first = await realm.up('--demo')
  const before = await siteAt('north')
  await before.slow()
  const { group, jobs } = await realm.json('change', 'apply', 'rename', 'Kept', '--site', 'north', '--mode', 'jobs', '--yes')
  await eventually(async () => (await realm.json('group', 'show', group)).state.executed.length > 0, { everyMs: 100, what: 'its first job' })
  const backups = await backUp(how)
  expect((await realm.json('group', 'show', group)).state.phase).toBe('running')
  await before.fast()
  // What comes now is in no backup.
  await eventually(async () => (await realm.json('group', 'show', group)).state.phase === 'completed', { everyMs: 200, what: 'the end of the group' })
  const seen = await before.callsFor(group)
  const highest = Math.max(...seen.map(({ token }) => token.revision))
  await realm.end(first)

  await rm(join(realm.data, 'nats'), { recursive: true })
  if (how === 'restore') await putBack(backups)
  const command = how === 'import' ? ['log', 'import', file] : ['log', 'restore']
  const rehearsal = await realm.json(...command, '--dry-run')
  expect(rehearsal).toMatchObject({ dryRun: true, from: 1, incarnation: 2 })
  const done = await realm.json(...command)
  expect(done).toMatchObject({ how, from: 1, incarnation: 2, turns: rehearsal.turns })
  expect(processesOf(realm.folder)).toEqual([])

  const second = await realm.up('--demo')
  expect(second.out()).toMatch(new RegExp(`quarantine +${how === 'import' ? 'imported' : 'restored'} from incarnation 1.*: nothing is executed until "reeve realm release --data ${realm.data}"`))
  expect(await realm.json('realm', 'show')).toMatchObject({ incarnation: 2, quarantine: { why: expect.any(String) } })
  const { state } = await realm.json('group', 'show', group)
  expect(state.phase).toBe('running')
  expect(state.executed.length).toBeLessThan(jobs)
  expect(await realm.json('log', 'verify', ...(how === 'import' ? ['--against', file] : []))).toMatchObject({ ok: true, findings: [] })
  const after = await siteAt('north')
  expect((await after.callsFor(group)).length).toBe(seen.length)

  expect((await realm.run('realm', 'release')).code).toBe(0)
  await eventually(async () => (await realm.json('group', 'show', group)).state.phase === 'completed', { withinMs: 90_000, everyMs: 200, what: 'the end of the group' })
  const calls = (await after.callsFor(group)).slice(seen.length)
  expect(calls.length).toBeGreaterThan(0)
  expect(calls.every(({ token }) => token.incarnation === 2)).toBe(true)
  // By its revision alone such a token would be one of the past, and refused.
  expect(Math.min(...calls.map(({ token }) => token.revision))).toBeLessThan(highest)
  await realm.end(second)
})
