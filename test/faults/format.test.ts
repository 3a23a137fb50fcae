/** An upgrade under load with real processes: programs of format 1 and 2 in one realm, the old ones first, and the new ones first. */
import { afterEach, expect, it } from 'vitest'
import { formatOf } from '../../machines/realm/shapes.ts'
import { apply } from './applying.ts'
import { FaultRealm, patienceMs } from './realm.ts'

let realm: FaultRealm | undefined
let load: Load | undefined

afterEach(async () => {
  await load?.end().catch(() => {})
  await realm?.[Symbol.asyncDispose]()
  realm = undefined
  load = undefined
}, patienceMs)

const jobs = 25

/** Opens one group after another until it is told to end; every one of them has to complete. */
class Load {
  readonly #realm: FaultRealm
  readonly #running: Promise<void>
  #over = false
  completed = 0

  constructor(realm: FaultRealm) {
    this.#realm = realm
    this.#running = this.#run()
    this.#running.catch(() => {})
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const services = Array.from({ length: jobs }, (_, index) => `drill/s${String(index + 1).padStart(5, '0')}`)
      const { group } = await apply(this.#realm.api, { selector: { services }, operation: { name: 'rehearse' }, mode: 'jobs', confirmed: true, command: this.#realm.newCommandId() })
      await this.#realm.completes(group!)
      this.completed += 1
    }
  }

  /** Resolves when so many more groups have completed. Throws when one did not. */
  async more(groups: number): Promise<void> {
    const least = this.completed + groups
    await Promise.race([this.#running, this.#realm.eventually(() => this.completed >= least, { withinMs: 120_000, what: `${groups} more groups` })])
  }

  async end(): Promise<void> {
    this.#over = true
    await this.#running
  }
}

async function begin(wanted: Parameters<typeof FaultRealm.start>[0]): Promise<{ readonly realm: FaultRealm; readonly load: Load }> {
  const begun = (realm = await FaultRealm.start({ ...wanted, format: 1 }))
  await begun.api.call('site', 'add', { site: 'drill', kind: 'drill', address: `drill://?services=${jobs}` })
  return { realm: begun, load: (load = new Load(begun)) }
}

async function rises(begun: FaultRealm): Promise<void> {
  await begun.eventually(() => begun.view.state.realm.format === 2, { what: 'format 2' })
}

/** Before the raising the log holds shapes of format 1 only; a program of format 1 that starts afterwards says one line and ends. */
async function judgeUpgrade(begun: FaultRealm): Promise<void> {
  const commits = (await begun.log()).turns.flatMap(({ turn }) => turn.commits.map((commit) => ({ commit })))
  const raised = commits.findIndex(({ commit }) => commit.events.some(({ type }) => type === 'FormatRaised'))
  expect(raised).toBeGreaterThan(0)
  for (const { commit } of commits.slice(0, raised)) for (const event of commit.events) expect(formatOf(event), event.type).toBe(1)
  expect(commits.filter(({ commit }) => commit.events.some(({ type }) => type === 'FormatRaised'))).toHaveLength(1)
  for (const args of [['agent', '--id', 'late'], ['serve', '--id', 'late']]) {
    const late = await begun.command([...args, '--newest-format', '1', '--monitoring-url', begun.server.monitoringUrl])
    expect(late.code, late.stderr).toBe(3)
    const said = late.stderr.trimEnd().split('\n').filter((line) => !line.startsWith('{'))
    expect(said).toEqual(['reeve: the realm has format 2, --newest-format 1 was given: leave it out'])
  }
  expect(await begun.judge()).toEqual([])
}

it('old ones first, then new ones: the realm stays at 1 while an old one lives, also one that was killed a moment ago; groups run all the while', async () => {
  const { realm, load } = await begin({
    agents: [{ id: 'o1', role: 'generic', skills: ['simulated'], newestFormat: 1 }, { id: 'o2', role: 'generic', skills: ['simulated'], newestFormat: 1 }],
    sites: { desk: { services: 4 } },
  })
  // Opened by decision 1 and stopped on its way, until after the rise.
  const services = await realm.services('desk', 3)
  await realm.sites.get('desk')!.addSwitch({ service: services[1]!, operation: 'rename', count: 1, fault: { kind: 'refuse' } })
  const stopped = await realm.open('desk', { services })
  await load.more(2)
  for (const id of ['n1', 'n2']) await realm.addAgent({ id, role: 'generic', skills: ['simulated'] })
  await load.more(3)
  expect(await realm.stopped(stopped)).toBe('blocked')
  await realm.agent('o1').stop()
  await load.more(3)
  expect(realm.view.state.realm.format).toBe(1)
  await realm.agent('o2').kill()
  const killed = realm.view.state.agents.get('o2')!
  await rises(realm)
  expect(killed.phase).toBe('lost')
  await load.more(3)
  await realm.sites.get('desk')!.removeSwitches()
  await realm.api.call('group', 'retry', { group: stopped, command: realm.newCommandId() })
  await realm.completes(stopped)
  expect(realm.group(stopped).decision).toBe(1)
  for (const event of await realm.eventsOf(stopped)) expect(formatOf(event), event.type).toBe(1)
  await load.end()
  realm.agents.delete('o1')
  realm.agents.delete('o2')
  await judgeUpgrade(realm)
}, patienceMs)

it('new ones first, then old ones, the service among them: the realm stays at 1 until the last of them is gone', async () => {
  const { realm, load } = await begin({ agents: [{ id: 'n1', role: 'generic' }, { id: 'n2', role: 'generic' }], serviceNewestFormat: 1 })
  await load.more(2)
  await realm.addAgent({ id: 'o1', role: 'generic', newestFormat: 1 })
  await load.more(3)
  expect(realm.view.state.realm.format).toBe(1)
  await realm.agent('o1').stop()
  await load.more(3)
  // The service of format 1 is still there.
  expect(realm.view.state.realm.format).toBe(1)
  await realm.replaceService('two')
  await rises(realm)
  await load.more(3)
  await load.end()
  realm.agents.delete('o1')
  await judgeUpgrade(realm)
}, patienceMs)
