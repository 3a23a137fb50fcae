import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { Supervised, type SupervisedOptions, forcedText } from '../../src/up/supervisor.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { cleanEnvironment } from '../command-line/reeve.ts'
import { eventually } from '../support/eventually.ts'
import { endAllOf, processesOf } from '../support/up-process.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-supervised-'))
})

afterEach(async () => {
  await endAllOf(folder)
  await rm(folder, { recursive: true, force: true })
})

const graceMs = 60_000
let timeIsOver: () => void
/** The time of grace is over when the test says so, whatever had happened before without having been heard of. */
const clock: Clock = {
  ...systemClock,
  after: (delayMs, task, slackMs) => {
    if (delayMs !== graceMs) return systemClock.after(delayMs, task, slackMs)
    timeIsOver = task
    return { cancel: () => {} }
  },
}

function supervised(onNotMade: SupervisedOptions['onNotMade'] = () => {}): Supervised {
  return new Supervised({
    name: 'site', clock, args: () => ['simulated-site', '--data', join(folder, 'site'), '--port', '0', '--name', 'Site', '--services', '1', '--seed', '1'],
    environment: cleanEnvironment(), logFile: join(folder, 'site.log'), onEnded: () => {}, onNotMade, onStopped: () => {}, onBack: () => {},
  })
}

async function started(): Promise<Supervised> {
  const site = supervised()
  await site.start()
  return site
}

const hasEnded = (pid: number) => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))

test('a program that had ended by itself before its time was over is not named, also where that is heard of only afterwards', async () => {
  const site = await started()
  const pid = site.pid!
  const stopped = site.stop(graceMs)
  // Nothing is heard of while this process does not come to it.
  while (!hasEnded(pid));
  timeIsOver()
  await stopped
  expect(site.forced).toBe(false)
  expect(forcedText([site], false)).toBeUndefined()
})

test('a frozen program is ended by force when its time is over, and named', async () => {
  const site = await started()
  process.kill(site.pid!, 'SIGSTOP')
  const stopped = site.stop(graceMs)
  timeIsOver()
  await stopped
  expect(site.forced).toBe(true)
  expect(forcedText([site], false)).toMatch(/ended by force: site;/)
})

test('a program that cannot be made for a while is tried again until it can, and that is said', async () => {
  let made = () => {}
  const notMade = new Promise<void>((resolve) => (made = resolve))
  const site = supervised(() => made())
  const log = join(folder, 'site.log')
  await site.start()
  const pid = site.pid!
  await rm(log)
  await mkdir(log)
  process.kill(pid, 'SIGKILL')
  await notMade
  expect(site.pid).toBeUndefined()
  await rm(log, { recursive: true })
  await eventually(() => site.pid !== undefined && site.pid !== pid, { what: 'the program, again' })
  await site.stop(graceMs)
})

test('a program that is told to stop while it starts: who waits for it waits no longer, and nothing of it runs', async () => {
  const site = supervised()
  const refused = expect(site.start()).rejects.toThrow(/^site: /)
  await site.stop(graceMs)
  await refused
  expect(site.pid).toBeUndefined()
  expect(processesOf(folder)).toEqual([])
})

test('a program that is told to stop before it starts is not started', async () => {
  const site = supervised()
  await site.stop(graceMs)
  await expect(site.start()).rejects.toThrow('site: it was told to stop before it started')
  expect(site.pid).toBeUndefined()
})
