/** `npm start`, as a service manager or a container ends it: the signal goes to npm alone. */
import { once } from 'node:events'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { RealmFolder, processesOf, spawnUp } from '../support/up-process.ts'

const clone = fileURLToPath(new URL('../..', import.meta.url))

test.each(['SIGTERM', 'SIGINT'] as const)('%s to the npm of `npm start` ends all that it started', async (signal) => {
  await using realm = await RealmFolder.create()
  // npm as it was installed, not the one that a script runs in.
  const path = (process.env['PATH'] ?? '').split(':').filter((part) => !part.includes('node_modules')).join(':')
  const running = spawnUp(realm.folder, ['--data', realm.data, '--nats-server', realm.natsServer], { PATH: `${path}:${dirname(process.execPath)}` }, ['npm', '--prefix', clone, 'start', '--'])
  await running.until('Ctrl-C ends it')
  running.child.kill(signal)
  await once(running.child, 'close')
  expect(running.out()).toMatch(/stopped; the data stays\n$/)
  expect(processesOf(realm.folder)).toEqual([])
})
