/**
 * A disk that is full: of one server of a cluster of three, and of the only server. Nothing new is started where nothing can be recorded,
 * somebody says so, nothing acknowledged is lost, and all goes on once there is space. Needs root, for the small disks.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { SmallDisk, noSmallDisk } from '../support/small-disk.ts'
import { FaultRealm, patienceMs } from './realm.ts'
import { leaderOfLog, replicated } from './servers.ts'
import { UnderFault, drillAndDesk, sitesOfLoad } from './under-fault.ts'

const why = noSmallDisk()
const fourAgents = [{ id: 'g1', role: 'generic' }, { id: 'g2', role: 'generic' }, { id: 's1', role: 'skilled', skills: ['simulated'] }, { id: 's2', role: 'skilled', skills: ['simulated'] }] as const

let realm: FaultRealm | undefined
let disk: SmallDisk | undefined

afterEach(async () => {
  await realm?.[Symbol.asyncDispose]()
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
      { what: 'n1 as leader of the log', withinMs: 30_000, everyMs: 500 },
    )
    const run = await UnderFault.begin(realm, await drillAndDesk(realm), 's2')
    await run.strike(() => disk!.fill())
    await run.goesOn(60)
    await run.repair(async () => {
      await disk!.free()
      await realm!.cluster.server('n1').stop()
      await realm!.cluster.server('n1').start()
    })
    await run.end()
    await replicated(realm)
    expect(await realm.judge()).toEqual([])
  }, patienceMs)
})
