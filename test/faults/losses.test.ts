/** Messages are lost in mid-run, one kind after the other, over all subjects of the catalogue: all groups still end (P6, P9; issue point 3). */
import type { ChildProcess } from 'node:child_process'
import { beforeAll, expect, it } from 'vitest'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { subjectCatalogue } from '../../streams/subject-catalogue.ts'
import { judgeEach } from './judged.ts'
import { FaultRealm, patienceMs, subjects } from './realm.ts'
import { EveryNth, type WireMessage } from './wire.ts'

let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({ sites: { left: { services: 4, seed: 'l' }, right: { services: 4, seed: 'r' } } })
}, patienceMs)

judgeEach(() => realm)

type Disturbance = 'none' | 'kill-holder' | 'kill-leader' | 'look' | 'stop' | 'trigger' | 'mute'

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
  { what: 'answers to pings of lanes', nth: 2, matches: answered(/^reeve\.agent\.[^.]+\.ping-/), disturbance: 'kill-holder' },
  { what: 'pings of agents', nth: 2, matches: published(/^reeve\.agent\.[^.]+\.ping$/), disturbance: 'kill-leader' },
  { what: 'answers to pings of agents', nth: 2, matches: answered(/^reeve\.agent\.[^.]+\.ping$/), disturbance: 'kill-leader' },
  { what: 'requests to release a lane, every one', nth: 1, matches: published(/^reeve\.agent\.[^.]+\.release-/), disturbance: 'kill-leader' },
  { what: 'answers to requests to release a lane, every one', nth: 1, matches: answered(/^reeve\.agent\.[^.]+\.release-/), disturbance: 'kill-leader' },
  { what: 'commands to lanes', nth: 3, matches: published(/^reeve\.lane\.[^.]+\.command$/) },
  { what: 'answers to commands', nth: 3, matches: answered(/^reeve\.lane\.[^.]+\.command$/) },
  { what: 'questions what an agent is built to do', nth: 2, matches: published(/^reeve\.agent\.[^.]+\.describe$/), disturbance: 'look' },
  { what: 'answers what an agent is built to do', nth: 2, matches: answered(/^reeve\.agent\.[^.]+\.describe$/), disturbance: 'look' },
  { what: 'orders to stop', nth: 2, matches: published(/^reeve\.agent\.[^.]+\.stop$/), disturbance: 'stop' },
  { what: 'answers to orders to stop', nth: 2, matches: answered(/^reeve\.agent\.[^.]+\.stop$/), disturbance: 'stop' },
  { what: 'orders to abort a grant', nth: 2, matches: published(/^reeve\.agent\.[^.]+\.abort$/), disturbance: 'mute' },
  { what: 'answers to orders to abort a grant', nth: 2, matches: answered(/^reeve\.agent\.[^.]+\.abort$/), disturbance: 'mute' },
  { what: 'renewals of presence', nth: 3, matches: published(/^\$KV\.reeve_agents\.instance\./) },
  { what: 'acknowledgements of renewed presences', nth: 3, matches: answered(/^\$KV\.reeve_agents\.instance\./) },
  { what: 'renewals of the lease', nth: 3, matches: published(/^\$KV\.reeve_lease\./) },
  { what: 'acknowledgements of a renewed lease', nth: 3, matches: answered(/^\$KV\.reeve_lease\./) },
  { what: 'turns', nth: 12, matches: published(/^reeve\.event\.lane\./) },
  { what: 'acknowledgements of turns', nth: 12, matches: answered(/^reeve\.event\.lane\./) },
  { what: 'events of everything else', nth: 3, matches: published(/^reeve\.event\.(?!lane\.)/), disturbance: 'kill-leader' },
  { what: 'acknowledgements of events of everything else', nth: 3, matches: answered(/^reeve\.event\.(?!lane\.)/), disturbance: 'kill-leader' },
  { what: 'alarms that are set', nth: 2, matches: published(/^reeve\.schedule\.at\./), disturbance: 'trigger' },
  { what: 'acknowledgements of alarms', nth: 2, matches: answered(/^reeve\.schedule\.at\./), disturbance: 'trigger' },
  { what: 'the feed, all of it', nth: 1, matches: published(/^reeve\.feed\./) },
  { what: 'transitions of machines, all of them', nth: 1, matches: published(/^reeve\.inspect\./) },
]

