/** What a person does in a realm that runs, by processes alone: retry, cancel, resolve, withdraw, follow, take a site out and another kind in. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newUlid } from '../../streams/codec.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { eventually } from '../support/eventually.ts'
import { type Libvirtd, libvirtMissing, startLibvirtd } from '../support/libvirtd.ts'
import { type SimulatedSiteProcess, startSimulatedSite } from '../support/simulated-site.ts'
import { RunningRealm } from '../support/up-process.ts'
import { cleanEnvironment, mainFile } from './reeve.ts'

const patience = { timeout: 240_000 }
let realm: RunningRealm
let west: SimulatedSiteProcess
let services: readonly string[]

beforeAll(async () => {
  ;[realm, west] = await Promise.all([RunningRealm.start('--demo'), startSimulatedSite({ services: 4 })])
  await realm.json('site', 'add', 'west', 'simulated', west.adapterAddress)
  services = (await west.request('GET', '/v1/services')).body.services.map(({ id }: { id: string }) => `west/${id}`)
}, 240_000)

afterAll(async () => {
  await Promise.all([realm?.[Symbol.asyncDispose](), west?.stop()])
})

let names = 0
/** Renames the services of west, in order. */
const change = (...more: readonly string[]) => realm.run('change', 'apply', 'rename', `Name ${(names += 1)}`, '--site', 'west', '--json', ...more)
const refuse = (service: string) => west.addSwitch({ operation: 'rename', service: service.slice('west/'.length), fault: { kind: 'refuse', reason: 'not today' } })

describe('a group that stops', () => {
  test('group retry: a new job in the failed one\'s place, and the rest', patience, async () => {
    await refuse(services[1]!)
    const failed = await change('--wait')
    expect(failed.code).toBe(1)
    const { group, state } = JSON.parse(failed.out)
    expect(state).toMatchObject({ phase: 'blocked', executed: [[1, 1]], pending: [[3, 4]] })
    expect(failed.err).toMatch(new RegExp(`^reeve: group ${group} is blocked: job 2 failed \\(.*not today.*\\); "reeve group retry ${group} --data ${realm.data}" or "reeve group cancel ${group} --data ${realm.data}"\\n$`))
    // It is no fault of the realm, but it waits for a person.
    const doctor = await realm.run('doctor')
    expect(doctor).toMatchObject({ code: 1, out: expect.stringMatching(/\n1 thing has to be done\n$/) })
    expect(doctor.out).toMatch(new RegExp(`\n✖ group ${group} is blocked: job 2 failed \\(.*not today.*\\)\n    "reeve group retry ${group} --data ${realm.data}" or "reeve group cancel ${group} --data ${realm.data}"\n`))

    const before = await realm.asked()
    const plan = await realm.json('group', 'retry', group, '--dry-run')
    expect(plan).toMatchObject({ dryRun: true, group })
    expect(await realm.asked()).toEqual(before)
    const again = await realm.run('group', 'retry', group, '--wait')
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('is blocked: job 5 failed') })
    await west.removeSwitches()
    const retried = await realm.json('group', 'retry', group, '--wait')
    expect(retried.state).toMatchObject({ phase: 'completed', executed: [[1, 1], [6, 6], [3, 4]] })
    const shown = await realm.json('group', 'show', group)
    const replayed = await realm.json('replay', '--group', group)
    expect(shown.state).toEqual(replayed.state)
    expect(shown.position).toBe(replayed.position)
  })

  test('group cancel: the rest is given up, what was done stays', patience, async () => {
    await refuse(services[2]!)
    const { group } = JSON.parse((await change('--wait')).out)
    await west.removeSwitches()
    const unconfirmed = await realm.run('group', 'cancel', group)
    expect(unconfirmed).toMatchObject({ code: 3, err: expect.stringMatching(/^reeve: this would cancel group .*2 of 4 jobs settled.*: repeat it with --yes\n$/) })
    const command = newUlid(systemClock.nowMs(), systemRandom)
    const cancelled = await realm.json('group', 'cancel', group, '--yes', '--wait', '--command', command)
    expect(cancelled).toMatchObject({ known: false, state: { phase: 'cancelled', executed: [[1, 2]] } })
    expect(await realm.json('group', 'cancel', group, '--yes', '--command', command)).toMatchObject({ known: true, revision: cancelled.revision })
  })

  test('a site that made the change and never said so: the job, which may be repeated, ends by itself; group resolve is refused', patience, async () => {
    await west.addSwitch({ operation: 'rename', service: services[0]!.slice('west/'.length), count: 1, fault: { kind: 'hang', when: 'after' } })
    const { group, state } = JSON.parse((await change('--wait')).out)
    await west.removeSwitches()
    expect(state).toMatchObject({ phase: 'completed', executed: [[1, 4]] })
    expect(await realm.run('group', 'resolve', group, '1', 'succeeded')).toMatchObject({ code: 3, err: `reeve: job 1 of group ${group} is not in the state "unknown"\n` })
  })
})

