/** Messages are lost in mid-run, one kind after the other: all groups still end (P6, P9; issue point 3). */
import type { ChildProcess } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { FaultRealm, patienceMs } from './realm.ts'
import { EveryNth, type WireMessage } from './wire.ts'

let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({ sites: { left: { services: 4, seed: 'l' }, right: { services: 4, seed: 'r' } } })
}, patienceMs)

beforeEach(() => realm.settled(), patienceMs)

afterEach(async () => {
  expect(await realm.judge()).toEqual([])
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

type Disturbance = 'none' | 'kill-holder' | 'kill-leader'

interface Kind {
  readonly what: string
  /** One of so many is lost; 1: all. */
  readonly nth: number
  readonly matches: (message: WireMessage) => boolean
  /** What makes messages of this kind necessary. */
  readonly disturbance?: Disturbance
}

const published = (subject: RegExp) => (message: WireMessage) => message.kind === 'publish' && subject.test(message.subject)
const answered = (subject: RegExp) => (message: WireMessage) => message.kind === 'answer' && subject.test(message.subject)

const kinds: readonly Kind[] = [
  { what: 'requests for work, outcomes among them', nth: 3, matches: published(/^reeve\.lane\.[^.]+\.work$/) },
  { what: 'answers to them', nth: 3, matches: answered(/^reeve\.lane\.[^.]+\.work$/) },
  { what: 'grants, every one', nth: 1, matches: published(/^reeve\.agent\.[^.]+\.grants$/) },
  { what: 'news of assigned jobs, every one', nth: 1, matches: published(/^reeve\.agent\.[^.]+\.assigned$/) },
  { what: 'announcements of new holders, every one', nth: 1, matches: published(/^reeve\.lane\.[^.]+\.announced$/), disturbance: 'kill-holder' },
  { what: 'pings of lanes', nth: 2, matches: published(/^reeve\.agent\.[^.]+\.ping-/), disturbance: 'kill-holder' },
  { what: 'pings of agents', nth: 2, matches: published(/^reeve\.agent\.[^.]+\.ping$/), disturbance: 'kill-leader' },
  { what: 'requests to release a lane, every one', nth: 1, matches: published(/^reeve\.agent\.[^.]+\.release-/), disturbance: 'kill-leader' },
  { what: 'commands to lanes', nth: 3, matches: published(/^reeve\.lane\.[^.]+\.command$/) },
  { what: 'answers to them', nth: 3, matches: answered(/^reeve\.lane\.[^.]+\.command$/) },
  { what: 'renewals of presence', nth: 3, matches: published(/^\$KV\.reeve_agents\.instance\./) },
  { what: 'acknowledgements of turns', nth: 12, matches: answered(/^reeve\.event\.lane\./) },
  { what: 'the feed, all of it', nth: 1, matches: published(/^reeve\.feed\./) },
]

for (const { what, nth, matches, disturbance = 'none' } of kinds) it(`${what} are lost`, async () => {
  const sites = ['left', 'right']
  const before = await Promise.all(sites.map((site) => realm.open(site)))
  const rule = realm.wire.lose(new EveryNth(nth, matches))
  try {
    const during = await Promise.all(sites.map((site) => realm.open(site)))
    if (disturbance === 'kill-leader') await realm.agent(realm.leader).kill()
    if (disturbance === 'kill-holder') await realm.agent(realm.holderOf('here-1')!).kill()
    const groups = [...before, ...during]
    for (const group of groups) await realm.completes(group, patienceMs / 2)
    for (const [index, group] of groups.entries()) expect(await realm.changes(sites[index % 2]!, group)).toEqual([1, 2, 3, 4])
    if (disturbance !== 'none') await realm.settled()
    expect(rule.lost).toBeGreaterThan(0)
  } finally {
    realm.wire.loseNoMore(rule)
  }
}, patienceMs)

it.each([
  ['every second message, as soon as it sees the gap', 2],
  ['all of it, after 5 s of silence (P9)', 1],
])('log tail reads from the log what is lost of the feed: %s', async (_, nth) => {
  const rule = realm.wire.lose(new EveryNth(nth, published(/^reeve\.feed\./)))
  let out = ''
  let tail: ChildProcess | undefined
  const tailing = realm.command(['log', 'tail', '-n', '3', '--json'], (child) => {
    tail = child
    child.stdout!.on('data', (text: string) => (out += text))
  })
  const positions = () => out.split('\n').slice(0, -1).map((line) => (JSON.parse(line) as { readonly position: number }).position)
  try {
    await realm.eventually(() => positions().length >= 3, { what: 'the last turns', withinMs: patienceMs / 2 })
    const [first] = positions()
    const groups = [await realm.open('left'), await realm.open('right')]
    for (const group of groups) await realm.completes(group, patienceMs / 2)
    const { position } = await realm.api.call('group', 'show', { group: groups[1]! })
    await realm.eventually(() => positions().at(-1)! >= position, { what: `position ${position} in what log tail shows`, withinMs: 30_000 })
    expect(positions()).toEqual(positions().map((_, index) => first! + index))
    expect(rule.lost).toBeGreaterThan(4)
  } finally {
    realm.wire.loseNoMore(rule)
    tail?.kill('SIGTERM')
    expect(await tailing).toMatchObject({ code: 0, stderr: '' })
  }
}, patienceMs)

it('the answer to a command of the service interface: a repeat with the same id gets the first result, and one group is opened', async () => {
  const rule = realm.wire.lose(new EveryNth(2, (message) => message.process === 'client' && answered(/^reeve\.api\.v1\.change\.apply$/)(message)))
  const command = realm.newCommandId()
  const request: ApiRequest<'change', 'apply'> = { selector: { sites: ['left'] }, operation: { name: 'rename', to: 'Told twice' }, command, confirmed: true }
  const first = await realm.api.answer('change', 'apply', request, { timeoutMs: 3_000 })
  expect(first).toMatchObject({ ok: false, error: { code: 'may-still-happen', command } })
  expect(rule.lost).toBe(1)
  const second = await realm.api.call('change', 'apply', request)
  realm.wire.loseNoMore(rule)
  expect(second).toMatchObject({ command, known: true })
  await realm.completes(second.group!)
  const opened = (await realm.log()).turns.flatMap(({ turn }) => turn.commits).filter((commit) => commit.command === command && commit.events[0]?.type === 'GroupOpened')
  expect(opened).toHaveLength(1)
}, patienceMs)
