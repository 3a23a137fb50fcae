/** A child that says lines: its exit code is its own, and whoever stops reading ends it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LineProcess, startLineProcess } from '../../src/platform/line-process.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-lines-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function start(name: string, program: string): Promise<LineProcess> {
  const file = join(folder, name)
  await writeFile(file, program)
  return startLineProcess(file, [], { environment: process.env, workingFolder: folder })
}

test('a program whose output ends before its process does ends by itself: with its own exit code and all that it had to say', async () => {
  const child = await start('slow-exit.mjs', `
    import { closeSync } from 'node:fs'
    console.log('first')
    closeSync(1)
    setTimeout(() => {
      console.error('why')
      process.exitCode = 2
    }, 500)
    process.channel.unref()
  `)
  const lines: string[] = []
  for await (const line of child.lines) lines.push(line)
  expect(await child.exited).toEqual({ code: 2, signal: null })
  expect({ lines, errors: child.errors() }).toEqual({ lines: ['first'], errors: 'why\n' })
})

test('whoever stops reading ends it', async () => {
  const child = await start('endless.mjs', `setInterval(() => console.log('again'), 5)`)
  for await (const line of child.lines) {
    expect(line).toBe('again')
    break
  }
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
})
