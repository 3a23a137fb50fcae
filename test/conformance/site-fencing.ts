/**
 * What each fencing class promises (I9, `src/sites/adapter.ts`), tried at a real site: the token that an executor hands over is the one of
 * its lock, and the class says what becomes of an older one.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Operation } from '../../machines/service/operation.ts'
import { type FencingClass, type FencingToken, type SiteAdapter, type SiteConnection, type SiteResult, capabilitiesAt } from '../../src/sites/adapter.ts'
import type { SiteUnderTest } from './site-adapter.ts'

export interface SiteFencingSuite {
  readonly adapter: SiteAdapter
  /** Of the sites that `start` gives; absent: what the kind does at best. */
  readonly fencing?: FencingClass
  readonly start: () => Promise<SiteUnderTest>
}

export function testSiteFencing({ adapter, fencing = adapter.fencing, start }: SiteFencingSuite): void {
  describe(`site adapter ${adapter.kind}, fencing: ${fencing} (P22)`, () => {
    let site: SiteUnderTest
    let connection: SiteConnection
    let keys = 0

    beforeAll(async () => {
      site = await start()
      connection = adapter.connect({ site: 'site-1', kind: adapter.kind, address: site.address, region: 'here' })
    })
    afterAll(async () => {
      await connection?.close()
      await site?.stop()
    })

    function carryOut(service: string, operation: Operation, { token, key }: { readonly token: FencingToken; readonly key?: string }): Promise<SiteResult> {
      keys++
      return connection.carryOut({ service, operation, token, idempotencyKey: key ?? `fencing-${keys}`, deadlineMs: Date.now() + 10_000, signal: AbortSignal.timeout(10_000) })
    }
    const find = async (id: string) => (await connection.read(AbortSignal.timeout(10_000))).services.find((service) => service.id === id)!
    const tokens = (scope: string) => (revision: number, incarnation = 1) => ({ scope, incarnation, revision })

    test('is what the adapter says of the address', () => {
      expect(capabilitiesAt(adapter, site.address).fencing).toBe(fencing)
    })

    if (fencing === 'enforced') enforced()
    else comparesNothing()
    if (fencing === 'recorded') recorded()

    /** What does not compare tokens must not pretend to: the leader waits for the time of a call before it has a job granted anew. */
    function comparesNothing() {
      test('an older token is carried out like any other: nothing is refused for it', async () => {
        const id = await site.addService('unfenced')
        const token = tokens('older')
        const operation: Operation = adapter.operations.has('start') ? { name: 'start' } : { name: 'rehearse' }
        const undo: Operation = adapter.operations.has('stop') ? { name: 'stop' } : operation
        expect(await carryOut(id, operation, { token: token(7) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, undo, { token: token(6) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, operation, { token: token(5, 1) })).toEqual({ kind: 'done' })
        if (operation.name === 'start') expect((await find(id)).power).toBe('on')
      })
    }

    function recorded() {
      test('each change is kept with the token that it was made by, whole, in the order of the changes', async () => {
        const id = await site.addService('recorded')
        const token = tokens('kept')
        expect(await carryOut(id, { name: 'start' }, { token: token(7, 2) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, { name: 'stop' }, { token: token(3) })).toEqual({ kind: 'done' })
        expect(await site.tokensOf!(id)).toEqual([token(7, 2), token(3)])
      })
    }

    function enforced() {
      test('a lower token is refused and changes nothing; an equal and a higher one go on', async () => {
        const id = await site.addService('fenced')
        const token = tokens('lower')
        expect(await carryOut(id, { name: 'start' }, { token: token(7) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, { name: 'stop' }, { token: token(6) })).toEqual({ kind: 'fenced' })
        expect((await find(id)).power).toBe('on')
        expect(await carryOut(id, { name: 'stop' }, { token: token(7) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, { name: 'start' }, { token: token(8) })).toEqual({ kind: 'done' })
      })

      test('the incarnation counts before the revision', async () => {
        const id = await site.addService('fenced')
        const token = tokens('incarnations')
        expect(await carryOut(id, { name: 'start' }, { token: token(1, 2) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, { name: 'stop' }, { token: token(99, 1) })).toEqual({ kind: 'fenced' })
      })

      test('another scope is another order', async () => {
        const id = await site.addService('fenced')
        expect(await carryOut(id, { name: 'start' }, { token: tokens('scope-a')(9) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, { name: 'stop' }, { token: tokens('scope-b')(1) })).toEqual({ kind: 'done' })
      })

      test('a higher one does not begin while a lower one runs; then it does', async () => {
        const id = await site.addService('fenced')
        const token = tokens('overlap')
        await site.slow!()
        const order: string[] = []
        const lower = carryOut(id, { name: 'start' }, { token: token(1) }).finally(() => order.push('lower'))
        await site.arrived!('overlap', 1)
        const higher = carryOut(id, { name: 'stop' }, { token: token(2) }).finally(() => order.push('higher'))
        await site.arrived!('overlap', 2)
        // The mark is raised by the arrival: nothing of the lower token begins any more.
        expect(await carryOut(id, { name: 'rename', to: 'late' }, { token: token(1) })).toEqual({ kind: 'fenced' })
        expect(order).toEqual([])
        await site.recover!()
        expect(await lower).toEqual({ kind: 'done' })
        expect(await higher).toEqual({ kind: 'done' })
        expect((await find(id)).power).toBe('off')
      })

      test('a repeated key under a higher token gets the first result, and nothing is done twice', async () => {
        const id = await site.addService('fenced')
        const token = tokens('regrant')
        expect(await carryOut(id, { name: 'start' }, { token: token(1), key: 'regranted' })).toEqual({ kind: 'done' })
        expect(await carryOut(id, { name: 'stop' }, { token: token(1) })).toEqual({ kind: 'done' })
        expect(await carryOut(id, { name: 'start' }, { token: token(2), key: 'regranted' })).toEqual({ kind: 'done' })
        expect((await find(id)).power).toBe('off')
      })
    }
  })
}
