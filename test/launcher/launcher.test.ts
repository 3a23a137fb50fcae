/** `bin/reeve.mjs` under the Node of this test and under what an older one sees. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { processIdentity } from '../../src/platform/process.ts'
import { eventually } from '../support/eventually.ts'

const launcher = fileURLToPath(new URL('../../bin/reeve.mjs', import.meta.url))
let folder: string
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-launcher-'))
  await mkdir(join(folder, 'bin'))
  await copyFile(launcher, join(folder, 'bin', 'reeve.mjs'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  // Before anything else runs, this module makes a newer Node look like version 20 to the launcher.
  await writeFile(join(folder, 'older.cjs'), `
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })
    Object.defineProperty(process, 'version', { value: 'v20.20.2' })`)
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

async function clone(program: string): Promise<void> {
  await mkdir(join(folder, 'src'))
  await writeFile(join(folder, 'src', 'main.ts'), program)
}

async function ownNode(): Promise<void> {
  await mkdir(join(folder, 'node_modules', 'node', 'bin'), { recursive: true })
  await symlink(process.execPath, join(folder, 'node_modules', 'node', 'bin', 'node'))
}

function launch(older: boolean, args: readonly string[] = []) {
  const child = spawn(process.execPath, [...(older ? ['-r', join(folder, 'older.cjs')] : []), join(folder, 'bin', 'reeve.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (piece) => (stdout += piece))
  child.stderr.on('data', (piece) => (stderr += piece))
  const ended = once(child, 'close').then(([code, signal]) => ({ code: code as number | null, signal: signal as string | null, stdout, stderr }))
  return { child, ended, stdout: () => stdout }
}

const tellsArguments = `console.log(process.argv.slice(2).join(' ')); process.exitCode = 3 as number`

describe('the launcher', () => {
  test('runs the sources of a clone', async () => {
    await clone(tellsArguments)
    expect(await launch(false, ['group', 'list']).ended).toMatchObject({ code: 3, stdout: 'group list\n', stderr: '' })
  })

  test('runs the compiled program of the package', async () => {
    await mkdir(join(folder, 'dist', 'src'), { recursive: true })
    await writeFile(join(folder, 'dist', 'src', 'main.js'), tellsArguments.replace(' as number', ''))
    expect(await launch(false, ['group', 'list']).ended).toMatchObject({ code: 3, stdout: 'group list\n' })
  })

  test('uses the Node of the clone on an older one, with its arguments and its exit code', async () => {
    await clone(tellsArguments)
    await ownNode()
    expect(await launch(true, ['group', 'list']).ended).toMatchObject({ code: 3, stdout: 'group list\n', stderr: '' })
  })

  test('says one clear line on an older Node in a clone before npm ci', async () => {
    await clone(tellsArguments)
    expect(await launch(true).ended).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: 'reeve needs Node 24 or later; this is v20.20.2; run npm ci first, or install a newer Node\n',
    })
  })

  test('says one clear line on an older Node in the package', async () => {
    expect(await launch(true).ended).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: 'reeve needs Node 24 or later; this is v20.20.2; install a newer Node\n',
    })
  })

  test('is found through a link, as npm installs it', async () => {
    await clone(tellsArguments)
    await chmod(join(folder, 'bin', 'reeve.mjs'), 0o755)
    await symlink(join('bin', 'reeve.mjs'), join(folder, 'linked'))
    const child = spawn(process.execPath, [join(folder, 'linked'), 'x'], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    expect((await once(child, 'exit'))[0]).toBe(3)
  })
})

describe('the launcher on an older Node', () => {
  const waits = `
    process.on('SIGTERM', () => process.exit(5))
    process.on('disconnect', () => process.exit(6))
    console.log(process.pid)
    setInterval(() => {}, 1000)`

  test('passes signals on, and gives the exit code that follows', async () => {
    await clone(waits)
    await ownNode()
    const { child, ended, stdout } = launch(true)
    await eventually(() => stdout() !== '')
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 5 })
  })

  test('reports a program that a signal has ended as a shell does', async () => {
    await clone(waits)
    await ownNode()
    const { ended, stdout } = launch(true)
    await eventually(() => stdout() !== '')
    process.kill(Number(stdout()), 'SIGKILL')
    expect(await ended).toMatchObject({ code: 137 })
  })

  test('leaves nothing behind when it is killed: the program notices', async () => {
    await clone(waits)
    await ownNode()
    const { child, stdout } = launch(true)
    await eventually(() => stdout() !== '')
    const pid = Number(stdout())
    const identity = processIdentity(pid)
    child.kill('SIGKILL')
    await eventually(() => processIdentity(pid) !== identity)
  })
})
