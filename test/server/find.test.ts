import { mkdtemp, readFile, readdir, rm, utimes, writeFile, mkdir } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { runCommand } from '../../src/platform/process.ts'
import { cacheFolder, findNatsServer, type FindOptions } from '../../src/server/find.ts'
import { NatsServerError } from '../../src/server/errors.ts'
import { programOfVersion, shellProgram } from './program.ts'

let folder: string
let mirror: Server | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-find-'))
})

afterEach(async () => {
  mirror?.closeAllConnections()
  mirror?.close()
  mirror = undefined
  await rm(folder, { recursive: true, force: true })
})

/** The system's tools without any nats-server of this machine, and an empty cache. */
const variables = (path = join(folder, 'bin')) => ({ ...process.env, PATH: path, XDG_CACHE_HOME: join(folder, 'cache') })
const systemPath = '/usr/bin:/bin'

async function failure(options: Omit<FindOptions, 'clock'>): Promise<NatsServerError> {
  const error: unknown = await findNatsServer({ clock: systemClock, ...options }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(NatsServerError)
  expect((error as Error).message).not.toContain('\n')
  return error as NatsServerError
}

describe('a program that is named', () => {
  test('is used, whatever is on the PATH', async () => {
    await programOfVersion(join(folder, 'bin'), '2.99.0')
    const program = await programOfVersion(join(folder, 'named'), '2.14.0')
    expect(await findNatsServer({ clock: systemClock, program, environment: variables() })).toEqual({
      program,
      version: { major: 2, minor: 14, patch: 0 },
      origin: 'named',
    })
  })

  test('is refused when it is too old, and nothing else is tried', async () => {
    await programOfVersion(join(folder, 'bin'), '2.99.0')
    const program = await programOfVersion(join(folder, 'named'), '2.9.10')
    const error = await failure({ program, environment: variables() })
    expect(error.problem).toBe('too-old')
    expect(error.message).toContain(`nats-server 2.9.10 at ${program} is too old: needs 2.14 or later;`)
  })

  test('is refused when it is not there', async () => {
    const program = join(folder, 'nowhere')
    const error = await failure({ program })
    expect(error).toMatchObject({ problem: 'not-found', retryable: false })
    expect(error.message).toContain(program)
  })

  test('is refused when it may not be run', async () => {
    const program = await shellProgram(join(folder, 'named'), 'echo "nats-server: v2.15.1"', 0o644)
    expect(await failure({ program })).toMatchObject({ problem: 'not-executable', message: expect.stringContaining(program) })
  })

  test('is refused when it is something else', async () => {
    const program = await shellProgram(join(folder, 'named'), 'echo v20.20.2')
    expect(await failure({ program })).toMatchObject({ problem: 'not-executable', message: expect.stringContaining(program) })
  })
})

describe('a program on the PATH', () => {
  test('is the first that is new enough', async () => {
    await programOfVersion(join(folder, 'old'), '2.9.10')
    const program = await programOfVersion(join(folder, 'new'), '2.15.1')
    const path = ['/nonexistent', join(folder, 'old'), join(folder, 'new')].join(':')
    expect(await findNatsServer({ clock: systemClock, environment: variables(path) })).toMatchObject({ program, origin: 'path' })
  })

  test('that is too old is named when nothing may be fetched', async () => {
    const program = await programOfVersion(join(folder, 'bin'), '2.9.10')
    const error = await failure({ environment: variables(), mayFetch: false })
    expect(error).toMatchObject({ problem: 'too-old', message: expect.stringContaining(`nats-server 2.9.10 at ${program} is too old`) })
  })

  test('that is missing is said so when nothing may be fetched', async () => {
    expect(await failure({ environment: variables(), mayFetch: false })).toMatchObject({
      problem: 'not-found',
      message: expect.stringContaining('2.14 or later'),
    })
  })
})

describe('the cache', () => {
  test('lies under XDG_CACHE_HOME, else under .cache of the home folder', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/c', HOME: '/h' })).toBe('/c/reeve/nats-server')
    expect(cacheFolder({ HOME: '/h' })).toBe('/h/.cache/reeve/nats-server')
    // The rule of that variable: a relative path counts as none.
    expect(cacheFolder({ XDG_CACHE_HOME: 'c', HOME: '/h' })).toBe('/h/.cache/reeve/nats-server')
  })

  test('that cannot be written is one line', async () => {
    await writeFile(join(folder, 'file'), '')
    const error = await failure({ environment: { ...variables(), XDG_CACHE_HOME: join(folder, 'file') } })
    expect(error).toMatchObject({ problem: 'cannot-fetch', message: expect.stringContaining('XDG_CACHE_HOME') })
  })
})

