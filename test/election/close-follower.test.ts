/** How often a follower asks whether its leader is there: as the leader says, and as before where it is of a build that says nothing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultConstants } from '../../machines/realm/realm.ts'
import { CloseFollower, closeMs, distantMs, toldMs } from '../../src/election/close-follower.ts'
import { type Election, electionTimes, startElection } from '../../src/election/election.ts'
import { directKeeper } from '../../src/presence/keeper.ts'
import type { OwnPresence } from '../../src/presence/presence.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { followRealm } from '../../src/realm/standing.ts'
import { fromBytes, leaseKey, toBytes } from '../../streams/coordination.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { ConnectionEnds } from '../../streams/ports/ends.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { Dice } from '../simulation/dice.ts'
import { VirtualTime, epochMs } from '../simulation/virtual-time.ts'

const subjects = subjectsOf('reeve')
const logger = { debug() {}, info() {}, warn() {}, error() {} }

describe('which follower watches closely', () => {
  let nowMs = 0
  let follower: CloseFollower
  beforeEach(() => {
    nowMs = 50_000
    follower = new CloseFollower({ nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel() {} }) })
  })

  it('is the first that asks, and stays it while it asks', () => {
    for (let round = 0; round < 20; round++) {
      expect(follower.againMs('g2')).toBe(closeMs)
      expect(follower.againMs('g3')).toBe(distantMs)
      nowMs += closeMs
    }
  })

  it('is another as soon as the first has not asked for three of its periods', () => {
    follower.againMs('g2')
    nowMs += 3 * closeMs - 1
    expect(follower.againMs('g3')).toBe(distantMs)
    nowMs += 1
    expect(follower.againMs('g3')).toBe(closeMs)
    // Who comes back finds its place taken.
    expect(follower.againMs('g2')).toBe(distantMs)
  })
})

it('the close follower asks less often where the coordinator tells of the end of the leader', () => {
  const ends = { isShown: true }
  const follower = new CloseFollower({ nowMs: () => 0, monotonicMs: () => 0, after: () => ({ cancel() {} }) }, ends)
  expect(follower.againMs('g2')).toBe(toldMs)
  expect(follower.againMs('g3')).toBe(distantMs)
  ends.isShown = false
  expect(follower.againMs('g2')).toBe(closeMs)
})

describe('a follower', () => {
  const time = new VirtualTime()
  const clock: Clock = { nowMs: () => epochMs + Math.floor(time.nowMs), monotonicMs: () => time.nowMs, after: (delayMs, task) => time.after(delayMs, task) }
  let election: Election
  let close: () => Promise<void>
  let pings: { atMs: number; follower: unknown }[]
  let answer: object
  let tellEnd: (agent: string) => void
  let stopLeader: () => void

  const passMs = async (durationMs: number) => {
    const endMs = time.nowMs + durationMs
    time.after(durationMs, () => {})
    await time.run(() => time.nowMs >= endMs, { steps: 100_000, untilMs: endMs + 1 })
  }
  const countIn = async (durationMs: number) => {
    const before = pings.length
    await passMs(durationMs)
    return pings.length - before
  }
  const drive = async <T>(work: Promise<T>): Promise<T> => {
    let done = false
    const end = () => (done = true)
    work.then(end, end)
    await time.run(() => done, { steps: 100_000, untilMs: time.nowMs + 60_000 })
    return work
  }

  beforeEach(async () => {
    const dice = new Dice('election')
    const realm = new MemoryRealm({ realm: 'reeve', clock, random: dice.stream('realm') })
    const [leader, coordinator] = [realm.connect({ name: 'leader', clock }), realm.connect({ name: 'g2', clock })]
    const state = await drive(
      joinRealm({ log: leader.log, clock, random: dice }, subjects, { actor: 'program:test', region: 'here', constants: defaultConstants, durability: { level: 'synced' }, acceptWeakDurability: false }),
    )
    await drive(leader.lease.create(leaseKey, toBytes({ agent: 'old', instance: 'i-old' }), { ttlMs: 600_000 }))
    pings = []
    answer = {}
    const subscription = leader.bus.subscribe(subjects.toAgent('old', 'ping'), (message) => {
      pings.push({ atMs: time.nowMs, follower: fromBytes<{ follower?: unknown }>(message.data).follower })
      message.answer(toBytes({ agent: 'old', instance: 'i-old', leading: true, ...answer }))
    })
    stopLeader = () => subscription.stop()
    tellEnd = () => {}
    const ends: ConnectionEnds = {
      show() {},
      isShown: true,
      onEnd(listener) {
        tellEnd = listener
        return { stop: () => (tellEnd = () => {}) }
      },
    }
    const standing = followRealm(coordinator.log, subjects, state, () => {})
    election = startElection({
      context: { agent: 'g2', role: 'generic', region: 'here', skills: [], build: '0', coordinator: { ...coordinator, ends }, subjects, clock, random: dice, constants: defaultConstants, realm: standing, newestFormat: 2, logger },
      presence: { instance: 'i-g2', isOwn: () => false, isTheAgent: () => Promise.resolve(true), present: () => Promise.resolve() } as unknown as OwnPresence,
      keeper: directKeeper({ agents: coordinator.agents, lease: coordinator.lease }, clock),
      listener: { onLead() {}, onStopLeading() {}, onFollowing() {} },
    })
    close = () => standing.close()
    await passMs(2_000)
  })
  afterEach(async () => {
    election.abandon()
    await drive(close())
  })

  it('says that it is one, and asks five times a second a leader that says nothing of it', async () => {
    expect(await countIn(2_000)).toBe(2_000 / electionTimes.pingMs)
    expect(pings.at(-1)!.follower).toBe('g2')
  })

  it('asks as often as the leader says, more often from that answer on', async () => {
    answer = { againMs: distantMs }
    await passMs(2_000)
    expect(await countIn(10_000)).toBe(10)
    answer = { againMs: closeMs }
    await passMs(distantMs)
    expect(await countIn(10_000)).toBe(10_000 / closeMs)
  })

  it.each([1e9, -1, 0, 'often', null])('keeps within bounds when the leader says %s', async (againMs) => {
    answer = { againMs }
    await passMs(3_000)
    const count = await countIn(10_000)
    expect(count).toBeGreaterThanOrEqual(10)
    expect(count).toBeLessThanOrEqual(50)
  })

  it.each([
    ['close', closeMs],
    ['distant', distantMs],
  ])('that is %s leads soon after the leader has gone', async (_, againMs) => {
    answer = { againMs }
    await passMs(3_000)
    stopLeader()
    const goneMs = time.nowMs
    const led = () => election.leading !== undefined
    await time.run(led, { steps: 100_000, untilMs: goneMs + 60_000 })
    expect(led()).toBe(true)
    expect(time.nowMs - goneMs).toBeLessThanOrEqual(againMs + electionTimes.confirmMs + 100)
    // Whoever follows it is told.
    expect(election.askedBy('g3')).toBe(toldMs)
    expect(election.askedBy('g4')).toBe(distantMs)
  })

  it('leads at once where the leader has gone and its end is told; a word of others, or of one that answers, changes nothing', async () => {
    answer = { againMs: distantMs }
    await passMs(3_000)
    const before = pings.length
    tellEnd('g3')
    await passMs(1)
    expect(pings).toHaveLength(before)
    tellEnd('old')
    await passMs(50)
    expect(pings.length).toBeGreaterThan(before)
    await passMs(1_000)
    expect(election.leading).toBeUndefined()
    stopLeader()
    tellEnd('old')
    const goneMs = time.nowMs
    await time.run(() => election.leading !== undefined, { steps: 100_000, untilMs: goneMs + 60_000 })
    expect(time.nowMs - goneMs).toBeLessThanOrEqual(electionTimes.confirmMs + 100)
  })
})
