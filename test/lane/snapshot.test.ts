/** Snapshots of lanes: the same state as the log's (I6), never trusted when anything of them is wrong, never going back. */
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { plainLane, restoredLane } from '../../machines/lane/snapshot.ts'
import { type FoldableTurn, type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import { defaultConstants } from '../../machines/realm/realm.ts'
import { type FoldedLane, foldOn, unfoldedLane } from '../../src/lane/fold.ts'
import { type SnapshotContext, cutSnapshot, foldFromSnapshot } from '../../src/lane/snapshot.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { RealmView } from '../../src/realm/view.ts'
import { startFromSnapshots } from '../../src/realm/view-start.ts'
import { canonicalJson, decodeTurn, digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import { type SnapshotPointer, SnapshotReader, snapshotKey, snapshotLines } from '../../streams/lane-snapshot.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { type ReadOptions, Unavailable, logWith } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { dice, record } from '../replay/recorded.ts'

const lane = 'here-1'
const subjects = subjectsOf('reeve')
const never = new AbortController().signal

/** Everything that a folded lane holds, as canonical JSON. */
function textOf(state: LaneState): string {
  return canonicalJson({ ...state, groups: [...state.groups.values()], commands: [...state.commands] })
}

let realm: MemoryRealm
let coordinator: Coordinator
let context: SnapshotContext
let warnings: string[]

beforeEach(() => {
  realm = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom })
  coordinator = realm.connect({ name: 'one', clock: systemClock })
  warnings = []
  const warn = (fields: object) => void warnings.push((fields as { why?: string }).why ?? '')
  context = { coordinator, subjects, clock: systemClock, constants: defaultConstants, logger: { info() {}, debug() {}, warn } }
})

async function foldedFromZero(): Promise<FoldedLane> {
  const folded = unfoldedLane(lane, defaultConstants)
  await foldOn(coordinator.log, systemClock, subjects.lane(lane), folded, never)
  return folded
}

async function oneMoreTurn(timeMs?: number): Promise<void> {
  const last = (await coordinator.log.last(subjects.lane(lane)))!
  const before = decodeTurn(last.bytes)
  const turn = { ...before, turn: newUlid(systemClock.nowMs(), systemRandom), number: before.number + 1, timeMs: timeMs ?? before.timeMs, previous: digestOf(last.bytes), commits: [] }
  const outcome = await coordinator.log.append({ subject: subjects.lane(lane), bytes: encodeTurn(turn), expectedLast: last.position })
  expect(outcome.kind).toBe('landed')
}

const pointer = async () => {
  const entry = await coordinator.mappings.get(snapshotKey(lane))
  return entry === undefined ? undefined : fromBytes<SnapshotPointer>(entry.value)
}
const changePointer = async (change: Partial<SnapshotPointer>) => coordinator.mappings.put(snapshotKey(lane), toBytes({ ...(await pointer())!, ...change }))

