import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Operation } from '../../machines/service/operation.ts'
import type { FencingClass, SiteConnection, SiteResult } from '../../src/sites/adapter.ts'
import { capabilitiesAt } from '../../src/sites/adapter.ts'
import { simulatedAdapter } from '../../src/sites/simulated/adapter.ts'
import type { JournalEntry } from '../../src/sites/simulated/protocol.ts'
import { eventually } from '../support/eventually.ts'
import { startSimulatedSite } from '../support/simulated-site.ts'
import type { SimulatedSiteProcess, SimulatedSiteSettings } from '../support/simulated-site.ts'

const sites: SimulatedSiteProcess[] = []
const connections: SiteConnection[] = []
afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close()
  // The one that made the data folder removes it, after those that were started on it again.
  for (const site of sites.splice(0).reverse()) await site.stop()
})

async function start(settings: SimulatedSiteSettings = {}): Promise<SimulatedSiteProcess> {
  const site = await startSimulatedSite(settings)
  sites.push(site)
  return site
}

function connect(site: SimulatedSiteProcess, address = site.adapterAddress): SiteConnection {
  const connection = simulatedAdapter.connect({ site: 'site-1', kind: 'simulated', address, region: 'here' })
  connections.push(connection)
  return connection
}

interface CallOptions {
  readonly service?: string
  readonly scope?: string
  readonly revision?: number
  readonly key?: string
  readonly withinMs?: number
  readonly deadlineInMs?: number
}
let keys = 0
function carryOut(connection: SiteConnection, operation: Operation, options: CallOptions = {}): Promise<SiteResult> {
  const withinMs = options.withinMs ?? 10_000
  return connection.carryOut({
    service: options.service ?? 'x',
    operation,
    token: { scope: options.scope ?? 'group-1', incarnation: 1, revision: options.revision ?? 1 },
    idempotencyKey: options.key ?? `key-${++keys}`,
    deadlineMs: Date.now() + (options.deadlineInMs ?? withinMs),
    signal: AbortSignal.timeout(withinMs),
  })
}
/** Site with one service `x`, off. */
async function startWithOne(settings: SimulatedSiteSettings = {}): Promise<{ readonly site: SimulatedSiteProcess; readonly connection: SiteConnection }> {
  const site = await start({ services: 0, ...settings })
  await site.request('POST', '/v1/services', { id: 'x', name: 'Service x' })
  return { site, connection: connect(site) }
}
async function powerOf(site: SimulatedSiteProcess): Promise<string> {
  return (await site.request('GET', '/v1/services/x')).body.power
}
async function onlyCall(site: SimulatedSiteProcess): Promise<JournalEntry> {
  const calls = await site.journal()
  expect(calls).toHaveLength(1)
  return calls[0]!
}

