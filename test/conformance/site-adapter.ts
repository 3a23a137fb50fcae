/**
 * What every site adapter owes (`src/sites/adapter.ts`): one suite, to which each kind brings a site. What an adapter does not offer is
 * not asked of it; that it then says so is.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Service } from '../../machines/service/model.ts'
import { operationNames } from '../../machines/service/operation.ts'
import type { Operation, OperationName } from '../../machines/service/operation.ts'
import { capabilitiesAt, SiteUnreachable } from '../../src/sites/adapter.ts'
import type { FencingToken, SiteAdapter, SiteConnection, SiteRecord, SiteResult } from '../../src/sites/adapter.ts'
import { testSiteFencing } from './site-fencing.ts'

export interface SiteUnderTest {
  readonly address: string
  /** An id that is well-formed for this kind, and of no service. */
  readonly unknownService: string
  /** Well-formed, and nothing listens there; for a kind that is `remote`. */
  readonly unreachableAddress?: string
  /** A service that is off, not in maintenance, without users, with this name where the kind takes names. */
  addService(name: string): Promise<string>
  /** From now on the site takes changes and does not answer them, until `recover`; for a kind that is `remote`. */
  hang?(): Promise<void>
  recover?(): Promise<void>
  /** For a site that records tokens: those of the changes that it made of a service, in their order. */
  tokensOf?(service: string): Promise<readonly FencingToken[]>
  /** For a site that enforces tokens: the next call runs until `recover`. */
  slow?(): Promise<void>
  /** For a site that enforces tokens: resolves when `count` calls have arrived at it in this scope. */
  arrived?(scope: string, count: number): Promise<void>
  stop(): Promise<void>
}

export interface SiteAdapterSuite {
  readonly adapter: SiteAdapter
  readonly start: () => Promise<SiteUnderTest>
  /** Whether there is a way to it, which can break. */
  readonly remote: boolean
  /** Each is refused with one line. */
  readonly badAddresses: readonly string[]
  /** Names that this kind of site cannot keep, and must refuse rather than change. */
  readonly refusedNames: readonly string[]
}

const names = [
  'plain',
  'with  two spaces, and a trailing one ',
  '"quotes" \'and\' `ticks`',
  '<tag> & &amp; &#65; ]]> entity',
  '-c leading --dashes=1',
  'emoji 😀 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁷󠁬󠁳󠁿',
  'עברית و العربية',
  'Zürich Kraków 日本語',
  'e\u0301 is not é',
  '100 % $HOME $(id) ; \\n * > #',
  '007',
  'true',
]

const changes: readonly { readonly operation: Operation; readonly undo: Operation; readonly shows: (service: Service) => boolean }[] = [
  { operation: { name: 'start' }, undo: { name: 'stop' }, shows: (service) => service.power === 'on' },
  { operation: { name: 'rename', to: 'new name' }, undo: { name: 'rename', to: 'old name' }, shows: (service) => service.name === 'new name' },
  { operation: { name: 'maintenance-on' }, undo: { name: 'maintenance-off' }, shows: (service) => service.maintenance },
  { operation: { name: 'assign', user: 'Ünal <u&1>' }, undo: { name: 'deassign', user: 'Ünal <u&1>' }, shows: (service) => service.users.includes('Ünal <u&1>') },
]

