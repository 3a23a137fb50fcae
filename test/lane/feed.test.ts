/** A lane's turns on the feed: whoever listens hears all of it in order, and nobody's silence costs little. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LaneFeed } from '../../src/lane/feed.ts'
import type { AppendedTurn } from '../../src/lane/holding.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { Commit } from '../../streams/envelope.ts'
import type { FeedMessage } from '../../streams/feed.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Bus, Published } from '../../streams/ports/bus.ts'
import { type Clock, pause } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { Dice } from '../simulation/dice.ts'
import { VirtualTime, epochMs } from '../simulation/virtual-time.ts'

const subjects = subjectsOf('reeve')
const bounds = { steps: 1_000_000, untilMs: 1_000_000 }

/** How a holder's connection deals with what it is given. */
type Faults = Partial<Pick<Bus, 'publishHeard'>>

/** How long an answer of the server is on its way. */
const answerMs = 40

function stage(faults: Faults = {}) {
  const time = new VirtualTime()
  const clock: Clock = { nowMs: () => epochMs + Math.floor(time.nowMs), monotonicMs: () => time.nowMs, after: (delayMs, task) => time.after(delayMs, task) }
  const realm = new MemoryRealm({ realm: 'reeve', clock, random: new Dice('feed'), faults: {} })
  const { bus } = realm.connect({ name: 'holder', clock })
  const listener = realm.connect({ name: 'listener', clock }).bus
  const sent: string[] = []
  const feed = new LaneFeed({
    subjects,
    clock,
    bus: {
      publish(subject: string, data: string | Uint8Array) {
        sent.push(subject)
        bus.publish(subject, data)
      },
      publishHeard: faults.publishHeard ?? (async (messages: readonly Published[], timeoutMs: number) => {
        sent.push(...messages.map(({ subject }) => subject))
        const heard = await bus.publishHeard(messages, timeoutMs)
        await pause(clock, answerMs)
        return heard
      }),
    } as Bus,
  })
  const revisions = new Map<string, number>()
  let position = 0
  const turnOf = (groups: readonly string[], dataBytes: number): AppendedTurn => {
    position += 1
    const commits = groups.map((id): Commit => {
      const revision = (revisions.get(id) ?? 0) + 1
      revisions.set(id, revision)
      return { aggregate: 'group', id, revision, actor: 'agent:a', events: [{ type: 'JobSucceeded', data: { text: 'x'.repeat(dataBytes) } }] }
    })
    return { position, number: position, timeMs: position, commits, commitTexts: commits.map((commit) => JSON.stringify(commit)) }
  }
  return { time, clock, feed, listener, sent, turnOf }
}

/** Until nothing is to come any more. */
const atRest = (time: VirtualTime) => time.run(() => false, bounds)

const groupsOf = (count: number) => Array.from({ length: count }, (_, index) => `here-1-${index}`)

