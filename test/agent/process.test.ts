/** Agents as real processes on a real server: ready, killed, frozen, stopped; renewals by a thread of their own (P8). */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { AgentProgramOptions } from '../../src/agent/program.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { RealmView } from '../../src/realm/view.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsServer } from '../support/nats-server.ts'

/** Several processes on a machine that may be busy with other tests; how fast it goes is for the benchmark. */
const patienceMs = 300_000
const withinMs = 90_000

let server: TestNatsServer
let folder: string
let coordinator: NatsCoordinator
let view: RealmView
const children = new Map<string, ChildProcess>()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-agents-'))
  server = await TestNatsServer.start()
  coordinator = await connectCoordinator({
    servers: [server.url],
    realm: 'reeve',
    name: 'observer',
    clock: systemClock,
    random: systemRandom,
    create: true,
    durability: { level: 'synced' },
  })
  view = new RealmView(coordinator.log, subjectsOf('reeve'))
})

afterEach(async () => {
  await Promise.all([...children.keys()].map((agent) => kill(agent)))
  await view.stop()
  await coordinator.close()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function start(agent: string): Promise<void> {
  const options: AgentProgramOptions = {
    servers: [server.url],
    realm: 'reeve',
    agent,
    role: 'generic',
    region: 'here',
    skills: [],
    dataFolder: join(folder, agent),
    logFile: join(folder, `${agent}.log`),
    acceptWeakDurability: false,
    durability: { level: 'synced' },
  }
  const child = fork(new URL('agent-process.ts', import.meta.url), [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.set(agent, child)
  const [said] = await Promise.race([once(child, 'message'), once(child, 'exit').then((exit) => [{ kind: 'exit', exit }])])
  expect(said).toEqual({ kind: 'ready' })
}

async function kill(agent: string): Promise<void> {
  const child = children.get(agent)!
  children.delete(agent)
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

function lanesHeld(by: (agent: string) => boolean): number {
  return [...view.state.lanes.values()].filter((lane) => lane.holder !== null && by(lane.holder.agent)).length
}

const leader = () => view.state.realm.leader?.agent

async function startThree(): Promise<void> {
  await Promise.all(['a', 'b', 'c'].map(start))
  await eventually(() => lanesHeld((agent) => agent !== leader()) === 4, { withinMs, what: 'all lanes held by followers' })
}

it('after kill -9 of the leader another is elected, and of a holder its lanes are taken', { timeout: patienceMs }, async () => {
  await startThree()
  const first = leader()!
  await kill(first)
  await eventually(() => leader() !== first, { withinMs, what: 'another leader' })
  await eventually(() => lanesHeld((agent) => agent !== leader() && agent !== first) === 4, { withinMs, what: 'lanes held by who is left' })
  await start(first)
  const holder = ['a', 'b', 'c'].find((agent) => agent !== leader() && lanesHeld((by) => by === agent) > 0)!
  await kill(holder)
  await eventually(() => lanesHeld((agent) => agent !== holder) === 4, { withinMs, what: 'its lanes held by others' })
})

it('a frozen leader is followed by another when its lease is over, and goes on as a new instance when it wakes', { timeout: patienceMs }, async () => {
  await startThree()
  const frozen = leader()!
  const former = view.state.agents.get(frozen)!.instance
  children.get(frozen)!.kill('SIGSTOP')
  await eventually(() => leader() !== frozen, { withinMs, what: 'another leader' })
  await eventually(() => view.state.agents.get(frozen)!.phase === 'lost', { withinMs, what: 'AgentLost' })
  children.get(frozen)!.kill('SIGCONT')
  await eventually(() => view.state.agents.get(frozen)!.phase === 'started', { withinMs, what: 'started anew' })
  expect(view.state.agents.get(frozen)!.instance).not.toBe(former)
})

it('SIGTERM stops it gracefully with code 0; its folder remembers the realm', { timeout: patienceMs }, async () => {
  await start('a')
  await eventually(() => lanesHeld((agent) => agent === 'a') === 4, { withinMs, what: 'lanes held' })
  const child = children.get('a')!
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  await eventually(() => view.state.agents.get('a')!.phase === 'stopped' && lanesHeld(() => true) === 0, { withinMs, what: 'the stop in the log' })
})

it('a second stop signal forces the exit with code 1: nothing is waited for, and no graceful end is in the log', { timeout: patienceMs }, async () => {
  await start('a')
  const child = children.get('a')!
  // Without its server a graceful stop waits for seconds.
  await server.kill()
  child.kill('SIGTERM')
  const exited = once(child, 'exit')
  // One that comes within a second of the first is the same wish.
  await eventually(() => child.exitCode !== null || !child.kill('SIGTERM'), { everyMs: 250, what: 'the forced end' })
  expect(await exited).toEqual([1, null])
  await server.start()
  await eventually(async () => (await coordinator.log.end()) > 0, { withinMs, what: 'the server' })
  await view.current()
  expect(view.state.agents.get('a')!.phase).toBe('started')
})

it('goes on after the server was killed and started again', { timeout: patienceMs }, async () => {
  await startThree()
  await server.kill()
  await server.start()
  const first = leader()!
  await kill(first)
  await eventually(() => leader() !== first, { withinMs, what: 'a leader elected after that' })
})

it('goes on when the bucket of presences is deleted: the leader makes it anew (P18)', { timeout: patienceMs }, async () => {
  await startThree()
  const former = new Map(['a', 'b', 'c'].map((agent) => [agent, view.state.agents.get(agent)!.instance]))
  await coordinator.connection.api('STREAM.DELETE.KV_reeve_agents')
  await eventually(() => [...former].every(([agent, instance]) => view.state.agents.get(agent)!.instance !== instance && view.state.agents.get(agent)!.phase === 'started'), { withinMs, what: 'each started as a new instance' })
  const present = (await coordinator.agents.entries()).map(({ key }) => key)
  for (const agent of former.keys()) expect(present).toContain(`instance.${view.state.agents.get(agent)!.instance}`)
  await eventually(() => lanesHeld((agent) => agent !== leader()) === 4, { withinMs, what: 'all lanes held by followers' })
})