/** What does not apply to a kind is not declared, so that a skipped test always means a missing peer. */
export function testSiteAdapter({ adapter, start, remote, badAddresses, refusedNames }: SiteAdapterSuite): void {
  const offers = (name: OperationName) => adapter.operations.has(name)

  describe(`site adapter ${adapter.kind}`, () => {
    let site: SiteUnderTest
    let record: SiteRecord
    let connection: SiteConnection
    let keys = 0

    beforeAll(async () => {
      site = await start()
      record = { site: 'site-1', kind: adapter.kind, address: site.address, region: 'here' }
      connection = adapter.connect(record)
    })
    afterAll(async () => {
      await connection?.close()
      await site?.stop()
    })

    interface CallOptions {
      readonly token?: FencingToken
      readonly key?: string
      readonly through?: SiteConnection
      readonly withinMs?: number
    }
    function carryOut(service: string, operation: Operation, options: CallOptions = {}): Promise<SiteResult> {
      const withinMs = options.withinMs ?? 10_000
      keys++
      return (options.through ?? connection).carryOut({
        service,
        operation,
        token: options.token ?? { scope: `scope-${keys}`, incarnation: 1, revision: 1 },
        idempotencyKey: options.key ?? `key-${keys}`,
        deadlineMs: Date.now() + withinMs,
        signal: AbortSignal.timeout(withinMs),
      })
    }
    async function read(): Promise<readonly Service[]> {
      return (await connection.read(AbortSignal.timeout(10_000))).services
    }
    async function find(id: string): Promise<Service> {
      return (await read()).find((service) => service.id === id)!
    }

    test('declares itself consistently', () => {
      for (const name of adapter.operations) expect(operationNames).toContain(name)
      for (const name of adapter.repeatable) expect(adapter.operations).toContain(name)
      expect(adapter.checkAddress(site.address)).toBeUndefined()
      const here = capabilitiesAt(adapter, site.address)
      expect(here.fencing).toBe(adapter.fencing)
      expect([...here.operations].sort()).toEqual([...adapter.operations].sort())
    })

    test.each(badAddresses)('refuses the address %j with one line, without a password', (address) => {
      const problem = adapter.checkAddress(address)
      expect(problem).toMatch(/^[^\n]+$/)
      expect(problem).not.toContain('s3cret')
    })

    test('reads canonically: sorted by id, every property, users sorted', async () => {
      await site.addService('one')
      await site.addService('two')
      const configuration = await connection.read(AbortSignal.timeout(10_000))
      expect(configuration.site).toBe('site-1')
      expect(configuration.services.length).toBeGreaterThanOrEqual(2)
      const ids = configuration.services.map((service) => service.id)
      expect(ids).toEqual([...new Set(ids)].sort())
      for (const service of configuration.services) {
        expect(Object.keys(service).sort()).toEqual(
          ['id', 'name', 'kind', 'delivery', 'folder', 'group', 'power', 'maintenance', 'assignment', 'users', 'userGroups', 'sessions'].sort(),
        )
        expect(service.users).toEqual([...service.users].sort())
        expect(service.userGroups).toEqual([...service.userGroups].sort())
      }
      expect(JSON.parse(JSON.stringify(configuration))).toEqual(configuration)
    })

    const offered = changes.filter((change) => offers(change.operation.name))
    if (offered.length > 0) describe.each(offered)('$operation.name and $undo.name', ({ operation, undo, shows }) => {
      test('done, seen, already; and back', async () => {
        const id = await site.addService('old name')
        expect(shows(await find(id))).toBe(false)
        expect(await carryOut(id, operation)).toEqual({ kind: 'done' })
        expect(shows(await find(id))).toBe(true)
        expect(await carryOut(id, operation)).toEqual({ kind: 'already' })
        expect(await carryOut(id, undo)).toEqual({ kind: 'done' })
        expect(shows(await find(id))).toBe(false)
        expect(await carryOut(id, undo)).toEqual({ kind: 'already' })
      })

      test('repeated with the same key: a success, and done once', async () => {
        const id = await site.addService('old name')
        const options = { key: `repeated-${operation.name}`, token: { scope: 'repeats', incarnation: 1, revision: 1 } }
        expect(await carryOut(id, operation, options)).toEqual({ kind: 'done' })
        expect((await carryOut(id, operation, options)).kind).toMatch(/^(done|already)$/)
        expect(shows(await find(id))).toBe(true)
        expect(await carryOut(id, undo)).toEqual({ kind: 'done' })
      })

      test('changes nothing else', async () => {
        const id = await site.addService('old name')
        const before = await read()
        await carryOut(id, operation)
        await carryOut(id, undo)
        expect(await read()).toEqual(before)
      })
    })

    if (offers('rehearse')) test('rehearse: done, and nothing changes', async () => {
      const id = await site.addService('any')
      const before = await read()
      expect(await carryOut(id, { name: 'rehearse' })).toEqual({ kind: 'done' })
      expect(await read()).toEqual(before)
    })

    test.each(operationNames.filter((name) => !offers(name)))('%s, which it does not offer: unsupported', async (name) => {
      const operation = { name, to: 'x', user: 'x' } as Operation
      expect(await carryOut(await site.addService('any'), operation)).toMatchObject({ kind: 'failed', code: 'unsupported' })
    })

    test.each([...adapter.operations])('%s of an unknown service: no-such-service', async (name) => {
      const operation = { name, to: 'x', user: 'x' } as Operation
      const result = await carryOut(site.unknownService, operation)
      expect(result).toMatchObject({ kind: 'failed', code: 'no-such-service' })
      expect(await carryOut('no id of this kind at all / ?', operation)).toMatchObject({ kind: 'failed', code: 'no-such-service' })
    })

    if (offers('rename')) describe('names', () => {
      test.each(names)('%j round-trips', async (name) => {
        const id = await site.addService('before')
        expect(await carryOut(id, { name: 'rename', to: name })).toEqual({ kind: 'done' })
        expect((await find(id)).name).toBe(name)
        expect(await carryOut(id, { name: 'rename', to: name })).toEqual({ kind: 'already' })
        expect(await carryOut(id, { name: 'rename', to: `after ${id}` })).toEqual({ kind: 'done' })
      })

      test.each(names)('%j, given at the site itself, is read', async (name) => {
        const id = await site.addService(name)
        expect((await find(id)).name).toBe(name)
        expect(await carryOut(id, { name: 'rename', to: `after ${id}` })).toEqual({ kind: 'done' })
      })

      if (refusedNames.length > 0) test.each(refusedNames)('%j is refused, and nothing changes', async (name) => {
        const id = await site.addService('kept')
        expect(await carryOut(id, { name: 'rename', to: name })).toMatchObject({ kind: 'failed', code: 'invalid' })
        expect((await find(id)).name).toBe('kept')
        expect(await carryOut(id, { name: 'rename', to: `after ${id}` })).toEqual({ kind: 'done' })
      })
    })

    const operation = { name: [...adapter.operations][0]!, to: 'x', user: 'x' } as Operation

    if (remote) test('an unreachable site: the read throws, a change fails as unreachable', async () => {
      const away = adapter.connect({ ...record, address: site.unreachableAddress! })
      try {
        await expect(away.read(AbortSignal.timeout(10_000))).rejects.toThrow(SiteUnreachable)
        await expect(away.read(AbortSignal.timeout(10_000))).rejects.toThrow(/^[^\n]*site-1[^\n]*$/)
        const result = await carryOut(site.unknownService, operation, { through: away })
        expect(result).toMatchObject({ kind: 'failed', code: 'unreachable', reason: expect.stringContaining('site-1') })
      } finally {
        await away.close()
      }
    })

    if (remote) test('aborted before it began: nothing is changed and nothing is unknown', async () => {
      const id = await site.addService('kept')
      const before = await find(id)
      const result = await connection.carryOut({
        service: id,
        operation,
        token: { scope: 'aborted', incarnation: 1, revision: 1 },
        idempotencyKey: 'aborted',
        deadlineMs: Date.now(),
        signal: AbortSignal.abort(),
      })
      expect(result).toMatchObject({ kind: 'failed', code: 'unreachable' })
      await expect(connection.read(AbortSignal.abort())).rejects.toThrow(SiteUnreachable)
      expect(await find(id)).toEqual(before)
    })

    if (remote) test('a site that hangs: unknown at the abort, and afterwards all is well', async () => {
      const id = await site.addService('kept')
      await site.hang!()
      try {
        expect((await carryOut(id, operation, { withinMs: 3_000 })).kind).toBe('unknown')
      } finally {
        await site.recover!()
      }
      expect((await carryOut(id, operation)).kind).toMatch(/^(done|already)$/)
    })
  })

  testSiteFencing({ adapter, start })
}
