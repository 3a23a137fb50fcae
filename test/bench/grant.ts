/**
 * How long after the turn that makes a job runnable another agent has the lock for it. The holder of the lane and the executor
 * run in this very process, each as a whole agent with a connection of its own, so that one monotonic clock stamps both; the leader
 * is a process.
 */
import { connect } from 'nats'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { type RunningAgent, startAgent } from '../../src/agent/agent.ts'
import type { Logger } from '../../src/agent/context.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { GrantMessage } from '../../streams/lane-protocol.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { logWith } from '../../streams/ports/event-log.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { eventually } from '../support/eventually.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, compared, percentile } from './row.ts'
import { type BenchWorld, benchRealm } from './world.ts'

const jobs = 2_000
const holder = 'w1'
const other = 'w2'

interface Stamps {
  /** By job, milliseconds: its predecessor's outcome was acknowledged. */
  readonly runnable: Map<number, number>
  /** Its `LockGranted` was acknowledged. */
  readonly granted: Map<number, number>
  /** The other agent has it. */
  readonly arrived: Map<number, number>
}

export async function grantRows(world: BenchWorld): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const started: { readonly running: RunningAgent; readonly coordinator: Coordinator }[] = []
  const stamps: Stamps = { runnable: new Map(), granted: new Map(), arrived: new Map() }
  try {
    await realm.start('leader', 'generic')
    await realm.addSite()
    for (const agent of [holder, other]) {
      const connected = await connectCoordinator({
        servers: [world.server.url],
        realm: benchRealm,
        name: agent,
        clock: systemClock,
        random: systemRandom,
        durability: { level: 'synced' },
      })
      const coordinator = agent === holder ? stampingAppends(connected, stamps) : stampingGrants(connected, stamps)
      const running = startAgent({ agent, role: 'skilled', region: 'here', skills: [agent], build: 'bench', realmName: benchRealm, coordinator, clock: systemClock, random: systemRandom, logger: quiet, acceptWeakDurability: false })
      started.push({ running, coordinator: connected })
      await running.ready
    }
    const lanes = await realm.lanesHeldBy([holder, other])
    const lane = [...lanes].find(([, agent]) => agent === holder)![0]
    const opened = await realm.open(lane, Array.from({ length: jobs }, (_, index) => rehearsal(index % 2 === 0 ? holder : other)))
    await opened.seal()
    await eventually(() => stamps.arrived.size >= jobs / 2 && stamps.runnable.size >= jobs, { what: 'the end of all jobs', withinMs: 120_000, everyMs: 100 })
    const raw = await rawMessages(world.server.url, jobs / 2)
    return rowsOf(stamps, raw)
  } finally {
    for (const { running, coordinator } of started) {
      await running.force()
      await coordinator.close()
    }
    await realm.stop()
  }
}

function rowsOf({ runnable, granted, arrived }: Stamps, raw: readonly number[]): Row[] {
  const latencies: number[] = []
  let sameTurn = 0
  for (const [job, atMs] of arrived) {
    const fromMs = runnable.get(job)
    if (fromMs === undefined) continue
    latencies.push(atMs - fromMs)
    if (granted.get(job) === fromMs) sameTurn += 1
  }
  const what = 'from the acknowledged turn that makes a job runnable until another agent has its acknowledged LockGranted, to one message of the client'
  const note = `${latencies.length} jobs; in ${Math.round((100 * sameTurn) / latencies.length)} % outcome and LockGranted were one turn, so what is left is the way of one message`
  return [
    compared('grant-p50', what, 'ms', percentile(latencies, 0.5), percentile(raw, 0.5), note),
    compared('grant-p99', what, 'ms', percentile(latencies, 0.99), percentile(raw, 0.99)),
  ]
}

function stampingAppends(coordinator: Coordinator, stamps: Stamps): Coordinator {
  const { log } = coordinator
  const append: typeof log.append = async (request) => {
    const outcome = await log.append(request)
    const atMs = systemClock.monotonicMs()
    if (outcome.kind === 'landed') {
      for (const { aggregate, events } of decodeTurn(request.bytes).commits) {
        if (aggregate !== 'group') continue
        for (const { type, data } of events as readonly GroupEvent[]) {
          if (type === 'JobSucceeded') stamps.runnable.set(data.job + 1, atMs)
          if (type === 'LockGranted') for (const [first] of data.jobs) stamps.granted.set(first, atMs)
        }
      }
    }
    return outcome
  }
  return { ...coordinator, log: logWith(log, { append }) }
}

function stampingGrants(coordinator: Coordinator, stamps: Stamps): Coordinator {
  const { bus } = coordinator
  const stamp = (data: Uint8Array) => {
    const atMs = systemClock.monotonicMs()
    const { grants = [] } = fromBytes<{ readonly grants?: readonly GrantMessage[] }>(data)
    for (const grant of grants) for (const { job } of grant.jobs) if (!stamps.arrived.has(job)) stamps.arrived.set(job, atMs)
  }
  const stamping: typeof bus = {
    publish: bus.publish.bind(bus),
    publishHeard: bus.publishHeard.bind(bus),
    flush: bus.flush.bind(bus),
    serve: bus.serve.bind(bus),
    onLink: bus.onLink.bind(bus),
    get link() {
      return bus.link
    },
    subscribe: (subject, handle, options) =>
      bus.subscribe(
        subject,
        (message) => {
          if (subject.endsWith('.grants')) stamp(message.data)
          handle(message)
        },
        options,
      ),
    async ask(subject, data, options) {
      const asked = await bus.ask(subject, data, options)
      if (asked.kind === 'answer' && subject.endsWith('.work')) stamp(asked.data)
      return asked
    },
  }
  return { ...coordinator, bus: stamping }
}

/** One message from one connection of this process to another, milliseconds each. */
async function rawMessages(url: string, count: number): Promise<number[]> {
  const [from, to] = await Promise.all([connect({ servers: url }), connect({ servers: url })])
  const took: number[] = []
  let arrived = () => {}
  to.subscribe('raw.message', { callback: () => arrived() })
  await to.flush()
  const bytes = new Uint8Array(400)
  for (let index = 0; index < count; index++) {
    const beginMs = systemClock.monotonicMs()
    const came = new Promise<void>((resolve) => (arrived = resolve))
    from.publish('raw.message', bytes)
    await came
    took.push(systemClock.monotonicMs() - beginMs)
  }
  await Promise.all([from.close(), to.close()])
  return took
}

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error: (fields, message) => console.error(message, fields) }