for (const { what, nth, matches, disturbance = 'none' } of kinds) it(`${what} are lost`, async () => {
  const sites = ['left', 'right']
  const before = await Promise.all(sites.map((site) => realm.open(site)))
  const rule = realm.wire.lose(new EveryNth(nth, matches))
  try {
    const during = await Promise.all(sites.map((site) => realm.open(site)))
    const groups = [...before, ...during]
    if (disturbance !== 'none') await disturb[disturbance]()
    for (const group of groups) await realm.completes(group, patienceMs / 2)
    for (const [index, group] of groups.entries()) expect(await realm.changes(sites[index % 2]!, group)).toEqual([1, 2, 3, 4])
    if (disturbance !== 'none') await realm.settled()
    await realm.eventually(() => rule.lost > 0, { what: 'a message of the kind' })
  } finally {
    realm.wire.loseNoMore(rule)
  }
}, patienceMs)

/** Each resolves when what it asks of the realm has come about, whatever is lost meanwhile. */
const disturb: Readonly<Record<Exclude<Disturbance, 'none'>, () => Promise<unknown>>> = {
  'kill-leader': () => realm.agent(realm.leader).kill(),
  'kill-holder': async () => realm.agent(await realm.holding('here-1')).kill(),
  look: () => realm.eventually(async () => {
    const shown = await realm.api.call('machine', 'list', {})
    return new Set(shown.machines.map(({ agent }) => agent)).size >= realm.agents.size && shown
  }, { what: 'the machines of every agent' }),
  stop: async () => {
    const agent = realm.agent('s1')
    // What may have been lost is said again, as a person would.
    await realm.eventually(async () => {
      if (agent.runs) await realm.api.answer('agent', 'stop', { agent: agent.name, mode: 'graceful' })
      return !agent.runs
    }, { what: 'the end of the agent', everyMs: 500 })
  },
  // No executor can say what became of its grant, until that was closed in spite of it (I9).
  mute: async () => {
    const mute = realm.wire.lose({ loses: published(/^reeve\.lane\.[^.]+\.work$/) })
    const closed = () => [...realm.view.state.groups()].some(({ phase, lastGrant }) => phase !== 'completed' && lastGrant?.left === 1)
    const groups: string[] = []
    try {
      // An executor that holds the lane itself sends no messages to it: then another group is opened, until one has to wait.
      do {
        groups.push(await realm.open('left'))
        await realm.eventually(() => closed() || completed(groups.at(-1)!), { what: 'a grant that was closed without an outcome, or a group that needs no messages' })
      } while (!closed() && [...realm.view.state.groups()].every(({ group }) => completed(group)))
      await realm.eventually(closed, { what: 'a grant that was closed without an outcome' })
    } finally {
      realm.wire.loseNoMore(mute)
    }
    for (const group of groups) await realm.completes(group, patienceMs / 2)
  },
  trigger: async () => {
    // Late enough to be defined before, on a busy machine too: what was due by then is no time of the trigger.
    const times = [8_000, 10_000, 12_000].map((inMs) => Date.now() + inMs)
    const trigger = `t${(triggers += 1)}`
    await realm.api.call('trigger', 'define', { trigger, name: trigger, change: { name: trigger, selector: { sites: ['left'] }, operation: { name: 'rename', to: trigger }, includeUnchanged: true }, when: { atMs: times }, overlap: { action: 'queue', limit: 10 }, missed: { action: 'run-now', graceMs: 60_000 } })
    const runs = () => [...realm.view.state.groups()].filter(({ name }) => name === trigger)
    await realm.eventually(() => realm.view.state.triggers.get(trigger)?.decidedMs === times.at(-1), { what: 'the last decision', withinMs: 90_000 })
    // Each of its times has become a group, and each of those has ended.
    await realm.eventually(() => runs().length === times.length && runs().every(({ phase }) => phase === 'completed'), { what: 'the runs of the trigger', withinMs: 90_000 })
  },
}
let triggers = 0
const completed = (group: string) => realm.view.state.group(group)?.phase === 'completed'

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
    await realm.eventually(() => positions().at(-1)! >= position, { what: `position ${position} in what log tail shows` })
    expect(positions()).toEqual(positions().map((_, index) => first! + index))
    expect(rule.lost).toBeGreaterThan(4)
  } finally {
    realm.wire.loseNoMore(rule)
    tail?.kill('SIGTERM')
    expect(await tailing).toMatchObject({ code: 130, stderr: '' })
  }
}, patienceMs)