describe('the state', () => {
  /** Turns of one lane: groups of every fate, the lane's own events, and commands of every fate. */
  async function turnsOf(seed: number): Promise<readonly FoldableTurn[]> {
    const own = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom }).connect({ name: 'recorder', clock: systemClock })
    await record(own, subjects, 5, 6, [lane], seed)
    const roll = dice(seed + 1)
    const turns: FoldableTurn[] = []
    let revision = 0
    for await (const batch of own.log.read({ subjects: [subjects.lane(lane)], from: 1, until: await own.log.end() })) {
      for (const message of batch) {
        const turn = decodeTurn(message.bytes)
        const commits: FoldableTurn['commits'][number][] = turn.commits.map((commit, index) => (roll(2) === 0 ? commit : { ...commit, command: `command-${turn.number}-${index}`, epoch: roll(4) }))
        const said = [
          { type: 'LaneTaken', data: { agent: 'a', instance: `i${turn.number}` } },
          { type: 'CommandRefused', data: { command: `refused-${turn.number}`, group: 'g', code: 'wrong-state', text: 'no' } },
          { type: 'CommandWithdrawn', data: { command: `withdrawn-${turn.number}` } },
          { type: 'LaneReleased', data: { agent: 'a', instance: `i${turn.number}` } },
        ]
        const number = roll(said.length + 1)
        if (number > 0) {
          commits.push({ aggregate: 'lane', id: lane, revision: revision + 1, events: said.slice(0, number) })
          revision += number
        }
        // Days pass, so that commands are forgotten too.
        turns.push({ incarnation: turn.incarnation, number: turn.number, timeMs: turn.timeMs + turn.number * 5 * 3_600_000, commits })
      }
    }
    return turns
  }

  test('folded on from a snapshot at any cut is that of the whole log, to the byte of its canonical JSON (I6)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }), async (seed, cuts) => {
        const turns = await turnsOf(seed)
        const whole = emptyLane(lane)
        for (const turn of turns) foldTurn(whole, turn)
        expect(whole.fault?.type ?? null).toBeOneOf([null, 'broken-life-cycle'])
        let state = emptyLane(lane)
        const at = new Set(cuts.map((cut) => Math.floor(cut * (turns.length - 1))))
        for (const [index, turn] of turns.entries()) {
          foldTurn(state, turn)
          // A lane that nobody may write has no snapshot.
          if (!at.has(index) || state.fault !== null) continue
          const reader = new SnapshotReader()
          for (const line of snapshotLines(plainLane(state), { incarnation: 1, position: index + 1, turn: 'x', again: 1 })) reader.take(line)
          const restored = restoredLane(reader.finish().plain, defaultConstants)
          expect(textOf(restored)).toBe(textOf(state))
          state = restored
        }
        expect(textOf(state)).toBe(textOf(whole))
      }),
      { numRuns: 40 },
    )
  })

  test('from the store: a lane taken from its snapshot is what folding it from the beginning gives, with the turns to be said again', async () => {
    await record(coordinator, subjects, 40, 5, [lane])
    expect(await cutSnapshot(context, lane, 'a', never)).toMatchObject({ kind: 'cut' })
    await oneMoreTurn()
    const whole = await foldedFromZero()
    const folded = (await foldFromSnapshot(context, lane, never))!
    expect(folded.state.number).toBe(whole.state.number - 1)
    await foldOn(coordinator.log, systemClock, subjects.lane(lane), folded, never)
    expect(textOf(folded.state)).toBe(textOf(whole.state))
    expect(folded.tail).toEqual(whole.tail)
    expect(folded.recent.slice(-100)).toEqual(whole.recent.slice(-100))
    expect(warnings).toEqual([])
  })
})

test('one that was replaced while it was being read is not wrong: the lane is folded from the one that came after it', async () => {
  await record(coordinator, subjects, 10, 4, [lane])
  await cutSnapshot(context, lane, 'a', never)
  await oneMoreTurn()
  const { snapshots } = coordinator
  let cut = false
  const slower = Object.assign(Object.create(snapshots) as typeof snapshots, {
    get: async (name: string) => {
      if (!cut) {
        cut = true
        await cutSnapshot(context, lane, 'a', never)
      }
      return snapshots.get(name)
    },
  })
  const folded = await foldFromSnapshot({ ...context, coordinator: { ...coordinator, snapshots: slower, log: coordinator.log, mappings: coordinator.mappings, texts: coordinator.texts } }, lane, never)
  expect(textOf(folded!.state)).toBe(textOf((await foldedFromZero()).state))
  expect((await pointer())!.number).toBe(folded!.state.number)
  expect(warnings).toEqual([])
})

describe('one that cannot be read', () => {
  beforeEach(async () => {
    await record(coordinator, subjects, 10, 4, [lane])
    await cutSnapshot(context, lane, 'a', never)
  })

  /** The store does not answer so many times, and the log either not or always. */
  const silent = (times: number, isLogSilent: boolean) => {
    let asked = 0
    const unavailable = () => Promise.reject(new Unavailable('no leader'))
    const mappings = Object.assign(Object.create(coordinator.mappings) as typeof coordinator.mappings, { get: (key: string) => ((asked += 1) <= times ? unavailable() : coordinator.mappings.get(key)) })
    const log = logWith(coordinator.log, { end: () => (isLogSilent && asked <= times ? unavailable() : coordinator.log.end()) })
    return foldFromSnapshot({ ...context, coordinator: { log, mappings, snapshots: coordinator.snapshots, texts: coordinator.texts } }, lane, never)
  }

  test('while the log is not to be had either is read when both answer again', async () => {
    expect((await silent(3, true))!.state.number).toBe((await pointer())!.number)
    expect(warnings).toEqual([])
  })

  test('while the log is there is not waited for: the lane is folded from its beginning, and the snapshot stays', async () => {
    expect(await silent(1, false)).toBeUndefined()
    expect(warnings).toHaveLength(1)
    expect(await pointer()).toBeDefined()
  })
})

