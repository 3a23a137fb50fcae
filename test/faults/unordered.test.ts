/**
 * kill -9 while a big group without order runs, with many grants open at once: of an executor, of the holder of its lane, of the leader, of all three. Each
 * job ends once, the site makes each change once, what living agents do goes on, and what the killed one held is done by others within the promised time.
 */
import { beforeAll, expect, it } from 'vitest'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { openGrants } from '../../machines/execution-group/state.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { numbersOf } from '../checkers/group-replay.ts'
import { type ReadLog, commitsOf } from '../checkers/read.ts'
import { wholeJournal } from './judging.ts'
import { judgeEach } from './judged.ts'
import { FaultRealm, patienceMs, shortTimes, threeGenericTwoSkilled } from './realm.ts'

const services = 600
/** Of the group, when it strikes. */
const openLocks = 40
const settledJobs = 60
/** As for groups with an order (`under-fault.ts`). */
const livingMs = 10_000
const heldMs = livingMs + shortTimes.presenceMs + shortTimes.siteCallDeadlineMs

let realm: FaultRealm

beforeAll(async () => {
  // A third that executes: the holder may be one too, and then both of two were killed, with nobody left to do what they held.
  realm = await FaultRealm.start({ agents: [...threeGenericTwoSkilled, { id: 's3', role: 'skilled', skills: ['simulated'] }], sites: { desk: { services } } })
}, patienceMs)

judgeEach(() => realm)

const executor = () => 's1'
const holder = (group: string) => realm.holderOf(laneOfGroup(group)!)!
const leader = () => realm.leader

it.each([
  ['an executor', [executor]],
  ['the holder of its lane', [holder]],
  ['the leader', [leader]],
  ['an executor, the holder and the leader at once', [executor, holder, leader]],
] as const)('of %s', async (_, chosen) => {
  await realm.sites.get('desk')!.addSwitch({ fault: { kind: 'latency', latencyMs: 500 } })
  const { group } = await realm.api.call('change', 'apply', {
    selector: { sites: ['desk'] }, operation: { name: 'rename', to: `Name ${(names += 1)}` }, confirmed: true, distributionFactor: 100, order: 'none', includeUnchanged: true,
  })
  await realm.eventually(() => realm.group(group!).position >= settledJobs && openGrants(realm.group(group!)).length >= openLocks && realm.holderOf(laneOfGroup(group!)!) !== undefined, { what: `${openLocks} open locks`, everyMs: 2 })
  const victims = new Set(chosen.map((victim) => victim(group!)))
  const struckMs = Date.now()
  await Promise.all([...victims].map((victim) => realm.agent(victim).kill()))
  await realm.completes(group!)

  const log = await realm.log()
  const { open, ends, settled } = followed(log, group!, struckMs)
  expect(open.length).toBeGreaterThanOrEqual(openLocks)
  const pendingThen = services - settled
  expect(pendingThen).toBeGreaterThan(openLocks)
  // Until the end some job or other is done all the while.
  const after = ends.filter(({ atMs }) => atMs > struckMs).map(({ atMs }) => atMs)
  const pauses = after.map((atMs, index) => atMs - (after[index - 1] ?? struckMs))
  // What the killed held was given back, and ended once, elsewhere.
  const held = open.filter(({ agent }) => victims.has(agent))
  if (victims.has('s1')) expect(held.length).toBeGreaterThan(0)
  const jobsHeld = new Set(held.flatMap(({ jobs }) => jobs))
  const lateMs = ends.filter(({ job }) => jobsHeld.has(job)).map(({ atMs }) => atMs - struckMs)
  console.info(`    ${open.length} locks open, ${held.length} of the killed; the longest pause ${Math.max(...pauses)} ms; what the killed held ended ${Math.max(0, ...lateMs)} ms after the kill`)
  expect(Math.max(...pauses)).toBeLessThan(held.length === open.length ? heldMs : livingMs)
  expect(Math.max(0, ...lateMs)).toBeLessThan(heldMs)
  expect(ends.map(({ job }) => job).sort((a, b) => a - b)).toEqual(Array.from({ length: services }, (_, index) => index + 1))
  expect(await changed(group!)).toEqual(Array.from({ length: services }, (_, index) => index + 1))
}, patienceMs)
let names = 0

/** Locks that stood open at a time, jobs that had ended by then, and the end of each job, as the log has them. */
function followed(log: ReadLog, group: string, atMs: number) {
  const locks = new Map<number, { readonly agent: string; readonly jobs: readonly number[] }>()
  const ends: { readonly job: number; readonly atMs: number }[] = []
  let open: readonly { readonly agent: string; readonly jobs: readonly number[] }[] | undefined
  let settled = 0
  for (const { stored, commit } of commitsOf(log, 'group')) {
    if (commit.id !== group) continue
    if (stored.message.storedMs > atMs && open === undefined) {
      open = [...locks.values()]
      settled = ends.length
    }
    for (const [index, event] of (commit.events as readonly GroupEvent[]).entries()) {
      if (event.type === 'LockGranted') locks.set(commit.revision + index, { agent: event.data.agent, jobs: numbersOf(event.data.jobs) })
      else if (event.type === 'JobSucceeded') {
        locks.delete(event.data.grant)
        ends.push({ job: event.data.job, atMs: stored.message.storedMs })
      } else if (event.type === 'LockReturned') locks.delete(event.data.grant)
    }
  }
  return { open: open ?? [], settled, ends }
}

/** Jobs for which the site made a change, by its own journal; each token is of one job. */
async function changed(group: string): Promise<readonly number[]> {
  const made = (await wholeJournal(realm.sites.get('desk')!)).filter(({ token, outcome, repeatOf }) => token.scope.startsWith(`${group}/`) && outcome?.kind === 'done' && repeatOf === null)
  return made.map(({ idempotencyKey }) => Number(idempotencyKey.slice(idempotencyKey.lastIndexOf('/') + 1))).sort((a, b) => a - b)
}