const apply = { publish: published(/^reeve\.api\.v1\.change\.apply$/), answer: answered(/^reeve\.api\.v1\.change\.apply$/) }

it.each(['publish', 'answer'] as const)('a command of the service interface, or the answer to it (%s): a repeat with the same id gets the first result, and one group is opened', async (lost) => {
  const rule = realm.wire.lose(new EveryNth(2, (message) => message.process === 'client' && apply[lost](message)))
  const command = realm.newCommandId()
  const request: ApiRequest<'change', 'apply'> = { selector: { sites: ['left'] }, operation: { name: 'rename', to: `Told twice, ${lost}` }, command, confirmed: true }
  const first = await realm.api.answer('change', 'apply', request, { timeoutMs: 3_000 })
  expect(first).toMatchObject({ ok: false, error: { code: 'may-still-happen', command } })
  // The answer may come when nobody waits for it any more.
  await realm.eventually(() => rule.lost === 1, { what: 'the loss' })
  const second = await realm.api.call('change', 'apply', request)
  realm.wire.loseNoMore(rule)
  expect(second).toMatchObject({ command, ...(lost === 'answer' ? { known: true } : {}) })
  await realm.completes(second.group!)
  const opened = (await realm.log()).turns.flatMap(({ turn }) => turn.commits).filter((commit) => commit.command === command && commit.events[0]?.type === 'GroupOpened')
  expect(opened).toHaveLength(1)
}, patienceMs)

/**
 * What a stream hands to its readers is not among them: it travels on the reader's own connection, which loses nothing but
 * itself; that is tried by kills of the server, by partitions, and in the simulation.
 */
it('no subject of the catalogue is left out, and nothing that programs asked one another while they ran', () => {
  const losing = [...kinds.map(({ matches }) => matches), apply.publish, apply.answer]
  const isLost = (kind: WireMessage['kind'], subject: string) => losing.some((matches) => matches({ process: 'any', kind, subject, payload: () => Buffer.alloc(0) }))
  const uncovered: string[] = []
  for (const { subject, kept } of subjectCatalogue(subjects)) {
    const sample = subject.replace('<noun>.<verb>', 'change.apply').replaceAll(/<[a-z]+>/g, 'x')
    const pattern = new RegExp(`^${subject.replaceAll('.', '\\.').replaceAll(/<[a-z]+>/g, '[^.]+')}$`)
    // The server itself publishes what is due.
    if (subject === 'reeve.schedule.due.<trigger>') continue
    // Imports and restores, with which no program of these lives: test/restore.
    if (/^reeve\.import(?:ing)?\./.test(subject)) continue
    const asked = kept !== 'not kept' || [...realm.wire.asked].some((one) => pattern.test(one))
    const ways: readonly WireMessage['kind'][] = ['publish', ...(asked ? ['answer' as const] : [])]
    for (const way of ways) if (!isLost(way, sample)) uncovered.push(`${way} on ${subject}`)
  }
  expect(uncovered).toEqual([])
  const known = subjectCatalogue(subjects).map(({ subject }) => new RegExp(`^${subject.replaceAll('.', '\\.').replaceAll(/<[a-z]+>/g, '[^.]+')}$`))
  expect([...realm.wire.published].filter((subject) => subject.startsWith('reeve.') && !known.some((pattern) => pattern.test(subject)))).toEqual([])
  // Of what was really asked among programs of ours, commands of the service interface apart, whose caller repeats them.
  expect([...realm.wire.asked].filter((subject) => /^reeve\.(?!api\.)/.test(subject) && !isLost('answer', subject))).toEqual([])
})