describe('fetching', () => {
  test('brings a real one that is used from the cache afterwards, also when two programs fetch at once', async () => {
    const environment = variables(systemPath)
    let fetches = 0
    const find = () => findNatsServer({ clock: systemClock, environment, onFetch: () => (fetches += 1) })
    const [one, other] = await Promise.all([find(), find()])
    expect(one.program).toBe(other.program)
    // Who comes second uses what the first has put there.
    expect([one.origin, other.origin].sort()).toEqual(['cache', 'fetched'])
    expect(fetches).toBe(2)
    const said = await runCommand(one.program, ['--version'], { clock: systemClock, deadlineMs: 5_000 })
    expect(said.stdout).toContain(`v${one.version.major}.${one.version.minor}.`)
    // Nothing but the program and what was written down about it is kept.
    const cache = cacheFolder(environment)
    expect(await readdir(cache)).toHaveLength(1)

    expect(await find()).toMatchObject({ origin: 'cache', program: one.program })
    expect(fetches).toBe(2)

    // What was damaged since is not run: it is fetched anew.
    const bytes = await readFile(one.program)
    await writeFile(one.program, bytes.subarray(0, 1_000_000))
    await mkdir(join(cache, '.draft-killed'))
    await utimes(join(cache, '.draft-killed'), 0, 0)
    expect(await find()).toMatchObject({ origin: 'fetched', program: one.program })
    expect((await readFile(one.program)).equals(bytes)).toBe(true)
    expect(await readdir(cache)).toHaveLength(1)
  })

  test('without apt says what to install', async () => {
    const error = await failure({ environment: variables('') })
    expect(error).toMatchObject({ problem: 'cannot-fetch', message: expect.stringContaining('this machine has no apt-get') })
    expect(error.message).toContain('go install')
    expect(error.message).toContain('--nats-server PATH')
  })

  test('from a mirror that cannot be reached says which, without its password', async () => {
    const error = await failure({ environment: variables(systemPath), sites: ['http://me:secret@127.0.0.1:1/debian'] })
    expect(error).toMatchObject({ problem: 'cannot-fetch', retryable: true, message: expect.stringContaining('http://127.0.0.1:1/debian') })
    expect(error.message).not.toContain('secret')
    expect(await readdir(cacheFolder(variables()))).toEqual([])
  })

  test('from a mirror that never answers ends at the deadline', async () => {
    mirror = createServer(() => {})
    await new Promise<void>((resolve) => mirror!.listen(0, '127.0.0.1', resolve))
    const site = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian`
    const startMs = performance.now()
    const error = await failure({ environment: variables(systemPath), sites: [site], fetchDeadlineMs: 1_500 })
    expect(error).toMatchObject({ problem: 'cannot-fetch', message: expect.stringContaining('did not answer within') })
    expect(performance.now() - startMs).toBeLessThan(60_000)
    expect(await readdir(cacheFolder(variables()))).toEqual([])
  })

  test('takes nothing that the Debian archive did not sign', async () => {
    const release = 'Origin: Debian\nSuite: unstable\nCodename: sid\nComponents: main\nArchitectures: amd64 arm64 all\n'
    mirror = createServer((request, response) => {
      response.statusCode = request.url?.endsWith('/Release') ? 200 : 404
      response.end(response.statusCode === 200 ? release : '')
    })
    await new Promise<void>((resolve) => mirror!.listen(0, '127.0.0.1', resolve))
    const site = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian`
    const error = await failure({ environment: variables(systemPath), sites: [site] })
    expect(error).toMatchObject({ problem: 'cannot-fetch', message: expect.stringMatching(/not signed/) })
  })
})
