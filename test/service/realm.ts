/**
 * A realm for tests of the service interface: the real lane host, real services, sites in memory, and an executor that reports what
 * the test wants. On the realm in memory, or on whatever `connect` gives.
 */
import { expect } from 'vitest'
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { startAgent } from '../../machines/agent/decide.ts'
import type { Outcome } from '../../machines/execution-group/decide/locks.ts'
import type { Service } from '../../machines/service/model.ts'
import type { OperationName } from '../../machines/service/operation.ts'
import { defaultConstants, formatVersion } from '../../machines/realm/realm.ts'
import { fromBytes, laneMappingKey, toBytes } from '../../streams/coordination.ts'
import type { GrantRef, OutcomeReport } from '../../streams/lane-protocol.ts'
import { type MemoryFaults } from '../../streams/memory/faults.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { laneOfGroup, subjectsOf } from '../../streams/subjects.ts'
import type { Logger, Presence } from '../../src/agent/context.ts'
import { laneClient } from '../../src/lane/client.ts'
import { startLaneHost } from '../../src/lane/host.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { followRealm } from '../../src/realm/standing.ts'
import { apiClient } from '../../src/service/client.ts'
import { type ServiceOptions, startService } from '../../src/service/service.ts'
import { type SiteAdapter, type SiteCall, type SiteResult, SiteUnreachable } from '../../src/sites/adapter.ts'
import { UnknownSiteKind } from '../../src/sites/registry.ts'
import { apiCatalogue } from '../../streams/api/catalogue.ts'
import { failureSchema } from '../../streams/api/errors.ts'
import { eventually } from '../support/eventually.ts'

export const subjects = subjectsOf('reeve')
export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export function desktop(id: string, more: Partial<Service> = {}): Service {
  return {
    id,
    name: `Desktop ${id}`,
    kind: 'desktop',
    delivery: 'hosted',
    folder: '',
    group: null,
    power: 'off',
    maintenance: false,
    assignment: 'fixed',
    users: [],
    userGroups: [],
    sessions: [],
    ...more,
  }
}

/** Sites by their address; one that is not in the map does not answer. */
export class MemorySites {
  readonly at = new Map<string, Service[]>()
  reads = 0
  readonly calls: SiteCall[] = []
  /** What becomes of a call. */
  carryOut: (call: SiteCall) => Promise<SiteResult> = async () => ({ kind: 'done' })

  adapter(kind: string, operations: readonly OperationName[], skill: SiteAdapter['skill'] = 'required'): SiteAdapter {
    return {
      kind,
      fencing: 'enforced',
      skill,
      operations: new Set(operations),
      repeatable: new Set(operations.filter((name) => name !== 'rename')),
      checkAddress: (address) => (address.startsWith('memory:') ? undefined : `address ${JSON.stringify(address)} does not begin with "memory:"`),
      connect: ({ site, address }) => ({
        read: async () => {
          this.reads += 1
          const services = this.at.get(address)
          if (services === undefined) throw new SiteUnreachable(`site ${site} at ${address} cannot be read: nobody answers`)
          return { site, services }
        },
        carryOut: async (call) => {
          this.calls.push(call)
          return this.carryOut(call)
        },
        close: async () => {},
      }),
    }
  }
}

const everything: readonly OperationName[] = ['start', 'stop', 'rename', 'maintenance-on', 'maintenance-off', 'assign', 'deassign', 'rehearse']

export interface RealmOptions {
  readonly connect?: (name: string) => Promise<Coordinator>
  readonly faults?: MemoryFaults
  /** False: nobody holds a lane until `holdLanes`. */
  readonly held?: boolean
  readonly openDeadlineMs?: number
  readonly service?: Partial<ServiceOptions>
  /** Of whoever founds it. */
  readonly newestFormat?: number
}

