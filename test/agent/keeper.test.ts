/** The keeper of keys, on this thread and behind a channel (P8, P17), in virtual time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KeepRequest, type Keeper, directKeeper } from '../../src/presence/keeper.ts'
import { beatMs, remoteKeeper, serveKeeper, stallMs } from '../../src/presence/remote-keeper.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { MemoryFaults } from '../../streams/memory/faults.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Dice } from '../simulation/dice.ts'
import { VirtualTime, epochMs } from '../simulation/virtual-time.ts'

let time: VirtualTime
let clock: Clock
let coordinator: Coordinator
let keeper: Keeper
let faults: { -readonly [Name in keyof MemoryFaults]: MemoryFaults[Name] }
let heard: { readonly kind: string; readonly atMs: number; readonly sentMs?: number }[]

const request: KeepRequest = { bucket: 'agents', key: 'instance.I', value: { instance: 'I' }, revision: 0, ttlMs: 6_000, periodMs: 2_000 }
const listener = {
  onRenewed: (_revision: number, sent: { readonly monotonicMs: number }) => void heard.push({ kind: 'renewed', atMs: time.nowMs, sentMs: sent.monotonicMs }),
  onUnsettled: () => void heard.push({ kind: 'unsettled', atMs: time.nowMs }),
  onGone: () => void heard.push({ kind: 'gone', atMs: time.nowMs }),
}

beforeEach(() => {
  time = new VirtualTime()
  clock = { nowMs: () => epochMs + time.nowMs, monotonicMs: () => time.nowMs, after: (delayMs, task) => time.after(delayMs, task) }
  faults = {}
  const realm = new MemoryRealm({ realm: 'reeve', clock, random: new Dice('keeper'), faults, answerTimeoutMs: 1_000 })
  coordinator = realm.connect({ name: 'a', clock })
  keeper = directKeeper({ agents: coordinator.agents, lease: coordinator.lease }, clock)
  heard = []
})
afterEach(async () => {
  const closing = Promise.all([keeper.close(), coordinator.close()])
  let closed = false
  void closing.then(() => (closed = true))
  await time.run(() => closed, { steps: time.steps + 10_000, untilMs: time.nowMs + 60_000 })
})

async function pass(durationMs: number): Promise<void> {
  const untilMs = time.nowMs + durationMs
  let over = false
  time.after(durationMs, () => (over = true))
  await time.run(() => over, { steps: time.steps + 100_000, untilMs: untilMs + 1 })
}
const kinds = () => heard.map(({ kind }) => kind)
async function stored(): Promise<unknown> {
  let value: unknown = 'unread'
  void coordinator.agents.get('instance.I').then((entry) => (value = entry && fromBytes(entry.value)))
  await pass(1)
  return value
}

describe('a key', () => {
  it('is created once, then renewed each period', async () => {
    keeper.keep(request, listener)
    await pass(4_500)
    expect(heard.map(({ kind, atMs }) => [kind, Math.round(atMs)])).toEqual([['renewed', 0], ['renewed', 2_000], ['renewed', 4_000]])
  })

  it('that expired is gone, and is never created again (P17)', async () => {
    keeper.keep(request, listener)
    await pass(1)
    faults.bucketWrite = () => ({ lose: 'request' })
    await pass(20_000)
    expect(kinds().filter((kind) => kind === 'gone')).toHaveLength(1)
    expect(kinds().at(-1)).toBe('gone')
    faults.bucketWrite = () => undefined
    await pass(10_000)
    expect(await stored()).toBeUndefined()
  })

  it('whose creation was acknowledged by nobody is found by reading, and counts from the first sending', async () => {
    let lost = 1
    faults.bucketWrite = () => (lost-- > 0 ? { lose: 'answer' } : undefined)
    keeper.keep(request, listener)
    await pass(1_500)
    expect(heard.map(({ kind, sentMs }) => [kind, sentMs])).toEqual([['unsettled', undefined], ['renewed', 0]])
  })

  it('whose renewal landed late counts from that renewal, not from a later one', async () => {
    keeper.keep(request, listener)
    await pass(1_000)
    let delayed = 1
    // Lands after its time-out and the read that found nothing.
    faults.bucketWrite = () => (delayed-- > 0 ? { requestMs: 1_900, lose: 'answer' } : undefined)
    await pass(5_000)
    expect(heard.map(({ kind, sentMs }) => [kind, sentMs]).slice(0, 3)).toEqual([['renewed', 0], ['unsettled', undefined], ['renewed', 2_000]])
  })

  it('that another has written is gone', async () => {
    keeper.keep(request, listener)
    await pass(1)
    void coordinator.agents.put('instance.I', new TextEncoder().encode('{"instance":"another"}'))
    await pass(3_000)
    expect(kinds()).toEqual(['renewed', 'gone'])
    expect(await stored()).toEqual({ instance: 'another' })
  })

  it('is removed when it is still its own, and silent afterwards', async () => {
    const kept = keeper.keep(request, listener)
    await pass(100)
    void kept.remove()
    await pass(10_000)
    expect(kinds()).toEqual(['renewed'])
    expect(await stored()).toBeUndefined()
  })

  it('is left to expire when it is dropped', async () => {
    const kept = keeper.keep(request, listener)
    await pass(100)
    kept.drop()
    expect(await stored()).toEqual({ instance: 'I' })
    await pass(6_000)
    expect(await stored()).toBeUndefined()
    expect(kinds()).toEqual(['renewed'])
  })
})

describe('behind a channel', () => {
  let toKeeper: ((message: unknown) => void) | undefined
  let toAsker: ((message: unknown) => void) | undefined
  let silent: boolean
  let connected: boolean
  let end: () => Promise<void>

  beforeEach(() => {
    silent = false
    connected = true
    const copy = (message: unknown) => structuredClone(message)
    end = serveKeeper({
      clock,
      buckets: { agents: coordinator.agents, lease: coordinator.lease },
      channel: { send: (message) => void time.after(0, () => toAsker?.(copy(message))), onMessage: (told) => (toKeeper = told) },
    })
    keeper = remoteKeeper({
      clock,
      isConnected: () => connected,
      end,
      channel: { send: (message) => void (silent || time.after(0, () => toKeeper?.(copy(message)))), onMessage: (told) => (toAsker = told) },
    })
  })

  it('renews while the asker lives', async () => {
    keeper.keep(request, listener)
    await pass(20_500)
    expect(kinds()).toEqual(Array.from({ length: 11 }, () => 'renewed'))
  })

  it('stamps a renewal no later than it was sent', async () => {
    keeper.keep(request, listener)
    await pass(20_500)
    for (const { atMs, sentMs } of heard) {
      expect(sentMs!).toBeLessThanOrEqual(atMs)
      expect(atMs - sentMs!).toBeLessThanOrEqual(beatMs + 50)
    }
  })

  it.each(['silent', 'disconnected'])('stops renewing when the asker has been %s for stallMs (P8)', async (how) => {
    keeper.keep(request, listener)
    await pass(1_000)
    if (how === 'silent') silent = true
    else connected = false
    const fromMs = time.nowMs
    await pass(30_000)
    const last = heard.filter(({ kind }) => kind === 'renewed').at(-1)!
    expect(last.atMs - fromMs).toBeLessThanOrEqual(stallMs)
    expect(last.atMs - fromMs).toBeGreaterThan(stallMs - 2_100)
    expect(await stored()).toBeUndefined()
  })

  it('removes a key and says when', async () => {
    const kept = keeper.keep(request, listener)
    await pass(100)
    let removed = false
    void kept.remove().then(() => (removed = true))
    await pass(100)
    expect(removed).toBe(true)
    expect(await stored()).toBeUndefined()
  })
})