test('Ctrl-C while it waits: the group goes on, and that is said', patience, async () => {
  await west.addSwitch({ operation: 'rename', fault: { kind: 'latency', latencyMs: 2_500 } })
  const waiting = spawn(process.execPath, [mainFile, 'change', 'apply', 'rename', 'Left alone', '--site', 'west', '--wait', '--data', realm.data], { cwd: realm.folder, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    let out = ''
    let err = ''
    waiting.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    waiting.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
    await eventually(() => out.includes('✔'), { what: 'its first job' })
    const group = /^group (\S+):/m.exec(out)![1]!
    const ended = once(waiting, 'close')
    waiting.kill('SIGINT')
    expect(await ended).toEqual([130, null])
    expect(err).toBe(`reeve: interrupted; group ${group} goes on: see "reeve group show ${group} --data ${realm.data}"\n`)
    await west.removeSwitches()
    await eventually(async () => (await realm.json('group', 'show', group)).state.phase === 'completed', { what: 'its end' })
  } finally {
    await west.removeSwitches()
    await endOf(waiting)
  }
})

test('Ctrl-C before the answer came: one line says that it may have been carried out, and the command that tells', patience, async () => {
  await west.addSwitch({ operation: 'rename', fault: { kind: 'latency', latencyMs: 2_500 } })
  const command = newUlid(systemClock.nowMs(), systemRandom)
  const waiting = spawn(process.execPath, [mainFile, 'change', 'apply', 'rename', 'No answer', '--service', services[0]!, '--mode', 'direct', '--command', command, '--data', realm.data], { cwd: realm.folder, env: cleanEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    let err = ''
    waiting.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
    const group = await eventually(async () => (await realm.json('group', 'list')).groups.find((one: { group: string }) => one.group.endsWith(command))?.group as string | undefined, { what: 'its group' })
    const ended = once(waiting, 'close')
    const beforeMs = performance.now()
    waiting.kill('SIGINT')
    expect(await ended).toEqual([130, null])
    // Nor does it go on asking.
    expect(performance.now() - beforeMs).toBeLessThan(10_000)
    expect(err).toBe(`reeve: interrupted before the answer came: command ${command} may have been carried out, or still be; "reeve command withdraw ${command} --data ${realm.data}" says whether it was, and if not keeps it from happening\n`)
    await west.removeSwitches()
    expect(await realm.run('command', 'withdraw', command)).toMatchObject({ code: 0, out: `command ${command} was carried out: group ${group}\n` })
  } finally {
    await west.removeSwitches()
    await endOf(waiting)
  }
})

test('command withdraw: a command is carried out or never', patience, async () => {
  const never = newUlid(systemClock.nowMs(), systemRandom)
  expect(await realm.run('command', 'withdraw', never)).toMatchObject({ code: 0, out: `command ${never} was not carried out, and never will be\n` })
  const late = await change('--command', never)
  expect(late).toMatchObject({ code: 3, err: expect.stringMatching(/was withdrawn; ask again with a new command id\n$/) })
  const done = JSON.parse((await change('--wait')).out)
  expect(await realm.json('command', 'withdraw', done.command)).toMatchObject({ settled: 'carried-out', group: done.group })
})

test('log tail follows: each position once, in order, and no gap', patience, async () => {
  const tail = spawn(process.execPath, [mainFile, 'log', 'tail', '-n', '5', '--json', '--data', realm.data], { cwd: realm.folder, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    let out = ''
    tail.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    const turns = () => out.split('\n').slice(0, -1).map((line) => JSON.parse(line) as { position: number })
    await eventually(() => turns().length >= 5, { what: 'the last turns' })
    const { group } = JSON.parse((await change('--wait')).out)
    const { position } = await realm.json('group', 'show', group)
    await eventually(() => turns().some((turn) => turn.position >= position), { what: 'the turns of a change' })
    const positions = turns().map((turn) => turn.position)
    expect(positions).toEqual(positions.map((_, index) => positions[0]! + index))
    const ended = once(tail, 'close')
    tail.kill('SIGINT')
    expect(await ended).toEqual([130, null])
  } finally {
    await endOf(tail)
  }
})

test('on a terminal, progress is drawn in one line that goes away; jobs stay', patience, async () => {
  await west.addSwitch({ operation: 'rename', fault: { kind: 'latency', latencyMs: 300 } })
  const command = [process.execPath, mainFile, 'change', 'apply', 'rename', 'Seen', '--site', 'west', '--wait', '--data', realm.data].map((word) => `'${word}'`).join(' ')
  const seen = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { cwd: realm.folder, env: { ...cleanEnvironment(), TERM: 'xterm' }, stdio: ['ignore', 'pipe', 'ignore'] })
  let out = ''
  seen.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  const [code] = await once(seen, 'close')
  await west.removeSwitches()
  expect(code, out).toBe(0)
  expect(out).toMatch(/\r\u001b\[2K.*\d of 4 jobs settled/)
  const last = out.split('\n').map((line) => line.slice(line.lastIndexOf('\u001b[2K') + 1).replace(/^\[2K/, '').trim()).filter((line) => line !== '')
  expect(last.filter((line) => line.startsWith('✔'))).toHaveLength(4)
  expect(last.at(-1)).toMatch(/^group \S+ is completed \(position \d+, revision \d+\)$/)
})

test('site remove: refused while something changes it, then gone, with nothing changed at the site', patience, async () => {
  const before = (await west.request('GET', '/v1/services')).body.services
  await refuse(services[0]!)
  const { group } = JSON.parse((await change('--wait')).out)
  expect(await realm.run('site', 'remove', 'west', '--yes')).toMatchObject({ code: 3, err: expect.stringContaining(group) })
  await west.removeSwitches()
  await realm.json('group', 'cancel', group, '--yes', '--wait')
  expect(await realm.run('site', 'remove', 'west')).toMatchObject({ code: 3, err: expect.stringMatching(/site west \(simulated, http:.*, 4 services\).*: repeat it with --yes/) })
  expect(await realm.run('site', 'remove', 'west', '--yes')).toMatchObject({ code: 0 })
  expect(await realm.run('site', 'show', 'west')).toMatchObject({ code: 3 })
  expect((await west.request('GET', '/v1/services')).body.services).toEqual(before)
  expect(await realm.json('site', 'add', 'west', 'simulated', west.adapterAddress)).toMatchObject({ services: 4 })
})

const missing = libvirtMissing()
describe.skipIf(missing !== undefined)('a site of a new kind, while up runs', () => {
  let libvirt: Libvirtd | undefined
  afterAll(() => libvirt?.stop())

  test('its two skilled agents start, and a change runs on it; Unicode names come back', patience, async () => {
    libvirt = await startLibvirtd()
    expect(await realm.json('site', 'add', 'lab', 'libvirt', libvirt.uri())).toMatchObject({ kind: 'libvirt', services: 1 })
    await realm.running.until(/✔ agent +libvirt-1, for sites of kind libvirt/)
    await realm.running.until(/✔ agent +libvirt-2, for sites of kind libvirt/)
    expect(await realm.json('change', 'apply', 'maintenance-on', '--site', 'lab', '--wait')).toMatchObject({ state: { phase: 'completed' } })
    const [shown] = (await realm.json('service', 'list', '--site', 'lab')).services
    expect(shown.actual).toMatchObject({ name: 'test', maintenance: true })
    const stopped = await realm.json('change', 'apply', 'stop', '--site', 'lab', '--yes', '--wait')
    expect(stopped.state.phase).toBe('completed')
    for (const name of ['桌面 🧑‍💻', 'Zoë & <Co> "q"']) {
      expect((await realm.json('change', 'apply', 'rename', name, '--site', 'lab', '--wait')).state.phase).toBe('completed')
      expect((await realm.json('service', 'show', 'lab', shown.actual.id)).actual.name).toBe(name)
    }
  })
})

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  child.kill('SIGTERM')
  await ended
}

test('realm quarantine --dry-run says where it would do nothing', patience, async () => {
  expect((await realm.run('realm', 'release', '--dry-run')).out).toMatch(/^would do nothing; now: no quarantine/)
  expect((await realm.run('realm', 'quarantine', 'a look', '--dry-run')).out).toMatch(/^would begin a quarantine \(a look\); now: no quarantine/)
  await realm.json('realm', 'quarantine', 'a look')
  expect((await realm.run('realm', 'quarantine', 'another', '--dry-run')).out).toMatch(/^would do nothing; now: in quarantine \(a look\)/)
  await realm.json('realm', 'release')
})