describe('a wrong one is dropped, and the lane is folded from its beginning', () => {
  beforeEach(async () => {
    await record(coordinator, subjects, 10, 4, [lane])
    await cutSnapshot(context, lane, 'a', never)
  })

  const dropped = async (why: RegExp) => {
    expect(await foldFromSnapshot(context, lane, never)).toBeUndefined()
    expect(warnings.join()).toMatch(why)
    expect(await pointer()).toBeUndefined()
  }
  /** Another object with its right digest. */
  const store = async (change: (text: string) => string) => {
    const { object } = (await pointer())!
    const bytes = new TextEncoder().encode(change(new TextDecoder().decode((await coordinator.snapshots.get(object))!)))
    await coordinator.snapshots.put(object, bytes)
    await changePointer({ digest: digestOf(bytes) })
  }

  test('another digest', async () => {
    const { object } = (await pointer())!
    const bytes = (await coordinator.snapshots.get(object))!
    bytes[bytes.length - 10]! ^= 1
    await coordinator.snapshots.put(object, bytes)
    await dropped(/does not have its digest/)
    expect(await coordinator.snapshots.names()).toEqual([])
  })

  test('no object', async () => {
    await coordinator.snapshots.remove((await pointer())!.object)
    await dropped(/is not there/)
  })

  test('a former incarnation; one of a later incarnation is not read, and stays for who is of that', async () => {
    await changePointer({ incarnation: 2 })
    expect(await foldFromSnapshot(context, lane, never)).toBeUndefined()
    expect((await pointer())!.incarnation).toBe(2)
    realm.raiseIncarnation()
    realm.raiseIncarnation()
    context = { ...context, coordinator: realm.connect({ name: 'later', clock: systemClock }) }
    await dropped(/a former incarnation/)
  })

  test('another schema is not read; it stays for the build that it is of', async () => {
    await changePointer({ schema: 999 })
    expect(await foldFromSnapshot(context, lane, never)).toBeUndefined()
    expect((await pointer())!.schema).toBe(999)
  })

  test('a position that the log does not have', async () => {
    await store((text) => text.replace(/"position":\d+/, '"position":99999'))
    await changePointer({ position: 99_999 })
    await dropped(/its position is not in the log/)
  })

  test('another turn at its position', async () => {
    const other = '0'.repeat(64)
    await store((text) => text.replace(/"turn":"[0-9a-f]{64}"/, `"turn":"${other}"`))
    await changePointer({ turn: other })
    await dropped(/another turn stands at its position/)
  })

  test('what its pointer does not say', async () => {
    await store((text) => text.replace(/"number":\d+/, '"number":1'))
    await dropped(/not what its pointer says/)
  })

  test('lines are missing', async () => {
    await store((text) => text.split('\n').filter((_, index) => index !== 2).join('\n'))
    await dropped(/lacks lines/)
  })

  test('a pointer that is none', async () => {
    await coordinator.mappings.put(snapshotKey(lane), toBytes({ position: 'x' }))
    await dropped(/cannot be read/)
  })
})