describe('its store', () => {
  test('everything answered survives kill -9, and a call in the middle ends as lost', async () => {
    const { site, connection } = await startWithOne()
    expect(await carryOut(connection, { name: 'rename', to: 'Ünïcode 😀' }, { key: 'kept', revision: 3 })).toEqual({ kind: 'done' })
    await site.addSwitch({ fault: { kind: 'hang', when: 'before' } })
    const interrupted = carryOut(connection, { name: 'start' }, { key: 'interrupted', revision: 3 })
    await eventually(async () => (await site.journal()).some((call) => call.idempotencyKey === 'interrupted' && call.beganMs !== null))
    const before = await site.journal()
    await site.kill()
    expect((await interrupted).kind).toBe('unknown')

    const again = await start({ data: site.data, name: 'another name', services: 500 })
    expect((await again.request('GET', '/v1/site')).body).toEqual({ name: 'Test site', fencing: 'enforced', services: 1 })
    expect((await again.request('GET', '/v1/services/x')).body).toMatchObject({ name: 'Ünïcode 😀', power: 'off' })
    const after = await again.journal()
    expect(after[0]).toEqual(before[0])
    expect(after[1]).toMatchObject({ idempotencyKey: 'interrupted', outcome: { kind: 'lost' } })

    const reconnected = connect(again)
    // The mark and the settled key were kept, the lost call's key was not settled.
    expect(await carryOut(reconnected, { name: 'start' }, { revision: 2 })).toEqual({ kind: 'fenced' })
    expect(await carryOut(reconnected, { name: 'rename', to: 'Ünïcode 😀' }, { key: 'kept', revision: 4 })).toEqual({ kind: 'done' })
    expect((await again.journal()).at(-1)).toMatchObject({ repeatOf: 1, beganMs: null })
    expect(await carryOut(reconnected, { name: 'start' }, { key: 'interrupted', revision: 4 })).toEqual({ kind: 'done' })
    expect(await powerOf(again)).toBe('on')
  })

  test('killed at any moment of a stream of changes: what was answered is there, and nothing that was not asked', async () => {
    const { site, connection } = await startWithOne()
    let answered = 0
    let asked = 0
    const stream = (async () => {
      for (;;) {
        asked++
        const result = await carryOut(connection, { name: 'rename', to: `name ${asked}` })
        if (result.kind !== 'done') return
        answered = asked
      }
    })()
    await eventually(() => answered >= 40)
    await site.kill()
    await stream
    const again = await start({ data: site.data })
    const number = Number(/^name (\d+)$/.exec((await again.request('GET', '/v1/services/x')).body.name)![1])
    expect(number).toBeGreaterThanOrEqual(answered)
    expect(number).toBeLessThanOrEqual(asked)
  })

  test('a torn last line is cut off; a damaged one stops the start with one line', async () => {
    const { site, connection } = await startWithOne()
    await carryOut(connection, { name: 'start' })
    await site.kill()
    const path = join(site.data, 'journal.jsonl')
    const whole = await readFile(path, 'utf8')
    await appendFile(path, '{"type":"changed","service":"x","why":"con')
    const again = await start({ data: site.data })
    expect(await powerOf(again)).toBe('on')
    await again.request('PATCH', '/v1/services/x', { power: 'off' })
    await again.kill()
    const now = await readFile(path, 'utf8')
    expect(now.slice(0, whole.length)).toBe(whole)
    expect(now.slice(whole.length)).toMatch(/^{"type":"changed"[^\n]*\n$/)

    await writeFile(path, whole.replace('"type":"ended"', '"type":"ended'))
    await expect(startSimulatedSite({ data: site.data })).rejects.toThrow(/^JournalDamaged: line 5 of [^\n]*journal\.jsonl is no journal line: [^\n]*$/)
  })

  test('the same seed gives the same services, another one others', async () => {
    const read = async (seed: string) => (await connect(await start({ services: 50, seed })).read(AbortSignal.timeout(10_000))).services
    const first = await read('one')
    expect(first).toHaveLength(50)
    expect(await read('one')).toEqual(first)
    expect(await read('two')).not.toEqual(first)
    for (const property of ['kind', 'delivery', 'assignment', 'power'] as const) {
      expect(new Set(first.map((service) => service[property])).size).toBeGreaterThan(1)
    }
  })

  test('50,000 services are read in one call', async () => {
    const site = await start({ services: 50_000 })
    const { services } = await connect(site).read(AbortSignal.timeout(20_000))
    expect(services).toHaveLength(50_000)
    const ids = services.map((service) => service.id)
    expect(ids).toEqual(ids.toSorted())
  })
})

describe('bad starts', () => {
  test('a taken port and a folder in use: one line each, nothing left behind', async () => {
    const site = await start()
    await expect(startSimulatedSite({ port: site.port })).rejects.toThrow(
      `PortTaken: port ${site.port} on 127.0.0.1 is taken: stop the program that uses it, or choose another port`,
    )
    await expect(startSimulatedSite({ data: site.data })).rejects.toThrow(
      `FolderInUse: the data folder ${site.data} is in use by process ${site.pid}: stop that one, or name another folder`,
    )
    const noFolder = join(site.data, 'journal.jsonl')
    await expect(startSimulatedSite({ data: noFolder })).rejects.toThrow(
      `FolderUnusable: data folder ${noFolder} is a file, or lies in one: name a folder`,
    )
    expect(await connect(site).read(AbortSignal.timeout(10_000))).toMatchObject({ site: 'site-1' })
  })

  test('SIGTERM ends it, with a call in the middle; the folder is free', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ fault: { kind: 'hang', when: 'before' } })
    const interrupted = carryOut(connection, { name: 'start' })
    await eventually(async () => (await site.journal()).length === 1)
    site.signal('SIGTERM')
    expect((await interrupted).kind).toBe('unknown')
    const again = await eventually(() => startSimulatedSite({ data: site.data }))
    sites.push(again)
    expect(await onlyCall(again)).toMatchObject({ outcome: { kind: 'lost' } })
  })
})