export async function startRealm(options: RealmOptions = {}) {
  const memory = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom, ...(options.faults === undefined ? {} : { faults: options.faults }) })
  const connect = options.connect ?? (async (name: string) => memory.connect({ name, clock: systemClock }))
  const ends: (() => Promise<void>)[] = []
  const opened = async (name: string) => {
    const coordinator = await connect(name)
    ends.push(() => coordinator.close())
    return coordinator
  }
  const holder = await opened('holder')
  const clock = systemClock
  const random = systemRandom
  const founded = await joinRealm({ log: holder.log, clock, random }, subjects, {
    actor: 'agent:holder',
    region: 'here',
    constants: { ...defaultConstants, presenceMs: 2_000, siteCallDeadlineMs: 2_000 },
    durability: { level: 'synced' },
    acceptWeakDurability: false,
    ...(options.newestFormat === undefined ? {} : { newestFormat: options.newestFormat }),
  })
  const lanes = founded.lanes.map(({ lane }) => lane)

  const holdLanes = async (agent: string, coordinator: Coordinator) => {
    const realm = followRealm(coordinator.log, subjects, founded, () => {})
    ends.push(() => realm.close())
    const presence: Presence = { instance: `${agent}-1`, acknowledged: true, mayStartCall: () => true, onNewInstance: () => () => {} }
    const context = { agent, role: 'generic', region: 'here', skills: [], build: 'test', coordinator, subjects, clock, random, constants: founded.constants, realm, newestFormat: formatVersion, logger: silent } as const
    const host = startLaneHost(context, presence, { times: { openDeadlineMs: options.openDeadlineMs ?? 60_000, laneHandoverMs: 200 } })
    ends.push(async () => host.abandon())
    for (const lane of lanes) await coordinator.mappings.put(laneMappingKey(lane), toBytes({ lane, agent, epoch: 1 }))
    await eventually(() => host.held.length === lanes.length)
    return host
  }
  const host = options.held === false ? undefined : await holdLanes('holder', holder)

  const sites = new MemorySites()
  const adapters = [sites.adapter('full', everything), sites.adapter('poor', ['start', 'rehearse'], 'none')]
  const adapterOf = (kind: string) => {
    const found = adapters.find((adapter) => adapter.kind === kind)
    if (found === undefined) throw new UnknownSiteKind(kind)
    return found
  }
  const serve = async (id: string, more: Partial<ServiceOptions> = {}) => {
    const coordinator = await opened(id)
    const service = await startService({
      coordinator,
      subjects,
      clock,
      random,
      logger: silent,
      service: id,
      build: '0.1.0',
      region: 'here',
      adapterOf,
      ...options.service,
      ...more,
      timings: { laneAnswerMs: 10_000, continueMs: 100, ...options.service?.timings, ...more.timings },
    })
    ends.push(() => service.stop())
    return service
  }
  const person = await opened('person')

  /** Executes the whole of a group by the lane protocol: assigns it to `worker` and reports what `outcomeOf` says of each job. */
  const work = async (group: string, outcomeOf: (job: number) => Outcome = () => ({ kind: 'succeeded' }), capacity = 1) => {
    const lane = laneOfGroup(group)!
    const client = laneClient({ bus: person.bus, subjects })
    const builtOn = { incarnation: person.log.incarnation, number: 0 }
    const state = await api.call('group', 'show', { group })
    const last = state.state.jobs + state.state.retries.length
    const assigned = await client.send(lane, { builtOn, group, actor: 'agent:leader', body: { kind: 'assign', assignments: [{ first: 1, last, agent: 'worker' }], ifRevision: state.state.revision } })
    if (assigned.kind !== 'done') throw new Error(`not assigned: ${JSON.stringify(assigned)}`)
    let held: GrantRef[] = []
    let outcomes: OutcomeReport[] = []
    for (;;) {
      const answer = await client.work(lane, { builtOn, agent: 'worker', instance: 'worker-1', capacity, held, outcomes, stopped: [] })
      if (answer.kind !== 'taken') throw new Error(`no holder: ${JSON.stringify(answer)}`)
      const { state: now } = await api.call('group', 'show', { group })
      if (now.phase !== 'running' && now.phase !== 'compensating') {
        // Nothing more for this worker, whatever becomes runnable later.
        await client.work(lane, { builtOn, agent: 'worker', instance: 'worker-1', capacity: 0, held: [], outcomes: [], stopped: [] })
        return now
      }
      held = answer.grants.map(({ group: id, grant }) => ({ group: id, grant }))
      outcomes = answer.grants.flatMap(({ group: id, grant, jobs }) => jobs.map(({ job }) => ({ group: id, grant, job, outcome: outcomeOf(job) })))
    }
  }

  const api = apiClient(checkedBus(person.bus), subjects, { actor: 'person:tester' })
  return {
    memory,
    sites,
    lanes,
    host,
    holder,
    person,
    api,
    serve,
    holdLanes,
    work,
    opened,
    async stop() {
      for (const end of ends.reverse()) await end()
    },
  }
}