describe('who listens', () => {
  const aTurn = fc.record({ gapMs: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 5 })), groups: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1 }), dataBytes: fc.constantFrom(10, 500, 5_000) })
  const aListener = fc.record({ group: fc.option(fc.integer({ min: 0, max: 5 })), fromMs: fc.integer({ min: 0, max: 1_000 }), forMs: fc.option(fc.integer({ min: 0, max: 1_000 })) })

  test('hears each commit that was acknowledged after it had begun to listen, once, and each aggregate in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aTurn, { maxLength: 120, size: 'max' }), fc.array(aListener, { maxLength: 4 }), async (turns, listeners) => {
        const { time, clock, feed, listener, turnOf } = stage()
        const names = groupsOf(6)
        const acknowledged: { readonly atMs: number; readonly name: string; readonly revision: number }[] = []
        const heard = listeners.map(() => new Map<string, number[]>())
        listeners.forEach(({ group, fromMs, forMs }, index) => {
          clock.after(fromMs, () => {
            const subscription = listener.subscribe(group === null ? subjects.allFeeds : subjects.feed('group', names[group]!), ({ data }) => {
              const { commit } = fromBytes<FeedMessage>(data)
              heard[index]!.set(commit.id, [...(heard[index]!.get(commit.id) ?? []), commit.revision])
            })
            if (forMs !== null) clock.after(forMs, () => subscription.stop())
          })
        })
        let atMs = 0
        for (const { gapMs, groups, dataBytes } of turns) {
          atMs += gapMs
          clock.after(atMs, () => {
            const turn = turnOf(groups.map((group) => names[group]!), dataBytes)
            for (const { id, revision } of turn.commits) acknowledged.push({ atMs: time.nowMs, name: id, revision })
            feed.say(turn)
          })
        }
        expect(await atRest(time)).toBe('stuck')
        listeners.forEach(({ group, fromMs, forMs }, index) => {
          for (const name of group === null ? names : [names[group]!]) {
            const got = heard[index]!.get(name) ?? []
            // Nothing twice, nothing left out between two.
            got.forEach((revision, at) => at > 0 && expect(revision).toBe(got[at - 1]! + 1))
            // What is held back may come some time late, and who has gone by then hears it no more.
            const due = acknowledged.filter((one) => one.name === name && one.atMs > fromMs && (forMs === null || one.atMs < fromMs + forMs - 300))
            for (const { revision } of due) expect(got).toContain(revision)
          }
        })
      }),
      { numRuns: 150 },
    )
  })

  test('hears at once what is said while little happens', async () => {
    const { time, feed, listener, turnOf } = stage()
    const heardMs: number[] = []
    listener.subscribe(subjects.allFeeds, () => void heardMs.push(time.nowMs))
    for (let turn = 0; turn < 50; turn++) time.after(turn * 20, () => feed.say(turnOf(['here-1-a'], 100)))
    await atRest(time)
    expect(heardMs).toEqual(Array.from({ length: 50 }, (_, turn) => turn * 20))
  })

  test('hears at once what is said while much happens, once it is known to listen, however long it listens', async () => {
    const { time, feed, listener, turnOf } = stage()
    const lateMs: number[] = []
    const saidMs = new Map<number, number>()
    listener.subscribe(subjects.feed('group', 'here-1-3'), ({ data }) => {
      const atMs = time.nowMs
      if (atMs > 250) lateMs.push(atMs - saidMs.get(fromBytes<FeedMessage>(data).position)!)
    })
    for (let turn = 1; turn <= 4_000; turn++) {
      time.after(turn * 3, () => {
        saidMs.set(turn, time.nowMs)
        feed.say(turnOf(groupsOf(25), 200))
      })
    }
    await atRest(time)
    expect(lateMs.length).toBeGreaterThan(3_800)
    expect(Math.max(...lateMs)).toBe(0)
  })

  test('to a group in which little happens, of a lane in which much does, hears it at once after the first commits', async () => {
    const { time, feed, listener, turnOf } = stage()
    const saidMs = new Map<number, number>()
    const lateMs: number[] = []
    listener.subscribe(subjects.feed('group', 'here-1-slow'), ({ data }) => void lateMs.push(time.nowMs - saidMs.get(fromBytes<FeedMessage>(data).position)!))
    const others = groupsOf(6_000)
    for (let turn = 0; turn < 4_000; turn++) time.after(turn * 3, () => feed.say(turnOf(Array.from({ length: 25 }, (_, at) => others[(turn * 25 + at) % others.length]!), 200)))
    for (let count = 0; count < 80; count++) {
      time.after(1 + count * 150, () => {
        const turn = turnOf(['here-1-slow'], 10)
        saidMs.set(turn.position, time.nowMs)
        feed.say(turn)
      })
    }
    await atRest(time)
    expect(lateMs).toHaveLength(80)
    expect(Math.max(...lateMs.slice(5))).toBe(0)
  })

  test('to many groups is asked after once for all of them', async () => {
    let asked = 0
    const { time, feed, turnOf } = stage({ publishHeard: (messages) => (asked++, Promise.resolve(messages.map(() => true))) })
    for (let turn = 0; turn < 4_000; turn++) time.after(turn * 3, () => feed.say(turnOf(groupsOf(25), 200)))
    await atRest(time)
    expect(asked).toBeGreaterThan(2)
    expect(asked).toBeLessThan(10)
  })
})

