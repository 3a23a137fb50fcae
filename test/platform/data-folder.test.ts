import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeFolder } from '../../src/platform/folders.ts'
import { dataFolderAt, FolderInUse, lockFolder, type FolderLock } from '../../src/platform/data-folder.ts'
import { FolderUnusable } from '../../src/platform/files.ts'

let folder: string
const locks: FolderLock[] = []
let other: ChildProcess | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-folder-'))
})

afterEach(async () => {
  for (const lock of locks.splice(0)) lock.release()
  other?.kill('SIGKILL')
  other = undefined
  await rm(folder, { recursive: true, force: true })
})

async function lock(): Promise<FolderLock> {
  const taken = await lockFolder(folder)
  locks.push(taken)
  return taken
}

/** Another process that holds the lock. */
async function lockedElsewhere(): Promise<ChildProcess> {
  const module = new URL('../../src/platform/data-folder.ts', import.meta.url).href
  const code = `
    import { lockFolder } from ${JSON.stringify(module)}
    globalThis.held = await lockFolder(${JSON.stringify(folder)})
    process.send('locked')
    setInterval(() => {}, 1000)`
  other = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(other, 'message')
  return other
}

test('folders with the same missing parents are made at once by several', async () => {
  for (let round = 0; round < 20; round++) {
    const names = Array.from({ length: 8 }, (_, index) => join(folder, `${round}`, 'a', 'b', `${index}`))
    await Promise.all([...names, ...names].map((name) => makeFolder(name)))
    for (const name of names) expect((await stat(name)).isDirectory()).toBe(true)
  }
})

describe('the lock on a data folder (P20)', () => {
  test('of what is no folder, or where nobody may make one, is refused in one line', async () => {
    const file = join(folder, 'a-file')
    await writeFile(file, '')
    for (const no of [file, join(file, 'below')]) await expect(lockFolder(no)).rejects.toThrow(/^data folder .* is a file, or lies in one: name a folder$/)
    for (const no of ['/proc/nope', '/proc/nope/deeper']) {
      await expect(lockFolder(no)).rejects.toThrow(/^data folder .* cannot be used \([A-Z]+\): choose a folder that this user may write$/)
    }
  })

  test.each([
    ['where nothing can be written', { code: 'ENOSPC' }],
    ['where the lock cannot', { code: 'ERR_SQLITE_ERROR', errcode: 13 }],
  ])('of a full disk, %s, is refused in one line that says so', (_, cause) => {
    expect(new FolderUnusable('/data', Object.assign(new Error('database or disk is full'), cause)).message).toBe('the disk of data folder /data is full: make room there')
  })

  test('that was damaged is named', async () => {
    await writeFile(join(folder, 'lock'), 'none of a lock, and longer than what one begins with'.repeat(100))
    await expect(lockFolder(folder)).rejects.toThrow(`the file lock of data folder ${folder} is damaged: remove it while nothing runs there`)
  })

  test('is held by one at a time, and given back', async () => {
    const first = await lock()
    await expect(lockFolder(folder)).rejects.toThrow(FolderInUse)
    first.release()
    first.release()
    await lock()
  })

  test('names the process that holds it', async () => {
    const holder = await lockedElsewhere()
    const error = await lockFolder(folder).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'FolderInUse', folder, holder: holder.pid, retryable: true })
    expect((error as Error).message).toContain(`process ${holder.pid}`)
  })

  test('is not kept by a process that was killed', async () => {
    const holder = await lockedElsewhere()
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await lock()
  })

  test('goes to exactly one of many that ask at once', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => lock()))
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1)
  })

  test('is one for each folder', async () => {
    await lock()
    locks.push(await lockFolder(dataFolderAt(folder).server))
  })
})