/** With one service, `s1`, and the two sites of `addTwoSites`. */
export async function startServedRealm() {
  const realm = await startRealm()
  const service = await realm.serve('s1')
  await addTwoSites(realm)
  return { ...realm, service }
}

/** Every answer has exactly the documented form, and every error is one that the endpoint documents. */
function checkedBus(bus: Bus): Bus {
  const checked = async (...[subject, data, options]: Parameters<Bus['ask']>) => {
    const asked = await bus.ask(subject, data, options)
    if (asked.kind !== 'answer') return asked
    const entry = apiCatalogue.find(({ noun, verb }) => subjects.api(noun, verb) === subject)!
    const answer = fromBytes<{ ok: boolean }>(asked.data)
    const documented = answer.ok ? entry.response.parse(answer) : failureSchema.parse(answer)
    expect(documented).toEqual(answer)
    if (!answer.ok) expect(entry.allErrors).toContain(failureSchema.parse(answer).error.code)
    return asked
  }
  return new Proxy(bus, {
    get: (target, key) => {
      if (key === 'ask') return checked
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

export type TestRealm = Awaited<ReturnType<typeof startRealm>>
export type ServedRealm = Awaited<ReturnType<typeof startServedRealm>>

/** Two sites: `alpha` (full, 4 services in folders) and `beta` (full, 2). */
export async function addTwoSites({ api, sites }: TestRealm): Promise<void> {
  sites.at.set('memory:alpha', [
    desktop('a4', { name: 'Ünïcødé 名前 *', power: 'on', group: 'finance' }),
    desktop('a1', { folder: 'Berlin/Sales' }),
    desktop('a2', { folder: 'Berlin', power: 'on', users: ['ann'] }),
    desktop('a3', { folder: 'Berliner', group: 'finance' }),
  ])
  sites.at.set('memory:beta', [desktop('b1', { power: 'on' }), desktop('b2')])
  await api.call('site', 'add', { site: 'beta', kind: 'full', address: 'memory:beta' })
  await api.call('site', 'add', { site: 'alpha', kind: 'full', address: 'memory:alpha' })
}

/** Of these groups, those of the lane that has the most of them, in the order given: which lane a group comes to, among lanes with as little work, is drawn. */
export function togetherIn(groups: readonly string[]): readonly [string, string, ...string[]] {
  const byLane = Map.groupBy(groups, (group) => laneOfGroup(group)!)
  const [first, second, ...others] = [...byLane.values()].toSorted((one, other) => other.length - one.length)[0]!
  if (second === undefined) throw new Error(`no two of these groups are in one lane: ${groups.join(', ')}`)
  return [first!, second, ...others]
}

/** As an agent does when it starts. */
export async function recordStart(log: EventLog, agent: string, instance: string, manifest?: string): Promise<void> {
  await writeAggregate<AgentState, AgentEvent>({ log, clock: systemClock, random: systemRandom }, {
    subject: subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent, actor: `agent:${agent}`,
    decide: (state) => startAgent(state, { instance, role: 'generic', region: 'here', skills: [], build: '1.0.0', ...(manifest === undefined ? {} : { manifest }) }),
  })
}
