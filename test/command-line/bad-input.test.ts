/** What a person gets wrong, or what is wrong around them, in a realm that runs: one clear line, the right exit code, nothing half done. */
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type Server, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { programOfVersion, realNatsServer } from '../server/program.ts'
import { TestNatsServer } from '../support/nats-server.ts'
import { type SimulatedSiteProcess, startSimulatedSite } from '../support/simulated-site.ts'
import { RunningRealm, processesOf } from '../support/up-process.ts'
import { type RunResult, reeve } from './reeve.ts'

const patience = { timeout: 180_000 }

/** One line on standard error, and nothing on standard output. */
function oneLine({ code, out, err }: RunResult): { readonly code: number | null; readonly line: string } {
  expect(err.trimEnd().split('\n'), err).toHaveLength(1)
  expect(out).toBe('')
  expect(err).toMatch(/^reeve: /)
  return { code, line: err.slice('reeve: '.length).trimEnd() }
}

describe('in a realm', () => {
  let realm: RunningRealm
  let west: SimulatedSiteProcess

  beforeAll(async () => {
    ;[realm, west] = await Promise.all([RunningRealm.start('--demo'), startSimulatedSite({ services: 3 })])
    await realm.json('site', 'add', 'west', 'simulated', west.adapterAddress)
    await realm.json('site', 'add', 'rehearsal', 'drill', 'drill://?services=3')
  }, 180_000)

  afterAll(async () => {
    await Promise.all([realm?.[Symbol.asyncDispose](), west?.stop()])
  })

  const commands: readonly (readonly [args: readonly string[], code: number, line: RegExp])[] = [
    [['service', 'list', '--site', 'nowhere'], 3, /^there is no site nowhere; "reeve site list --data \S+" shows/],
    [['service', 'show', 'north', 'd9'], 3, /^site north has no service "d9"; "reeve service list --site north --data \S+" shows/],
    [['site', 'show', 'nowhere'], 3, /^there is no site nowhere; /],
    [['site', 'remove', 'nowhere', '--yes'], 3, /^there is no site nowhere; /],
    [['change', 'apply', 'start', '--service', 'nowhere/d1', '--wait'], 3, /^there is no site nowhere; /],
    [['change', 'apply', 'start', '--service', 'north/d9'], 3, /^site north has no service "d9"; /],
    [['change', 'apply', 'start', '--service', 'north'], 2, /^"north" does not name a service: write SITE\/SERVICEID$/],
    [['change', 'apply', 'start', '--service-name', 'Zebra*', '--site', 'north'], 3, /^the selector matches nothing of the services of site north; "reeve service list --data \S+" shows/],
    [['change', 'apply', 'start', '--site', 'rehearsal'], 3, /^site rehearsal \(drill\) cannot start: its adapter can rehearse$/],
    [['change', 'apply', 'rehearse', '--service', 'north/d00001', '--service', 'rehearsal/s00001'], 3, /^site north \(simulated\) cannot rehearse: its adapter can assign, /],
    [['change', 'plan', 'start', '--site', 'a.b'], 2, /^the request is malformed at selector\.sites\.0: use 1 to 64 letters, digits, "_" or "-"; /],
    [['change', 'apply', 'maintenance-on', '--all', '--mode', 'desired'], 3, /^mode desired needs the sync job/],
    [['site', 'add', 'north', 'simulated', 'http://127.0.0.1:9'], 3, /^site north is there already \(simulated, http:\/\/127\.0\.0\.1:\d+\); choose another id/],
    [['site', 'add', 'a b', 'simulated', 'http://127.0.0.1:9'], 2, /^site "a b" is not an id: use 1 to 64 letters, digits, "_" or "-"$/],
    [['site', 'add', 'far', 'simulated', 'http://127.0.0.1:9'], 4, /^site far at http:\/\/127\.0\.0\.1:9 cannot be read: .*ECONNREFUSED.*; is it running, and is this its address\?$/],
    [['group', 'show', 'nonsense'], 3, /^there is no group nonsense; "reeve group list --data \S+" shows/],
    [['group', 'retry', 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV'], 3, /^there is no group here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV; /],
    [['agent', 'stop', 'nobody'], 3, /^there is no agent nobody; "reeve agent list --data \S+" shows/],
    [['replay', '--group', 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV'], 3, /^there is no group here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV at the end of the log: /],
    [['log', 'tail', '--group', 'nonsense'], 3, /^there is no group nonsense; /],
    [['log', 'export', '--to', '/'], 3, /^\/ is a folder: name a file in it$/],
    [['log', 'export', '--lane', 'nowhere-1', '--to', 'lane.ndjson'], 3, /^there is no turn of lane nowhere-1 in the log: "reeve lane list --data \S+" names the lanes$/],
    [['replay', '--group', 'nonsense'], 3, /^there is no group nonsense: /],
    [['log', 'export', '--to', '/nowhere/log.ndjson'], 1, /^\/nowhere\/log\.ndjson cannot be written \(ENOENT\): name another file$/],
  ]

  test('each is one line with its exit code, and nothing of it is in the log', { timeout: 400_000 }, async () => {
    const before = await realm.asked()
    for (const some of chunks(commands, 3)) {
      await Promise.all(some.map(async ([args, code, line]) => {
        const said = oneLine(await realm.run(...args))
        expect(said.line, args.join(' ')).toMatch(line)
        expect(said.code, args.join(' ')).toBe(code)
      }))
    }
    expect(await realm.asked()).toEqual(before)
  })

  test('to follow from a position behind the end is no mistake, and said', patience, async () => {
    const { code, out, err } = await realm.run('log', 'tail', '--from', '999999', '--no-follow')
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(err).toMatch(/^the log goes to position \d+: there is nothing of 999999 and later yet\n$/)
  })

  test('several problems of one command are a line each', patience, async () => {
    const { code, err } = await realm.run('change', 'plan', 'start', '--service', 'north/d9', '--service', 'south/d9')
    expect(code).toBe(3)
    expect(err.trimEnd().split('\n').map((line) => /site (\w+) has no service "d9"/.exec(line)?.[1])).toEqual(['north', 'north', 'south'])
  })

  test('what a group that has ended cannot do any more is refused', patience, async () => {
    const { groups } = await realm.json('group', 'list')
    const group = groups[0].group as string
    const before = await realm.asked()
    const [retry, cancel, resolve] = await Promise.all([
      realm.run('group', 'retry', group), realm.run('group', 'cancel', group, '--yes'), realm.run('group', 'resolve', group, '1', 'failed'),
    ])
    expect(oneLine(retry)).toEqual({ code: 3, line: `group ${group} is completed: only a blocked group can be retried` })
    expect(oneLine(cancel)).toEqual({ code: 3, line: `group ${group} is completed: there is nothing left to cancel` })
    expect(oneLine(resolve)).toEqual({ code: 3, line: `job 1 of group ${group} is not in the state "unknown"` })
    expect(oneLine(await realm.run('group', 'resolve', group, '99', 'failed')).line).toMatch(/^group \S+ has no job 99: it has \d+, from 1 on$/)
    expect(await realm.asked()).toEqual(before)
  })

  test('a log file that was changed is found by its digests', patience, async () => {
    const group = (await realm.json('group', 'list')).groups[0].group as string
    const file = join(realm.folder, 'log.ndjson')
    expect(await realm.run('log', 'export', '--to', file)).toMatchObject({ code: 0 })
    expect(await realm.run('replay', '--group', group, '--from', file)).toMatchObject({ code: 0 })
    expect(oneLine(await realm.run('log', 'export', '--to', file))).toMatchObject({ code: 3, line: expect.stringContaining('is there already') })
    const another = 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV'
    expect(oneLine(await realm.run('replay', '--group', another, '--from', file))).toEqual({ code: 3, line: `there is no group ${another} at the end of the log, as ${file} says: name files of the log that it is of` })
    const lines = (await readFile(file, 'utf8')).split('\n')
    const forged = lines.findIndex((line) => line.includes('JobSucceeded'))
    await writeFile(file, lines.map((line, index) => (index === forged ? line.replaceAll('JobSucceeded', 'JobSucceedee') : line)).join('\n'))
    const said = oneLine(await realm.run('replay', '--group', group, '--from', file))
    expect(said.code).toBe(1)
    expect(said.line).toMatch(/log\.ndjson, line \d+: .*; "reeve log verify --from \S+\/log\.ndjson" says what of it is as it was written$/)
  })

  test('a site that does not answer any more: nothing is planned, nothing is written, and the others go on', patience, async () => {
    await west.kill()
    const before = await realm.asked()
    const gone = /^site west at http:\/\/127\.0\.0\.1:\d+ cannot be read: .*; is it running, and is this its address\?$/
    for (const args of [['change', 'plan', 'maintenance-on', '--site', 'west'], ['change', 'apply', 'maintenance-on', '--site', 'north', '--site', 'west', '--wait'], ['service', 'show', 'west', 'd00001']]) {
      const said = oneLine(await realm.run(...args))
      expect(said.line).toMatch(gone)
      expect(said.code).toBe(4)
    }
    expect(await realm.asked()).toEqual(before)
    expect(await realm.json('site', 'show', 'west')).toMatchObject({ reachable: false, services: null })
    const listed = await realm.run('service', 'list')
    expect(listed.out).toMatch(/^north +d00001/m)
    expect(`${listed.out}${listed.err}`).toMatch(/site west at .* cannot be read/)
    const doctor = await realm.run('doctor')
    expect(doctor.code).toBe(1)
    expect(doctor.out).toMatch(/site west \(simulated, .*\) does not answer/)
  })

  test('any Unicode name of a service comes back as it was given', { timeout: 300_000 }, async () => {
    // Combining and composed, beyond the basic plane, right to left, what shells, JSON, subjects and selectors mean something by.
    const names = ['Zoë / Zoë', '桌面 🧑‍💻 \u{10ffff}', 'سطح المكتب', '*.> ? "quoted" \\ $HOME `x`', '  ends with blanks  ', 'line\u2028and\u00a0nbsp\tt\nn']
    for (const name of names) {
      const renamed = await realm.json('change', 'apply', 'rename', name, '--service', 'north/d00003', '--wait')
      expect(renamed.state.phase).toBe('completed')
      expect((await realm.json('service', 'show', 'north', 'd00003')).actual.name).toBe(name)
      const replayed = await realm.json('replay', '--group', renamed.group)
      expect(replayed.state).toEqual(renamed.state)
    }
    const jobs = (await realm.json('group', 'list')).groups.slice(0, names.length).map((one: { group: string }) => one.group)
    const shown = await realm.json('group', 'jobs', jobs[0])
    expect(shown.jobs[0].operation).toEqual({ name: 'rename', to: names.at(-1) })
    expect((await realm.run('service', 'show', 'north', 'd00003')).out).not.toMatch(/[\t\u2028]and|line\n/)
  })
})

describe('a server that cannot be used', () => {
  let folder: string
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'reeve-bad-server-'))))
  afterAll(async () => {
    expect(processesOf(folder)).toEqual([])
    await rm(folder, { recursive: true, force: true })
  })

  const up = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
    reeve(['up', '--data', join(folder, 'data'), ...args], { folder, environment })

  test('a taken port', patience, async () => {
    const taken = createServer()
    await once(taken.listen(0, '127.0.0.1'), 'listening')
    try {
      const { port } = taken.address() as { port: number }
      const natsServer = await realNatsServer()
      const server = await up(['--port', `${port}`, '--nats-server', natsServer])
      expect(server.code).toBe(3)
      expect(server.err).toBe(`reeve: port ${port} on 127.0.0.1 is taken by another program: stop that one, or choose another port (0: any free one)\n`)
      const site = oneLine(await reeve(['simulated-site', '--port', `${port}`, '--data', join(folder, 'site')], { folder }))
      expect(site).toEqual({ code: 3, line: `port ${port} on 127.0.0.1 is taken: stop the program that uses it, or choose another port` })
      const both = await up(['--port', `${port}`, '--server', 'nats://127.0.0.1:9'])
      expect(both.code).toBe(2)
      expect(both.err).toMatch(/^reeve: --port is for a nats-server of its own, and nats:\/\/127\.0\.0\.1:9 was named \(--server\): leave one of them out\n$/)
    } finally {
      taken.close()
    }
  })

  test('a program that is too old, and a machine that can fetch none', patience, async () => {
    const old = await programOfVersion(join(folder, 'old'), '2.9.10')
    const named = await up(['--nats-server', old])
    expect(named.code).toBe(3)
    expect(named.err).toMatch(/^reeve: nats-server 2\.9\.10 at .*old\/nats-server is too old: needs 2\.14 or later; .*\n$/)
    const nothing = { PATH: join(folder, 'old'), XDG_CACHE_HOME: join(folder, 'cache'), HOME: folder }
    const none = await up([], nothing)
    expect(none.code).toBe(3)
    // What takes long is said where nobody watches, too.
    expect(none.out).toContain('\nfetching nats-server, once (about 15 MB) …\n')
    expect(none.err).toMatch(/^reeve: cannot fetch nats-server: this machine has no apt-get; install 2\.14 or later on the PATH \(.+\), or name a program with --nats-server PATH, or give the URL of a running server\n$/)
  })

  test('a running server that is too old, or none', patience, async () => {
    const old = await oldServer('2.9.10')
    try {
      const url = `nats://127.0.0.1:${(old.address() as { port: number }).port}`
      const tooOld = await up(['--server', url])
      expect(tooOld.code).toBe(3)
      expect(tooOld.err).toBe(`reeve: the nats-server at ${url} is 2.9.10, and Reeve needs 2.14.0 or newer: upgrade it, or name another server\n`)
    } finally {
      old.close()
    }
    const gone = await up(['--server', 'nats://127.0.0.1:9'])
    expect(gone.code).toBe(4)
    expect(gone.err).toBe('reeve: no nats-server answers at nats://127.0.0.1:9: check the URL and that it runs\n')
  })

  test('I8: one of several that does not answer now: unreachable, so that who starts programs again does so until it is back', patience, async () => {
    await using server = await TestNatsServer.start()
    const flags = ['--server', server.url, '--monitoring-url', `${server.monitoringUrl},http://127.0.0.1:9`]
    const line = /^reeve: durability of the NATS server is unknown: the monitoring page http:\/\/127\.0\.0\.1:9 does not answer; start that server, or name the page that it has \(--monitoring-url\), or go on with --accept-weak-durability\n$/m
    const run = (...command: readonly string[]) => reeve([...command, ...flags, '--data', join(folder, 'unanswered')], { folder })
    for (const command of [['agent'], ['serve'], ['up', '--exit']]) expect(await run(...command), command[0]).toMatchObject({ code: 4, err: expect.stringMatching(line) })
    const accepted = await run('up', '--accept-weak-durability', '--exit')
    expect(accepted).toMatchObject({ code: 0, err: '' })
    expect(accepted.out).toContain('durability unknown')
  })

  test('I8: one that does not sync, or cannot be asked, is refused unless that is accepted, which is recorded', patience, async () => {
    await using server = await TestNatsServer.start({ syncInterval: '"2m"' })
    const weak = await up(['--server', server.url, '--monitoring-url', server.monitoringUrl, '--exit'])
    expect(weak.code).toBe(3)
    expect(weak.err).toMatch(/^reeve: durability of the NATS server is weak: test syncs its log every 120 s, not on every write; set "sync_interval: always" there, or go on with --accept-weak-durability\n$/)
    const unknown = await up(['--server', server.url, '--exit'])
    expect(unknown.code).toBe(3)
    expect(unknown.err).toMatch(/^reeve: durability of the NATS server is unknown: only the system account or the monitoring page .*--accept-weak-durability\n$/)
    const agent = await reeve(['agent', '--server', server.url, '--data', join(folder, 'agent')], { folder })
    // A program logs, too.
    expect(agent).toMatchObject({ code: 3, err: expect.stringMatching(/^reeve: durability of the NATS server is unknown: .*\n$/m) })

    // The first of them is away.
    const accepted = await up(['--server', `nats://127.0.0.1:9,${server.url}`, '--monitoring-url', server.monitoringUrl, '--accept-weak-durability', '--exit'])
    expect(accepted.err).toBe('')
    expect(accepted.code).toBe(0)
    expect(accepted.out).toContain('durability weak')
    const file = join(folder, 'weak.ndjson')
    expect(await reeve(['log', 'export', '--server', server.url, '--to', file], { folder })).toMatchObject({ code: 0 })
    const log = await readFile(file, 'utf8')
    expect(log.match(/WeakDurabilityAccepted/g)).toHaveLength(1)
    expect(log).toMatch(/"level\\?":\\?"weak/)
    const doctor = await reeve(['doctor', '--server', server.url, '--monitoring-url', server.monitoringUrl], { folder })
    expect(doctor.code).toBe(1)
    expect(doctor.out).toMatch(/✖ durability is weak: /)
  })
})

/** As far as a client looks: what it says of itself, and an answer to each ping. */
async function oldServer(version: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.write(`INFO ${JSON.stringify({ server_id: 'OLD', server_name: 'old', version, proto: 1, host: '127.0.0.1', port: 0, headers: true, max_payload: 1_048_576 })}\r\n`)
    socket.setEncoding('utf8').on('data', (text) => {
      if (String(text).includes('PING')) socket.write('PONG\r\n')
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))
}