describe('fencing classes', () => {
  const classes: readonly FencingClass[] = ['recorded', 'none']
  test.each(classes)('%s: compares nothing, and the journal shows what was in vain', async (fencing) => {
    const { site, connection } = await startWithOne({ fencing })
    expect(capabilitiesAt(simulatedAdapter, site.adapterAddress).fencing).toBe(fencing)
    await site.addSwitch({ operation: 'start', fault: { kind: 'hang', when: 'before' } })
    const higher = carryOut(connection, { name: 'start' }, { revision: 9 })
    await eventually(async () => (await site.journal()).some((call) => call.beganMs !== null))
    expect(await carryOut(connection, { name: 'maintenance-on' }, { revision: 8 })).toEqual({ kind: 'done' })
    await site.removeSwitches()
    expect(await higher).toEqual({ kind: 'done' })
    const [first, second] = await site.journal()
    expect(first).toMatchObject({ token: { scope: 'group-1', incarnation: 1, revision: 9 } })
    expect(second!.token.revision).toBe(8)
    // The lower token ran inside the higher one's call.
    expect(second!.beganOrder).toBeGreaterThan(first!.beganOrder)
    expect(second!.endedOrder).toBeLessThan(first!.endedOrder)
  })

  test('a site that fences less than its address says refuses changes', async () => {
    const { site } = await startWithOne({ fencing: 'none' })
    const result = await carryOut(connect(site, site.address), { name: 'start' })
    expect(result).toMatchObject({ kind: 'failed', code: 'refused-by-site', reason: 'site Test site runs with fencing none, not enforced' })
    expect(await site.journal()).toEqual([])
    expect(await powerOf(site)).toBe('off')
  })

  test('enforced: a higher token gives up as busy when the lower one runs too long, and was not begun', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ count: 1, fault: { kind: 'hang', when: 'before' } })
    const lower = carryOut(connection, { name: 'start' }, { revision: 1 })
    await eventually(async () => (await site.journal()).length === 1)
    const higher = await carryOut(connection, { name: 'maintenance-on' }, { revision: 2, deadlineInMs: 2_000 })
    expect(higher).toMatchObject({ kind: 'failed', code: 'refused-by-site' })
    expect((await site.journal())[1]).toMatchObject({ beganMs: null, outcome: { kind: 'busy' } })
    await site.removeSwitches()
    expect(await lower).toEqual({ kind: 'done' })
  })

  test('no two calls of one scope overlap, and tokens never go back, whatever order calls come in', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ fault: { kind: 'latency', latencyMs: 3 } })
    const revisions = Array.from({ length: 60 }, (_, index) => 1 + ((index * 37) % 60))
    const results = await Promise.all(revisions.map((revision) => carryOut(connection, { name: 'rename', to: `r${revision}` }, { revision })))
    const begun = (await site.journal()).filter((call) => call.beganOrder > 0).sort((a, b) => a.beganOrder - b.beganOrder)
    expect(results.filter((result) => result.kind === 'fenced').length + begun.length).toBe(60)
    for (const [index, call] of begun.entries()) {
      const next = begun[index + 1]
      if (!next) continue
      expect(next.token.revision).toBeGreaterThan(call.token.revision)
      expect(next.beganOrder).toBeGreaterThan(call.endedOrder)
    }
    expect(begun.at(-1)!.token.revision).toBe(60)
  })
})

