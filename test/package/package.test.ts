/**
 * The package as others get it: packed, installed in an empty folder outside of the clone, and run there. Run by CI
 * (`npm run test:long`); installing needs the packages' registry.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const clone = fileURLToPath(new URL('../..', import.meta.url))
let folder: string
let installed: string
let packed: readonly string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-package-'))
  await run('npm', ['pack', '--pack-destination', folder], clone)
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'))!
  packed = execFileSync('tar', ['-tzf', join(folder, tarball)], { encoding: 'utf8' }).split('\n').filter((name) => name !== '')
  const empty = join(folder, 'empty')
  await mkdir(empty)
  await writeFile(join(empty, 'package.json'), '{"name":"empty","version":"1.0.0","private":true}')
  await run('npm', ['install', '--no-fund', '--no-audit', '--omit=dev', join('..', tarball)], empty)
  installed = join(empty, 'node_modules', 'reeve')
}, 900_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const foreignVariable = /^(npm_(lifecycle|package)_.*|npm_config_(local_prefix|global_prefix|prefix)|npm_command|npm_execpath|npm_node_execpath|INIT_CWD|NODE_OPTIONS|NODE_ENV|VITEST.*|TEST)$/

/** With this test's Node (24) first on the PATH, unless another is named. */
async function start(command: string, args: readonly string[], cwd: string, node = process.execPath): Promise<Ended> {
  // What npm and vitest set speaks of the clone and of tests; how this machine reaches its registry stays.
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreignVariable.test(name)))
  const path = [dirname(node), ...(process.env.PATH ?? '').split(delimiter).filter((part) => !part.startsWith(clone))].join(delimiter)
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, PATH: path },
    timeout: 600_000,
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (piece) => (stdout += piece))
  child.stderr.on('data', (piece) => (stderr += piece))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

async function run(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  const ended = await start(command, args, cwd)
  if (ended.code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${ended.code}: ${ended.stderr || ended.stdout}`)
  return ended
}

const reeve = (args: readonly string[]) => start(join(installed, '..', '.bin', 'reeve'), args, join(folder, 'empty'))

describe('the package', () => {
  test('holds compiled JavaScript and no sources', () => {
    expect(packed).toContain('package/dist/src/main.js')
    expect(packed).toContain('package/bin/reeve.mjs')
    // Threads are started by their file's name.
    for (const thread of ['presence/renewal-thread', 'log-reading/reading-thread']) expect(packed).toContain(`package/dist/src/${thread}.js`)
    expect(packed.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))).toEqual([])
    expect(packed.filter((name) => /^package\/(test|src|machines|streams|ops)\//.test(name))).toEqual([])
  })

  test('exports only what it holds', async () => {
    const { exports } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as { exports: Record<string, string | Record<string, string>> }
    const targets = Object.values(exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))
    expect(targets.filter((target) => !existsSync(join(installed, target)))).toEqual([])
    for (const name of Object.keys(exports).filter((key) => key !== './package.json')) {
      const code = `const all = await import(${JSON.stringify(`reeve/${name.slice(2)}`)}); if (Object.keys(all).length === 0) process.exit(1)`
      expect(await start(process.execPath, ['--input-type=module', '-e', code], join(folder, 'empty'))).toMatchObject({ code: 0, stderr: '' })
    }
  })

  test('tells its version', async () => {
    const { version } = JSON.parse(await readFile(join(clone, 'package.json'), 'utf8')) as { version: string }
    expect(await reeve(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
  })

  test('runs reeve doctor', async () => {
    const ended = await reeve(['doctor'])
    // Nothing runs on this machine: reeve says so, and what it can say without a server.
    expect([0, 4]).toContain(ended.code)
    expect(ended.stdout + ended.stderr).toMatch(/server/i)
    expect(ended.stderr).not.toMatch(/at .*\.js:\d+/)
  })

  test('runs reeve up --demo --exit', async () => {
    const ended = await reeve(['up', '--demo', '--exit', '--data', join(folder, 'data')])
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    // The group's final exclusive state and the positions of the log.
    expect(ended.stdout).toMatch(/position/i)
    expect(await processesIn(folder)).toEqual([])
  })

  test('is compared with this clone: the same decisions on the same log, whichever of the two asks', async () => {
    const log = join(clone, 'test', 'golden', 'format-2', 'policies.log.ndjson')
    for (const ended of [await reeve(['replay', '--compare', clone, '--from', log]), await start(process.execPath, [join(clone, 'bin', 'reeve.mjs'), 'replay', '--compare', installed, '--from', log], folder)]) {
      expect(ended).toMatchObject({ code: 0, stderr: '' })
      expect(ended.stdout).toMatch(/agree on every turn/)
    }
  })

  test('says one clear line on an older Node', async () => {
    const program = [join(installed, 'bin', 'reeve.mjs'), 'doctor']
    const older = olderNode()
    const ended = older === undefined ? await start(process.execPath, ['-r', await looksOlder(), ...program], folder) : await start(older, program, folder, older)
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/^reeve needs Node 24 or later; this is v\d+\.\d+\.\d+; install a newer Node\n$/)
  })
})

/** A Node of this machine that is older than 24. */
function olderNode(): string | undefined {
  for (const part of (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'))) {
    const path = join(part, 'node')
    if (existsSync(path) && Number(execFileSync(path, ['--version'], { encoding: 'utf8' }).slice(1).split('.')[0]) < 24) return path
  }
  return undefined
}

/** Where this machine has no older Node: a module that makes this one look like version 20 to the launcher. */
async function looksOlder(): Promise<string> {
  const path = join(folder, 'older.cjs')
  await writeFile(path, `
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })
    Object.defineProperty(process, 'version', { value: 'v20.20.2' })`)
  return path
}

/** Command lines of processes that name the folder. */
async function processesIn(name: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const line = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
    if (line.includes(name)) found.push(line)
  }
  return found
}