describe('the pointer', () => {
  beforeEach(() => record(coordinator, subjects, 10, 4, [lane]))

  test('goes forward; what it named before is removed', async () => {
    await cutSnapshot(context, lane, 'a', never)
    const first = (await pointer())!
    expect(await cutSnapshot(context, lane, 'a', never)).toMatchObject({ kind: 'nothing' })
    await oneMoreTurn()
    await cutSnapshot(context, lane, 'a', never)
    await oneMoreTurn()
    await cutSnapshot(context, lane, 'b', never)
    const last = (await pointer())!
    expect(last.position).toBeGreaterThan(first.position)
    expect(last.object).toBe('here-1.b.0')
    expect(await coordinator.snapshots.names()).toEqual([last.object])
  })

  test('never goes back within an incarnation: a cutter that was slower leaves the further one, and nothing of its own', async () => {
    await cutSnapshot(context, lane, 'a', never)
    const further = { ...(await pointer())!, position: 1_000_000, number: 1_000_000, schema: 999, object: 'elsewhere' }
    await coordinator.mappings.put(snapshotKey(lane), toBytes(further))
    await oneMoreTurn()
    expect(await cutSnapshot(context, lane, 'b', never)).toEqual({ kind: 'nothing', number: 1_000_000 })
    expect(await pointer()).toEqual(further)
    expect(await coordinator.snapshots.names()).not.toContain('here-1.b.0')
  })

  test('is written on the revision that was read: of two cutters at once one wins, and its object is the one that stays', async () => {
    const other = { ...context, coordinator: realm.connect({ name: 'two', clock: systemClock }) }
    const cuts = await Promise.all([cutSnapshot(context, lane, 'a', never), cutSnapshot(other, lane, 'b', never)])
    expect(cuts.map(({ kind }) => kind).sort()).toEqual(['cut', 'nothing'])
    expect(await coordinator.snapshots.names()).toEqual([(await pointer())!.object])
    expect(await foldFromSnapshot(context, lane, never)).toBeDefined()
  })

  test('a lane that nobody may write has no snapshot', async () => {
    const last = (await coordinator.log.last(subjects.lane(lane)))!
    const before = decodeTurn(last.bytes)
    const unknown = { aggregate: 'lane', id: lane, revision: 1, actor: 'agent:a', events: [{ type: 'SomethingNew', data: {} }] }
    await coordinator.log.append({
      subject: subjects.lane(lane), expectedLast: last.position,
      bytes: encodeTurn({ ...before, turn: newUlid(1, systemRandom), number: before.number + 1, previous: digestOf(last.bytes), commits: [unknown] }),
    })
    expect(await cutSnapshot(context, lane, 'a', never)).toMatchObject({ kind: 'refused', why: expect.stringContaining('SomethingNew') })
    expect(await pointer()).toBeUndefined()
  })
})

describe('a view that begins with snapshots', () => {
  const lanes = ['here-1', 'here-2', 'here-3']
  const all = (view: RealmView) => {
    const { realm: own, lanes: folded, sites, agents, instructions, position } = view.state
    return canonicalJson({ own, position, sites: [...sites], agents: [...agents], instructions: [...instructions], lanes: [...folded.values()].map(textOf).sort() })
  }

  test('has the same state as one that has read every turn, then and after further turns, of lanes without a snapshot and of later ones too', async () => {
    const founding = { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false } as const
    const from = { log: coordinator.log, clock: systemClock, random: systemRandom }
    await joinRealm(from, subjects, founding)
    await record(coordinator, subjects, 30, 5, lanes)
    for (const one of lanes.slice(0, 2)) expect(await cutSnapshot(context, one, 'a', never)).toMatchObject({ kind: 'cut' })
    await oneMoreTurn()
    await joinRealm(from, subjects, { ...founding, region: 'there' })
    await record(coordinator, subjects, 5, 3, ['there-1'], 11)
    const reads: ReadOptions[] = []
    const noting = logWith(coordinator.log, {
      read: (options) => {
        reads.push(options)
        return coordinator.log.read(options)
      },
    })
    const whole = new RealmView(coordinator.log, subjects)
    const short = new RealmView(noting, subjects, startFromSnapshots({ ...context, coordinator: { ...coordinator, log: noting } }, [...lanes, 'here-4']))
    await Promise.all([whole.current(), short.current()])
    expect(all(short)).toBe(all(whole))
    expect(reads.filter(({ from: first, subjects: read }) => first === 1 && read.some((subject) => [subjects.lane('here-1'), subjects.lane('here-2'), subjects.allEvents].includes(subject)))).toEqual([])
    for (let turn = 0; turn < 3; turn++) await oneMoreTurn()
    await Promise.all([whole.current(), short.current()])
    expect(all(short)).toBe(all(whole))
    expect(short.state.position).toBe(await coordinator.log.end())
    await Promise.all([whole.stop(), short.stop()])
  })
})