describe('keys and deadlines', () => {
  test('a repeat during the first call waits for it and gets its result', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ count: 1, fault: { kind: 'hang', when: 'before' } })
    const both = [1, 2].map(() => carryOut(connection, { name: 'start' }, { key: 'same' }))
    await eventually(async () => (await site.journal()).length === 2)
    await site.removeSwitches()
    expect(await Promise.all(both)).toEqual([{ kind: 'done' }, { kind: 'done' }])
    expect((await site.journal()).filter((call) => call.beganMs !== null)).toHaveLength(1)
  })

  test('a key used for another change is refused, and stays what it was', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ count: 1, fault: { kind: 'refuse' } })
    await carryOut(connection, { name: 'start' }, { key: 'mine' })
    expect(await carryOut(connection, { name: 'stop' }, { key: 'mine' })).toMatchObject({ kind: 'failed', code: 'invalid' })
    expect(await carryOut(connection, { name: 'start' }, { key: 'mine' })).toEqual({ kind: 'done' })
    expect(await carryOut(connection, { name: 'stop' }, { key: 'mine' })).toMatchObject({ kind: 'failed', code: 'invalid' })
    expect(await powerOf(site)).toBe('on')
  })

  test('what a site refused may succeed later with the same key', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ count: 1, fault: { kind: 'refuse', reason: 'not today' } })
    expect(await carryOut(connection, { name: 'start' }, { key: 'mine' })).toEqual({ kind: 'failed', code: 'refused-by-site', reason: 'not today' })
    expect(await carryOut(connection, { name: 'start' }, { key: 'mine' })).toEqual({ kind: 'done' })
  })

  test('P23: a change is not made after its deadline, also when nobody listens any more', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ fault: { kind: 'latency', latencyMs: 60_000 } })
    expect((await carryOut(connection, { name: 'start' }, { withinMs: 2_000, deadlineInMs: 2_100 })).kind).toBe('unknown')
    await eventually(async () => (await onlyCall(site)).endedMs !== null)
    expect(await onlyCall(site)).toMatchObject({ outcome: { kind: 'expired' } })
    expect(await powerOf(site)).toBe('off')
  })

  test('a switch makes it a site that cannot keep deadlines', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ fault: { kind: 'latency', latencyMs: 3_000, pastDeadline: true } })
    expect((await carryOut(connection, { name: 'start' }, { withinMs: 1_500 })).kind).toBe('unknown')
    await eventually(async () => (await powerOf(site)) === 'on')
    const call = await onlyCall(site)
    expect(call.endedMs).toBeGreaterThan(call.deadlineMs)
  })
})

describe('switches', () => {
  test.each(['error', 'drop'] as const)('%s: the journal tells whether it happened', async (kind) => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ count: 1, fault: { kind, when: 'before' } })
    expect(await carryOut(connection, { name: 'start' })).toMatchObject({ kind: 'failed', code: 'refused-by-site' })
    expect(await powerOf(site)).toBe('off')
    await site.addSwitch({ count: 1, fault: { kind, when: 'after' } })
    expect(await carryOut(connection, { name: 'start' })).toEqual({ kind: 'done' })
    expect(await powerOf(site)).toBe('on')
  })

  test('a hang after the change: unknown to the caller, made at the site', async () => {
    const { site, connection } = await startWithOne()
    await site.addSwitch({ operation: 'start', service: 'x', fault: { kind: 'hang', when: 'after' } })
    expect((await carryOut(connection, { name: 'start' }, { withinMs: 2_000 })).kind).toBe('unknown')
    expect(await powerOf(site)).toBe('on')
    expect(await carryOut(connection, { name: 'maintenance-on' })).toEqual({ kind: 'done' })
  })

  test('of reads too, counted, listed and removed', async () => {
    const { site, connection } = await startWithOne()
    const read = () => connection.read(AbortSignal.timeout(5_000))
    for (const fault of [{ kind: 'error' }, { kind: 'drop' }, { kind: 'refuse' }] as const) {
      await site.addSwitch({ operation: 'read', count: 1, fault })
      await expect(read()).rejects.toMatchObject({ name: 'SiteUnreachable', retryable: true })
      await read()
    }
    const id = await site.addSwitch({ operation: 'read', fault: { kind: 'hang' } })
    await expect(connection.read(AbortSignal.timeout(200))).rejects.toMatchObject({ name: 'SiteUnreachable' })
    expect((await site.request('GET', '/admin/switches')).body.switches.at(-1)).toMatchObject({ id, operation: 'read', left: null })
    expect((await site.request('DELETE', `/admin/switches/${id}`)).status).toBe(200)
    await read()
    expect((await site.request('POST', '/admin/switches', { fault: { kind: 'explode' } })).status).toBe(400)
  })
})

