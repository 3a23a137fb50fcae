/**
 * Looking at a realm that runs: its machines with their states, their transitions live, in the terminal and by the package of Stately
 * Inspector; its history step by step, and why a job was done, down to the journal of the site.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { JournalEntry } from '../../src/sites/simulated/protocol.ts'
import { type SimulatedSiteProcess, startSimulatedSite } from '../support/simulated-site.ts'
import { RunningRealm } from '../support/up-process.ts'
import { cleanEnvironment, mainFile, reeve } from './reeve.ts'
import { onTerminal } from './walking.ts'

const patience = { timeout: 240_000 }
let realm: RunningRealm
let west: SimulatedSiteProcess
const started: ChildProcess[] = []

beforeAll(async () => {
  ;[realm, west] = await Promise.all([RunningRealm.start('--demo'), startSimulatedSite({ services: 3 })])
  await realm.json('site', 'add', 'west', 'simulated', west.adapterAddress)
  await realm.atRest()
}, 240_000)

afterEach(async () => {
  for (const child of started.splice(0)) await end(child, 'SIGKILL')
})

afterAll(async () => {
  await Promise.all([realm?.[Symbol.asyncDispose](), west?.stop()])
})

interface Watching {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
}

function watch(...args: readonly string[]): Watching {
  const child = spawn(process.execPath, [mainFile, 'machine', 'watch', ...args, '--data', realm.data], { cwd: realm.folder, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(child)
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  return { child, out: () => out, err: () => err }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'close')
    child.kill(signal)
    await ended
  }
  return child.exitCode
}

test('machine list: every machine of every agent, each lane and group, and how many stand where', patience, async () => {
  const { agents } = await realm.json('agent', 'list')
  const { lanes } = await realm.json('lane', 'list')
  const { groups } = await realm.json('group', 'list')
  const listed = await realm.json('machine', 'list', '--ended')
  const machinesOf = (agent: string) => listed.machines.filter((one: any) => one.agent === agent).map((one: any) => one.machine)
  for (const { agent, role, leading, lanes: held } of agents) {
    const names = machinesOf(agent)
    expect(names).toEqual(expect.arrayContaining(['agent', 'presence', ...(role === 'generic' ? ['election'] : []), ...(leading ? ['leader'] : []), ...held.map((lane: string) => `lane-holder-${lane}`)]))
  }
  const leader = agents.find((one: any) => one.leading).agent
  expect(listed.machines).toContainEqual(expect.objectContaining({ agent: leader, machine: 'election', state: { elected: 'leading' } }))
  for (const { lane, holder } of lanes) {
    expect(listed.machines).toContainEqual(expect.objectContaining({ agent: holder.agent, machine: `lane-holder-${lane}`, state: 'holding' }))
    expect(listed.aggregates).toContainEqual(expect.objectContaining({ machine: 'lane', id: lane, state: 'held', about: holder.agent }))
  }
  expect(groups.length).toBeGreaterThan(0)
  for (const { group, phase, revision } of groups) expect(listed.aggregates).toContainEqual(expect.objectContaining({ machine: 'group', id: group, state: phase, revision }))
  expect(listed.counts).toContainEqual({ machine: 'group', state: 'completed', count: groups.filter(({ phase }: any) => phase === 'completed').length })

  const shown = await realm.run('machine', 'list', '--machine', 'election')
  expect(shown.out).toMatch(new RegExp(`^${leader} +election +elected\\.leading`, 'm'))
  expect(shown.out).not.toContain('presence')
  expect((await realm.json('machine', 'list')).aggregates.map((one: any) => one.machine)).toEqual(lanes.map(() => 'lane'))
  expect(await realm.run('machine', 'list', '--agent', 'nobody')).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^reeve: there is no agent nobody; .*\n$/) })
  expect(await realm.run('machine', 'list', '--machine', 'nothing')).toMatchObject({ code: 2, out: '' })
})

test('machine watch follows until Ctrl-C, then ends with 0; by lines, and by objects without a gap', patience, async () => {
  const { agents } = await realm.json('agent', 'list')
  const skilled = agents.find((one: any) => one.role === 'skilled').agent
  const lines = watch()
  const objects = watch('--json')
  const one = watch('--json', '--agent', skilled, '--machine', 'agent')
  const inspector = watch('--stately', '0', '--json')
  await eventually(() => [lines, objects, one, inspector].every(({ err }) => err().includes('; Ctrl-C ends it')), { what: 'the watching' })
  const received: StatelyInspectionEvent[] = []
  createWebSocketReceiver({ server: /ws:\/\/127\.0\.0\.1:\d+/.exec(inspector.err())![0] }).subscribe((event) => void received.push(event))
  await eventually(() => agents.every(({ agent }: any) => received.some((event) => event.type === '@xstate.actor' && event.sessionId === `${agent}/agent`)), { what: 'the machines of the realm' })
  const actors = received.filter((event) => event.type === '@xstate.actor')
  expect(new Set(actors.map((event) => event.sessionId.split('/')[0]))).toEqual(new Set(agents.map((agent: any) => agent.agent)))
  expect(actors.every((event) => event.type === '@xstate.actor' && event.definition !== undefined)).toBe(true)

  // Work: whoever executes it goes from watching its queue to running, and back.
  const change = ['change', 'apply', 'maintenance-off', '--site', 'north', '--wait', '--json']
  await realm.run('change', 'apply', 'maintenance-on', '--site', 'north', '--wait', '--json')
  await realm.run(...change)
  const heard = (watching: Watching) => watching.out().split('\n').slice(0, -1).map((line) => JSON.parse(line))
  await eventually(() => heard(objects).some((message) => message.machine === 'agent' && message.event === 'QueueEmpty'), { what: 'a queue that became empty' })
  const all = heard(objects)
  expect(all.every((message) => message.missed === 0)).toBe(true)
  const worker = all.find((message) => message.machine === 'agent' && message.event === 'QueueEmpty').agent
  await eventually(() => new RegExp(`^\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z  ${worker} agent  .* → .*  QueueEmpty$`, 'm').test(lines.out()), { what: 'the line of it' })
  await eventually(() => received.some((event) => event.type === '@xstate.snapshot' && event.sessionId === `${worker}/agent` && event.event.type === 'QueueEmpty'), { what: 'the snapshot of it' })
  expect(heard(one).every((message) => message.agent === skilled && message.machine === 'agent')).toBe(true)
  expect(await Promise.all([lines, objects, one, inspector].map(({ child }) => end(child, 'SIGINT')))).toEqual([130, 130, 130, 130])
  expect(await realm.run('machine', 'watch', '--agent', 'nobody')).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^reeve: there is no agent nobody; /) })
})

test('replay --why leads from the instruction to the entry in the journal of the site, over a retry; --step walks the same, live and from a file', patience, async () => {
  const services: readonly { readonly id: string }[] = (await west.request('GET', '/v1/services')).body.services
  await west.addSwitch({ operation: 'rename', service: services[1]!.id, count: 1, fault: { kind: 'refuse', reason: 'not today' } })
  const { group } = JSON.parse((await realm.run('change', 'apply', 'rename', 'Why', '--site', 'west', '--wait', '--json')).out)
  const retried = await realm.json('group', 'retry', group, '--wait')
  expect(retried.state).toMatchObject({ phase: 'completed', executed: [[1, 1], [4, 4], [3, 3]] })

  const why = await realm.json('replay', '--group', group, '--why', '4')
  expect(why).toMatchObject({ group, job: 4, chain: [2, 4], retriedAs: null, missing: [] })
  const types = why.links.map((link: any) => (link.kind === 'call' ? `call ${link.job}` : link.event.type))
  expect(types[0]).toBe('InstructionTaken')
  const wanted = ['InstructionTaken', 'GroupOpened', 'JobsAdded', 'GroupSealed', 'LockGranted', 'call 2', 'JobFailed', 'JobRetried', 'LockGranted', 'call 4', 'JobSucceeded']
  expect(types.filter((type: string) => wanted.includes(type))).toEqual(wanted)
  const positions = why.links.filter((link: any) => link.kind === 'event').map((link: any) => link.position)
  expect(positions).toEqual(positions.toSorted((a: number, b: number) => a - b))
  expect(why.links[0]).toMatchObject({ actor: expect.stringMatching(/^person:/), command: group.slice(-26) })

  // What the log says of the calls is what the site wrote down of them.
  const journal: readonly JournalEntry[] = (await west.request('GET', '/v1/journal?limit=1000')).body.calls
  for (const call of why.links.filter((link: any) => link.kind === 'call')) {
    const entries = journal.filter((entry) => entry.idempotencyKey === call.idempotencyKey)
    expect(entries.map(({ token, service, outcome }) => ({ token, service, outcome: outcome?.kind }))).toEqual([{ token: call.token, service: call.service, outcome: call.job === 4 ? 'done' : 'failed' }])
    expect(call).toMatchObject({ site: 'west', service: services[1]!.id, endedBy: call.job === 4 ? 'JobSucceeded' : 'JobFailed' })
  }

  const steps = (text: string) => text.trimEnd().split('\n').map((line) => JSON.parse(line))
  const live = await realm.run('replay', '--group', group, '--step', '--json')
  const { state } = await realm.json('group', 'show', group)
  expect(steps(live.out).at(-1)).toMatchObject({ revision: state.revision, after: { phase: 'completed', executed: state.executed } })
  const { agents } = await realm.json('agent', 'list')
  for (const { agent, instance, lanes } of agents) {
    const last = steps((await realm.run('replay', '--agent', agent, '--step', '--json')).out).at(-1)
    expect(last.after).toMatchObject({ agent, instance, phase: 'started', lanes, holding: [] })
  }
  const terminal = onTerminal(['replay', '--group', group, '--step', '--data', realm.data], { folder: realm.folder })
  started.push(terminal.child)
  await terminal.shows(/step 1 of \d+/)
  terminal.press('G')
  await terminal.shows(/GroupCompleted[^]*state +running → completed/)
  terminal.press('q')
  expect(await terminal.ended()).toBe(0)

  const file = `${realm.folder}/why.ndjson`
  await realm.json('log', 'export', '--to', file)
  const offline = (...args: readonly string[]) => reeve(['replay', '--group', group, ...args, '--from', file], { folder: realm.folder })
  expect((await offline('--step', '--json')).out).toBe(live.out)
  expect(JSON.parse((await offline('--why', '4', '--json')).out)).toEqual(why)
})
