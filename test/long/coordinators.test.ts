/**
 * An agent as a real process and three servers of one realm, each in a region [508-516]: when the nearest is killed the agent
 * goes to another one, and works there; when the nearest is back the agent goes back. Its process never ends meanwhile.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { AgentProgramOptions } from '../../src/agent/program.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { AgentDescription } from '../../streams/agent-messages.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsCluster } from '../support/nats-cluster.ts'

const withinMs = 120_000
const subjects = subjectsOf('reeve')
let cluster: TestNatsCluster
let folder: string
let observer: NatsCoordinator
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-coordinators-'))
  cluster = await TestNatsCluster.start()
  const common = { realm: 'reeve', name: 'observer', clock: systemClock, random: systemRandom, create: true, durability: { level: 'synced' } as const }
  const [, ...others] = cluster.urls
  // Three servers that have just met choose a leader among them first.
  observer = await eventually(() => connectCoordinator({ ...common, servers: others }).catch(() => undefined), { what: 'a realm in the cluster', withinMs })
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await observer.close()
  await cluster[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function start(agent: string, region: string, servers: readonly string[], regions: readonly string[]): Promise<ChildProcess> {
  const options: AgentProgramOptions = {
    servers, regions, realm: 'reeve', agent, role: 'generic', region, skills: [], dataFolder: join(folder, agent),
    logFile: join(folder, `${agent}.log`), acceptWeakDurability: false, durability: { level: 'synced' },
  }
  const child = fork(new URL('../agent/agent-process.ts', import.meta.url), [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  const [said] = await Promise.race([once(child, 'message'), once(child, 'exit').then((exit) => [{ kind: 'exit', exit }])])
  expect(said).toEqual({ kind: 'ready' })
  return child
}

async function describe(agent: string): Promise<AgentDescription | undefined> {
  const asked = await observer.bus.ask(subjects.toAgent(agent, 'describe'), toBytes({}), { timeoutMs: 1_000 })
  return asked.kind === 'answer' ? fromBytes<AgentDescription>(asked.data) : undefined
}

/** Ready, or leading; and connected to that server. */
const worksAt = (agent: string, url: string) =>
  eventually(
    async () => {
      const said = await describe(agent)
      const state = said?.machines['agent']
      const works = typeof state === 'object' && (state['leading'] !== undefined || (state['process'] !== undefined && state['process'] !== 'notReady'))
      return works && said?.coordinator?.url === url ? said : undefined
    },
    { what: `${agent} at work at ${url}`, withinMs },
  )

it('the nearest is killed: the agent goes to the next, and back when the nearest is back', async () => {
  const [near, far, third] = cluster.urls as [string, string, string]
  // The one that leads stays away from the server that is killed, so that the other is idle and may go back.
  await start('leads', 'there', [far, third], ['there', 'there'])
  const child = await start('moves', 'here', [near, far, third], ['here', 'there', 'there'])
  expect(await worksAt('moves', near)).toMatchObject({ coordinator: { url: near, region: 'here' } })
  const [nearest] = [...cluster.servers.values()]
  await nearest!.kill()
  expect(await worksAt('moves', far)).toMatchObject({ coordinator: { region: 'there' } })
  await nearest!.start()
  await worksAt('moves', near)
  expect(child.exitCode).toBeNull()
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

it('a leader goes back too, and somebody leads then', async () => {
  const [near, far, third] = cluster.urls as [string, string, string]
  await start('leads', 'here', [near, far, third], ['here', 'there', 'there'])
  const leadsAt = (url: string) => eventually(async () => (await worksAt('leads', url)).leading, { what: `leading at ${url}`, withinMs })
  await leadsAt(near)
  const [nearest] = [...cluster.servers.values()]
  await nearest!.kill()
  await leadsAt(far)
  await nearest!.start()
  // Nobody else is there to be elected.
  expect(await leadsAt(near)).toBeGreaterThan(0)
})