describe('users', () => {
  async function add(site: SimulatedSiteProcess, id: string, given: object): Promise<void> {
    expect((await site.request('POST', '/v1/services', { id, name: id, ...given })).status).toBe(200)
  }
  const logIn = (site: SimulatedSiteProcess, wanted: object) => site.request('POST', '/v1/sessions', wanted)

  test('first access: the site assigns whoever comes first, for good', async () => {
    const { site, connection } = await startWithOne()
    await add(site, 'first', { assignment: 'first-access', userGroups: ['staff'] })
    expect((await logIn(site, { user: 'eve', service: 'first' })).status).toBe(403)
    const { body } = await logIn(site, { user: 'ada', userGroups: ['staff'], service: 'first' })
    expect((await logIn(site, { user: 'bob', userGroups: ['staff'], service: 'first' })).body.error.reason).toContain('assigned to another user')
    await site.request('DELETE', `/v1/sessions/${body.session.id}`)
    const { services } = await connection.read(AbortSignal.timeout(5_000))
    expect(services.find((service) => service.id === 'first')).toMatchObject({ users: ['ada'], sessions: [], power: 'on' })
  })

  test('pool: the first free one, the same again while connected, free after logging out', async () => {
    const { site, connection } = await startWithOne()
    for (const id of ['p2', 'p1']) await add(site, id, { assignment: 'pooled', group: 'pool', userGroups: ['staff'] })
    const staff = { userGroups: ['staff'], pool: 'pool' }
    const ada = (await logIn(site, { user: 'ada', ...staff })).body
    expect(ada.service).toBe('p1')
    expect((await logIn(site, { user: 'bob', ...staff })).body.service).toBe('p2')
    expect((await logIn(site, { user: 'cy', ...staff })).body.error.reason).toBe('pool pool has no free service for user cy')
    expect((await site.request('POST', `/v1/sessions/${ada.session.id}/disconnect`)).body.session.state).toBe('disconnected')
    expect((await logIn(site, { user: 'ada', ...staff })).body).toMatchObject({ service: 'p1', session: { id: ada.session.id, state: 'active' } })
    await site.request('DELETE', `/v1/sessions/${ada.session.id}`)
    expect((await logIn(site, { user: 'cy', ...staff })).body.service).toBe('p1')
    expect((await logIn(site, { user: 'cy', userGroups: ['staff'], pool: 'none' })).body.error.reason).toBe('no pool none')
    expect(await carryOut(connection, { name: 'assign', user: 'dan' }, { service: 'p2' })).toMatchObject({ kind: 'failed', code: 'refused-by-site' })
    // Stopping ends the session and frees the service.
    expect(await carryOut(connection, { name: 'stop' }, { service: 'p2' })).toEqual({ kind: 'done' })
    expect((await site.request('GET', '/v1/services/p2')).body).toMatchObject({ power: 'off', users: [], sessions: [] })
  })

  test('fixed: only who was assigned; not in maintenance; de-assigning ends the session', async () => {
    const { site, connection } = await startWithOne()
    expect((await logIn(site, { user: 'ada', service: 'x' })).status).toBe(403)
    await carryOut(connection, { name: 'assign', user: 'ada' })
    await carryOut(connection, { name: 'maintenance-on' })
    expect((await logIn(site, { user: 'ada', service: 'x' })).body.error.reason).toBe('service x is in maintenance')
    await carryOut(connection, { name: 'maintenance-off' })
    expect((await logIn(site, { user: 'ada', service: 'x' })).status).toBe(200)
    await carryOut(connection, { name: 'deassign', user: 'ada' })
    expect((await site.request('GET', '/v1/services/x')).body).toMatchObject({ users: [], sessions: [] })
    expect((await site.request('DELETE', '/v1/sessions/none')).status).toBe(404)
  })
})

describe('its interface', () => {
  test('answers malformed requests with a reason, and goes on', async () => {
    const { site } = await startWithOne()
    const post = (path: string, body: string) => fetch(`${site.address}${path}`, { method: 'POST', body })
    expect((await post('/v1/services/x/operations', '{')).status).toBe(400)
    expect((await post('/v1/services/x/operations', '{"operation":{"name":"start"}}')).status).toBe(400)
    expect((await post('/v1/services', '{"id":"x","name":"again"}')).status).toBe(409)
    expect((await post('/v1/services/%E0%A4%A/operations', '{}')).status).toBe(400)
    expect((await post('/v1/services', 'x'.repeat(1024 * 1024 + 1))).status).toBe(413)
    expect((await site.request('GET', '/nothing')).status).toBe(404)
    expect((await site.request('GET', '/v1/journal?after=-1')).status).toBe(400)
    expect((await site.request('PATCH', '/v1/services/x', { users: ['b', 'a'] })).body.users).toEqual(['a', 'b'])
    expect((await site.request('DELETE', '/v1/services/x')).status).toBe(200)
    expect((await site.request('GET', '/v1/services/x')).status).toBe(404)
  })

  test('the journal is read in pages', async () => {
    const { site, connection } = await startWithOne()
    for (const to of ['a', 'b', 'c']) await carryOut(connection, { name: 'rename', to })
    const { body } = await site.request('GET', '/v1/journal?after=1&limit=1')
    expect(body.total).toBe(3)
    expect(body.calls).toMatchObject([{ number: 2, operation: { name: 'rename', to: 'b' } }])
  })
})
