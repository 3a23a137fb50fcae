import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { CannotStart, endProcess, processIdentity, runCommand, startProgram, stopChild } from '../../src/platform/process.ts'
import { eventually } from '../support/eventually.ts'

const clock = systemClock
const moduleText = JSON.stringify(new URL('../../src/platform/process.ts', import.meta.url).href)

describe('a command', () => {
  test('gives what it wrote and its exit code', async () => {
    const result = await runCommand('sh', ['-c', 'echo out; echo err >&2; exit 3'], { clock, deadlineMs: 10_000 })
    expect(result).toEqual({ exit: { code: 3, signal: null }, stdout: 'out\n', stderr: 'err\n', timedOut: false })
  })

  test('is ended at its deadline, with what it started', async () => {
    const result = await runCommand('sh', ['-c', 'sleep 600 & echo $!; wait'], { clock, deadlineMs: 300 })
    expect(result.timedOut).toBe(true)
    const grandchild = Number(result.stdout)
    expect(grandchild).toBeGreaterThan(0)
    await eventually(() => processIdentity(grandchild) === undefined)
  })

  test('that does not exist is told so', async () => {
    await expect(runCommand('/nonexistent/program', [], { clock, deadlineMs: 1_000 })).rejects.toThrow(CannotStart)
  })

  test('may write without end', async () => {
    const result = await runCommand('sh', ['-c', 'head -c 20000000 /dev/zero'], { clock, deadlineMs: 20_000 })
    expect(result.exit.code).toBe(0)
    expect(result.stdout.length).toBeLessThan(6_000_000)
  })
})

describe('a program that is to stay', () => {
  test('is stopped when asked, or by force when it does not listen', async () => {
    const polite = await startProgram('sleep', ['600'])
    expect(await stopChild(clock, polite, 5_000)).toEqual({ code: null, signal: 'SIGTERM' })
    const logFile = join(await mkdtemp(join(tmpdir(), 'reeve-process-')), 'log')
    try {
      const deaf = await startProgram('sh', ['-c', 'trap "" TERM; echo deaf; while :; do sleep 0.05; done'], { logFile })
      await eventually(async () => (await readFile(logFile, 'utf8')) === 'deaf\n')
      expect(await stopChild(clock, deaf, 300)).toEqual({ code: null, signal: 'SIGKILL' })
      expect(deaf.signal('SIGTERM')).toBe(false)
    } finally {
      await rm(dirname(logFile), { recursive: true, force: true })
    }
  })

  test('is told from a later one with the same number by its identity', async () => {
    const child = await startProgram('sleep', ['600'])
    const identity = processIdentity(child.pid)!
    expect(await endProcess(clock, child.pid, 'another boot/1', 100)).toBe(true)
    expect(child.exit()).toBeUndefined()
    expect(await endProcess(clock, child.pid, identity, 5_000)).toBe(true)
    await child.exited
    expect(processIdentity(child.pid)).toBeUndefined()
  })
})

describe('a stop signal', () => {
  test('is one wish when it comes twice at once, and another when it comes again later', async () => {
    const code = `
      import { onStopSignal } from ${moduleText}
      onStopSignal((signal, again) => { console.log(signal + ' ' + again); if (again) process.exit(7) })
      console.log('ready')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const exited = once(child, 'exit')
      const lines: string[] = []
      createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line))
      await eventually(() => lines.includes('ready'))
      child.kill('SIGINT')
      child.kill('SIGTERM')
      await eventually(() => lines.length > 1)
      // Repeated until it counts as asked again, which it does a second after the first.
      await eventually(() => {
        child.kill('SIGINT')
        return lines.length > 2
      }, { everyMs: 100 })
      expect((await exited)[0]).toBe(7)
      expect(lines).toEqual(['ready', expect.stringMatching(/^SIG(INT|TERM) false$/), 'SIGINT true'])
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('a program of ours', () => {
  test('learns that its parent is gone, also when that was killed', async () => {
    // Parent and child are processes of their own; the child ends only because it noticed.
    const childCode = `
      import { onParentGone } from ${moduleText}
      onParentGone(() => process.exit(0))
      process.send(process.pid)
      setInterval(() => {}, 1000)`
    const parentCode = `
      import { spawn } from 'node:child_process'
      const child = spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(childCode)}], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true })
      child.on('message', (pid) => process.send(pid))`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', parentCode], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const [pid] = (await once(parent, 'message')) as [number]
    const identity = processIdentity(pid)
    expect(identity).toBeDefined()
    parent.kill('SIGKILL')
    await eventually(() => processIdentity(pid) !== identity)
  })

  test('is not kept alive by that alone', async () => {
    const code = `import { onParentGone } from ${moduleText}; onParentGone(() => {})`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    expect((await once(child, 'exit'))[0]).toBe(0)
  })
})
