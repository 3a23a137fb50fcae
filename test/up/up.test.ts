/** `reeve up` as a person runs it: real processes, a real server, Ctrl-C, kill -9, a second start. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { reeve } from '../command-line/reeve.ts'
import { eventually } from '../support/eventually.ts'
import { RealmFolder, processesOf } from '../support/up-process.ts'

/** As when the processor has others to serve. */
const lateMs = 150

let realm: RealmFolder

beforeEach(async () => {
  realm = await RealmFolder.create()
})

afterEach(() => realm[Symbol.asyncDispose]())

describe('reeve up', () => {
  test('--demo --exit: a sample change runs once; the state is that of the log; nothing is left behind', async () => {
    const first = realm.spawn('--demo', '--exit')
    const [code] = await once(first.child, 'close')
    expect(first.out()).toMatch(/Sample change: maintenance-on for 8 services of north and south/)
    expect(first.out().match(/✔ +\d+ {2}(north|south)\/\w+ {2}maintenance-on {2}simulated-\d/g)).toHaveLength(8)
    expect(first.out()).toMatch(/settled +8 of 8/)
    expect(code).toBe(0)
    expect(processesOf(realm.folder)).toEqual([])

    const second = realm.spawn('--demo', '--exit')
    const [again] = await once(second.child, 'close')
    expect(second.out()).toMatch(/Sample change of the first start: group \S+ is completed/)
    expect(again).toBe(0)
    expect(processesOf(realm.folder)).toEqual([])
    const group = (text: string) => /^group +(\S+)$/m.exec(text)![1]
    expect(group(second.out())).toBe(group(first.out()))
    const turns = (text: string) => /turns stand at positions (\d+ to \d+)/.exec(text)![1]
    expect(turns(second.out())).toBe(turns(first.out()))
  })

  test('commands find it; the same state by endpoint, by replay and from a file; Ctrl-C ends all of it within 3 s', async () => {
    const running = await realm.up('--demo')
    const { groups } = JSON.parse((await realm.run('group', 'list', '--json')).out)
    expect(groups).toHaveLength(1)
    const group = groups[0].group as string
    const shown = JSON.parse((await realm.run('group', 'show', group, '--json')).out)
    const stateText = (out: string) => /"state":(\{.*?\})(,"timeMs":\d+)?\}\n$/.exec(out)![1]
    const byEndpoint = (await realm.run('group', 'show', group, '--json')).out
    const byReplay = (await realm.run('replay', '--group', group, '--json')).out
    expect(await realm.run('log', 'export', '--to', 'log.ndjson')).toMatchObject({ code: 0 })
    const byFile = (await reeve(['replay', '--group', group, '--from', 'log.ndjson', '--json', '--at', `r${shown.state.revision}`], { folder: realm.folder })).out
    expect(stateText(byReplay)).toBe(stateText(byEndpoint))
    expect(stateText(byFile)).toBe(stateText(byEndpoint))
    await realm.atRest()
    const doctor = JSON.parse((await realm.run('doctor', '--json')).out)
    expect(doctor).toMatchObject({ ok: true, reached: 'realm' })
    expect(doctor.findings.filter((finding: { level: string }) => finding.level === 'problem')).toEqual([])
    expect(doctor.findings).toContainEqual(expect.objectContaining({ check: 'durability', level: 'ok' }))

    const changed = await realm.run('change', 'apply', 'rename', 'Ünïcode 桌面', '--service', 'north/d00001', '--wait', '--json')
    expect(changed).toMatchObject({ code: 0 })
    expect(JSON.parse((await realm.run('service', 'show', 'north', 'd00001', '--json')).out).actual.name).toBe('Ünïcode 桌面')
    expect((await realm.run('change', 'apply', 'stop', '--site', 'north')).code).toBe(3)
    expect((await realm.run('group', 'show', 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV')).code).toBe(3)
    expect((await realm.run('up', '--nats-server', realm.natsServer)).err).toMatch(/data folder .* is in use by process \d+/)
    expect(processesOf(realm.folder).length).toBeGreaterThanOrEqual(10)

    const beforeMs = performance.now()
    running.child.kill('SIGINT')
    const [code] = await once(running.child, 'close')
    expect(performance.now() - beforeMs).toBeLessThan(3_000)
    expect(code).toBe(0)
    expect(running.out()).not.toContain('by force')
    expect(processesOf(realm.folder)).toEqual([])
  })

  test('Ctrl-C while it starts, once its programs have been started and before they are ready: all ends within 3 s', async () => {
    const running = realm.spawn('--demo')
    const startsAgents = () => processesOf(realm.folder).some((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0agent\0'))
    await eventually(startsAgents, { what: 'an agent that starts', everyMs: 2 })
    const beforeMs = performance.now()
    running.child.kill('SIGINT')
    const [code] = await once(running.child, 'close')
    expect(performance.now() - beforeMs).toBeLessThan(3_000)
    expect(code).toBe(0)
    expect(running.out()).toContain('stopping …')
    expect(running.out()).not.toContain('agents')
    expect(running.out()).not.toContain('by force')
    expect(processesOf(realm.folder)).toEqual([])
  })

  test('Ctrl-C while an agent and the server are frozen: both are ended by force within 3 s, and named', async () => {
    const running = await realm.up()
    const frozen = (text: string) => processesOf(realm.folder).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').includes(text))!
    for (const pid of [frozen('agent --server'), frozen('nats-server.conf')]) process.kill(pid, 'SIGSTOP')
    const beforeMs = performance.now()
    running.child.kill('SIGINT')
    const [code] = await once(running.child, 'close')
    expect(performance.now() - beforeMs).toBeLessThan(3_000)
    expect(code).toBe(0)
    expect(running.out()).toMatch(/^! did not end in time, and were ended by force: .*generic-\d.*, nats-server; what was acknowledged is in the log$/m)
    expect(processesOf(realm.folder)).toEqual([])
  })

  test('Ctrl-C at work, which one agent hears later than the others: none is ended by force, and nothing that they held is found lost after the next start', async () => {
    let running = await realm.up()
    await realm.json('site', 'add', 'rehearsal', 'drill', 'drill://?services=500')
    const change = ['change', 'apply', 'rehearse', '--site', 'rehearsal', '--distribution-factor', '100', '--yes']
    for (const late of ['generic-1', 'generic-2']) {
      const opened = await Promise.all(Array.from({ length: 6 }, () => realm.json(...change)))
      const pid = processesOf(realm.folder).find((one) => readFileSync(`/proc/${one}/cmdline`, 'utf8').includes(`\0agent\0`) && readFileSync(`/proc/${one}/cmdline`, 'utf8').includes(`\0${late}\0`))!
      process.kill(pid, 'SIGSTOP')
      running.child.kill('SIGINT')
      await setTimeout(lateMs)
      process.kill(pid, 'SIGCONT')
      await once(running.child, 'close')
      expect(running.out()).not.toContain('by force')
      expect(processesOf(realm.folder)).toEqual([])
      running = await realm.up()
      for (const { group } of opened) await eventually(async () => (await realm.json('group', 'show', group)).state.phase === 'completed', { what: `the end of group ${group}`, withinMs: 60_000 })
    }
    const turns = (await realm.run('log', 'tail', '--from', '1', '--no-follow', '--json')).out
    expect(turns).toContain('"JobSucceeded"')
    expect(turns).not.toContain('"why":"lost"')
    expect(turns).not.toContain('"JobUnknown"')
    await realm.end(running)
  })

  test('its nats-server that is killed comes back on its port with its data, and changes go on', async () => {
    const running = await realm.up('--demo')
    const server = processesOf(realm.folder).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('nats-server.conf'))!
    process.kill(server, 'SIGKILL')
    await running.until(/! nats-server ended by itself \(SIGKILL\); it is started again/)
    await running.until('✔ nats-server is back')
    const applied = await realm.run('change', 'apply', 'maintenance-on', '--site', 'south', '--wait', '--yes')
    expect(applied.code).toBe(0)
  })

  test('a child that is killed comes back, one that is told to stop does not, and kill -9 of up itself leaves nothing behind', async () => {
    const running = await realm.up('--demo')
    const service = processesOf(realm.folder).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('serve'))!
    process.kill(service, 'SIGKILL')
    await running.until(/! service ended \(SIGKILL\); it is started again/)
    await running.until('✔ service is back')
    expect(await realm.run('agent', 'stop', 'simulated-1', '--wait')).toMatchObject({ code: 0 })
    await running.until('• simulated-1 was told to stop, and did')
    running.child.kill('SIGKILL')
    await eventually(() => processesOf(realm.folder).length === 0, { what: 'the end of every process' })
  })

  test('a program for the server that is too old, or none, is one line', async () => {
    const none = await realm.run('up', '--nats-server', join(realm.folder, 'nowhere'))
    expect(none.code).toBe(3)
    expect(none.err).toMatch(/^reeve: there is no nats-server at .*nowhere: give the path of the program itself\n$/)
    const wrong = await realm.run('up', '--nats-server', process.execPath)
    expect(wrong.code).toBe(3)
    expect(wrong.err.trimEnd().split('\n')).toHaveLength(1)
    expect(processesOf(realm.folder)).toEqual([])
  })
})
