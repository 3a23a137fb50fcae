/**
 * A disk that is full: of one server of a cluster of three, and of the only server. Nothing new is started where nothing can be recorded,
 * somebody says so, nothing acknowledged is lost, and all goes on once there is space. Needs root, for the small disks.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { join } from 'node:path'
import { readLogFile } from '../../src/log-file/read.ts'
import { parseApiAnswer } from '../../streams/jetstream/link.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { checkRun } from '../checkers/all.ts'
import { readLog } from '../checkers/read.ts'
import { reeve } from '../command-line/reeve.ts'
import { realNatsServer } from '../server/program.ts'
import { eventually } from '../support/eventually.ts'
import { SmallDisk, noSmallDisk } from '../support/small-disk.ts'
import { type UpProcess, endAllOf, spawnUp } from '../support/up-process.ts'
import { FaultRealm, patienceMs, realmName } from './realm.ts'
import { wholeJournal } from './judging.ts'
import { leaderOfLog, replicated } from './servers.ts'
import { UnderFault, drillAndDesk, sitesOfLoad } from './under-fault.ts'

const why = noSmallDisk()
const fourAgents = [{ id: 'g1', role: 'generic' }, { id: 'g2', role: 'generic' }, { id: 's1', role: 'skilled', skills: ['simulated'] }, { id: 's2', role: 'skilled', skills: ['simulated'] }] as const

let realm: FaultRealm | undefined
let disk: SmallDisk | undefined
let running: UpProcess | undefined

afterEach(async () => {
  await realm?.[Symbol.asyncDispose]()
  if (running !== undefined) await endAllOf(disk!.path)
  running = undefined
  await disk?.[Symbol.asyncDispose]()
  realm = undefined
  disk = undefined
}, patienceMs)

describe.skipIf(why !== undefined)(`a full disk${why === undefined ? '' : ` (${why})`}`, () => {
  it("of the log's leader, one of three, together with a kill of an executor: the others go on; with space and a restart it follows again", async () => {
    disk = await SmallDisk.mount(64)
    realm = await FaultRealm.start({ cluster: { stores: { n1: disk.path } }, agents: fourAgents, sites: sitesOfLoad })
    const { connection, log } = realm.coordinator
    await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: 'drill://?services=40' })
    await replicated(realm)
    await realm.eventually(
      async () => {
        if ((await leaderOfLog(realm!)) === 'n1') return true
        await connection.api(`STREAM.LEADER.STEPDOWN.${log.stream}`, { placement: { preferred: 'n1' } })
        return false
      },
      { what: 'n1 as leader of the log', everyMs: 500 },
    )
    const run = await UnderFault.begin(realm, await drillAndDesk(realm), 's2')
    await run.strike(() => disk!.fill())
    await run.goesOn(60)
    const doctor = await realm.command(['doctor', '--monitoring-url', realm.monitoringUrl])
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toContain('nats-server n1 is not well')
    await run.repair(async () => {
      await disk!.free()
      await realm!.cluster.server('n1').stop()
      await realm!.cluster.server('n1').start()
    })
    await run.end()
    await replicated(realm)
    expect(await realm.judge()).toEqual([])
  }, patienceMs)

  it('of the only server, together with a kill of an executor: nothing new is started, agents and doctor say so; with space and a restart all goes on', async () => {
    disk = await SmallDisk.mount(64)
    realm = await FaultRealm.start({ server: { store: disk.path }, agents: fourAgents, sites: sitesOfLoad })
    await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: 'drill://?services=40' })
    const run = await UnderFault.begin(realm, await drillAndDesk(realm), 's2')
    await run.strike(() => disk!.fill())
    await someSay(realm, 'the log acknowledges nothing')
    const calls = await callsAtSites(realm)
    const doctor = await realm.command(['doctor', '--monitoring-url', realm.monitoringUrl])
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toContain('nats-server test is not well')
    // Those that had begun when it struck have ended by now, each within its deadline; not one has begun since.
    expect(await callsAtSites(realm)).toEqual(calls)
    await run.repair(async () => {
      await disk!.free()
      await realm!.server.stop()
      await realm!.server.start()
    })
    await run.end()
    await someSay(realm, 'the log takes appends again')
    expect(await realm.judge()).toEqual([])
  }, patienceMs)

  it("'reeve up' says that the disk is full, starts its server again when there is space, and the change that was under way ends", async () => {
    disk = await SmallDisk.mount(192)
    const data = join(disk.path, 'data')
    running = spawnUp(disk.path, ['--data', data, '--nats-server', await realNatsServer()])
    await running.until('Ctrl-C ends it')
    const run = (...args: string[]) => reeve([...args, '--data', data], { folder: disk!.path })
    const jobs = 20_000
    await run('site', 'add', 'drill', 'drill', `drill://?services=${jobs}`)
    const opened = JSON.parse((await run('change', 'apply', 'rehearse', '--site', 'drill', '--yes', '--json')).out) as { readonly group: string }
    const shown = async () => JSON.parse((await run('group', 'show', opened.group, '--json')).out) as { readonly state: { readonly phase: string; readonly position: number } }
    await eventually(async () => (await shown()).state.position > 0, { what: 'a first job' })
    await disk.fill()
    await running.until(/the disk of \S+ is full/)
    const { state } = await shown()
    expect(state).toMatchObject({ phase: 'running' })
    // Nothing more of it happens.
    expect((await shown()).state).toEqual(state)
    await disk.free()
    await running.until('nats-server is back')
    await eventually(async () => (await shown()).state.phase === 'completed', { what: 'the end of the change', withinMs: 240_000, everyMs: 500 })
    // No program went down with its log file, which is on the same disk.
    expect(running.out()).not.toMatch(/ ended \(/)
    expect((await shown()).state.position).toBe(jobs)
    const file = join(disk.path, 'log.ndjson')
    expect(await run('log', 'export', '--to', file)).toMatchObject({ code: 0 })
    const messages: StoredMessage[] = []
    for await (const batch of readLogFile(file)) messages.push(...batch)
    expect(checkRun(readLog(messages, realmName), { ended: true })).toEqual([])
  }, patienceMs)
})

it('the one server may use no more (max_file_store), together with a kill of an executor: all is refused with its code, nothing new is started; with room all goes on by itself', async () => {
  realm = await FaultRealm.start({ server: { jetstream: 'max_file_store: 24MB' }, agents: fourAgents, sites: sitesOfLoad })
  await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: 'drill://?services=40' })
  const { connection } = realm.coordinator
  const ballast = { name: 'BALLAST', subjects: ['ballast'], storage: 'file', discard: 'new', retention: 'limits' }
  expect(await connection.api('STREAM.CREATE.BALLAST', ballast)).toMatchObject({ ok: true })
  const run = await UnderFault.begin(realm, await drillAndDesk(realm), 's2')
  await run.strike(async () => {
    for (const size of [512 * 1024, 16 * 1024, 64]) {
      for (let taken = true; taken; ) {
        const exchanged = await connection.exchange('ballast', 'x'.repeat(size), { timeoutMs: 5_000 })
        if (exchanged.kind !== 'answer') throw new Error(`no answer of the server: ${exchanged.kind}`)
        taken = parseApiAnswer(exchanged.message.data).ok
      }
    }
  })
  await someSay(realm, 'the store of the log is full')
  const calls = await callsAtSites(realm)
  const asked = await realm.eventually(
    async () => {
      const answer = await realm!.api.answer('site', 'add', { site: 'late', kind: 'drill', address: 'drill://' }, { timeoutMs: 10_000 })
      return !answer.ok && answer.error.code === 'unavailable' && answer.error
    },
    { what: 'an answer that says so' },
  )
  expect(asked).toMatchObject({ retryable: true, text: expect.stringContaining('the store of the log is full') })
  const doctor = await realm.command(['doctor', '--monitoring-url', realm.monitoringUrl])
  expect(doctor.code).toBe(1)
  expect(doctor.stdout).toContain('the store of nats-server test is full')
  expect(await callsAtSites(realm)).toEqual(calls)
  await run.repair(() => connection.api('STREAM.PURGE.BALLAST'))
  await run.end()
  expect(await realm.judge()).toEqual([])
}, patienceMs)

async function someSay(realm: FaultRealm, what: string): Promise<void> {
  await realm.eventually(async () => (await Promise.all([...realm.agents.values()].map((agent) => agent.said()))).some((said) => said.includes(what)), { what: `an agent that says "${what}"`, everyMs: 200 })
}

/** How many each site has had. */
async function callsAtSites(realm: FaultRealm): Promise<readonly number[]> {
  return Promise.all([...realm.sites.values()].map(async (site) => (await wholeJournal(site)).length))
}