test('who begins to listen while more is held than is kept hears that, and what is held after it', async () => {
  const { time, clock, feed, listener, turnOf } = stage()
  const heard: number[] = []
  const say = (atMs: number, dataBytes: number) => clock.after(atMs, () => feed.say(turnOf(['here-1-a'], dataBytes)))
  for (let turn = 0; turn < 20; turn++) say(turn, 1_000)
  // Who listens is being found out by now.
  clock.after(120, () => void listener.subscribe(subjects.allFeeds, ({ data }) => heard.push(fromBytes<FeedMessage>(data).commit.revision)))
  for (let turn = 0; turn < 12; turn++) say(121, 400_000)
  for (let turn = 0; turn < 10; turn++) say(122 + turn, 3_000)
  await atRest(time)
  expect(heard).toEqual(Array.from({ length: 42 - heard[0]! + 1 }, (_, index) => heard[0]! + index))
  expect(heard.length).toBeGreaterThanOrEqual(22)
})

describe('nobody listens', () => {
  const load = async (faults?: Faults, dataBytes = 200, turns = 300, groups = 25) => {
    const { time, feed, sent, turnOf } = stage(faults)
    for (let turn = 0; turn < turns; turn++) time.after(turn * 3, () => feed.say(turnOf(groupsOf(groups), dataBytes)))
    const end = await atRest(time)
    return { end, sent: sent.length, said: turns * groups }
  }

  test('of a lane at work nearly nothing is sent', async () => {
    const { end, sent, said } = await load()
    expect(end).toBe('stuck')
    expect(sent).toBeLessThan(said / 8)
  })

  test('nor when who listened has gone', async () => {
    const { time, clock, feed, listener, sent, turnOf } = stage()
    const subscription = listener.subscribe(subjects.allFeeds, () => {})
    clock.after(1_000, () => subscription.stop())
    for (let turn = 0; turn < 3_000; turn++) time.after(turn * 3, () => feed.say(turnOf(groupsOf(25), 200)))
    await time.run(() => time.nowMs >= 7_000, bounds)
    const { length } = sent
    await atRest(time)
    expect(sent.length - length).toBeLessThan((2_000 / 3) * 25 / 8)
  })

  test('of an aggregate of which little is held that is sent, which costs no more than to find out', async () => {
    const { time, feed, sent, turnOf } = stage()
    const names = groupsOf(500)
    for (let turn = 0; turn < 20; turn++) time.after(turn * 3, () => feed.say(turnOf(names.slice(turn * 25, turn * 25 + 25), 200)))
    await atRest(time)
    expect(sent).toHaveLength(500)
    expect(new Set(sent).size).toBe(500)
  })

  test('all is sent where the server does not say who listens, and where more is held than is kept', async () => {
    const unavailable = await load({ publishHeard: () => Promise.reject(new Unavailable('not connected')) }, 200, 50)
    // The commits that were to tell are lost with the connection.
    expect(unavailable.sent).toBeGreaterThan(unavailable.said - 25 * 2)
    const mute = await load({ publishHeard: () => new Promise(() => {}) }, 20_000, 50)
    expect(mute.sent).toBeGreaterThan(mute.said / 2)
  })

  test('what is held is sent when the lane is let go, in order, also while it is being found out who listens', async () => {
    for (const endsAtMs of [58, 110]) {
      const { time, clock, feed, listener, turnOf } = stage()
      const heard: number[] = []
      for (let turn = 0; turn < 20; turn++) clock.after(turn * 2, () => feed.say(turnOf(['here-1-a'], 2_000)))
      // Too late for the commit that is to tell who listens.
      clock.after(endsAtMs - 1, () => void listener.subscribe(subjects.allFeeds, ({ data }) => heard.push(fromBytes<FeedMessage>(data).commit.revision)))
      clock.after(endsAtMs, () => feed.end())
      expect(await atRest(time)).toBe('stuck')
      expect(heard.length).toBeGreaterThan(10)
      expect(heard).toEqual(Array.from({ length: heard.length }, (_, index) => 21 - heard.length + index))
    }
  })

  test('nothing is sent any more when the lane was given up', async () => {
    const { time, feed, sent, turnOf } = stage()
    for (let turn = 0; turn < 20; turn++) time.after(turn * 3, () => feed.say(turnOf(groupsOf(25), 200)))
    await time.run(() => time.nowMs >= 58, bounds)
    const before = sent.length
    feed.abandon()
    expect(await atRest(time)).toBe('stuck')
    expect(sent).toHaveLength(before)
  })
})
