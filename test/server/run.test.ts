import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers } from 'nats'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { processIdentity } from '../../src/platform/process.ts'
import { NatsServerError } from '../../src/server/errors.ts'
import { startNatsServer, type NatsServer, type NatsServerOptions } from '../../src/server/run.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-ports.ts'
import { programOfVersion, realNatsServer, shellProgram } from './program.ts'

let program: string
let folder: string
const started: NatsServer[] = []

beforeAll(async () => {
  program = await realNatsServer()
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-server-'))
})

afterEach(async () => {
  for (const server of started.splice(0)) await server.stop()
  await rm(folder, { recursive: true, force: true })
})

async function start(options: Partial<NatsServerOptions> = {}): Promise<NatsServer> {
  const server = await startNatsServer({ clock: systemClock, program, folder: join(folder, 'nats'), ...options })
  started.push(server)
  return server
}

async function failure(options: Partial<NatsServerOptions> = {}): Promise<NatsServerError> {
  const error: unknown = await start(options).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(NatsServerError)
  expect((error as Error).message).not.toContain('\n')
  return error as NatsServerError
}

describe('an embedded nats-server', () => {
  test('keeps what it acknowledged over a restart, on a port of its choice, and says that it syncs (I8)', async () => {
    const first = await start()
    expect(first.synced).toBe(true)
    const connection = await connect({ servers: first.url })
    await (await jetstreamManager(connection)).streams.add({ name: 'KEPT', subjects: ['kept'] })
    await jetstream(connection).publish('kept', 'one', { headers: headers() })
    await connection.close()
    await first.stop()
    expect(processIdentity(first.pid)).toBeUndefined()

    const second = await start()
    const again = await connect({ servers: second.url })
    const stream = await (await jetstreamManager(again)).streams.info('KEPT')
    await again.close()
    expect(stream.state.messages).toBe(1)
  })

  test('listens on the loopback interface alone, at the port that was asked for', async () => {
    const port = await freePort()
    const server = await start({ port })
    expect(server.url).toBe(`nats://127.0.0.1:${port}`)
    const configuration = await readFile(join(folder, 'nats', 'nats-server.conf'), 'utf8')
    expect(configuration).toContain('sync_interval: always')
    const pages = (await (await fetch(`${server.monitoringUrl}/varz`)).json()) as { host: string; http_host: string }
    expect(pages).toMatchObject({ host: '127.0.0.1', http_host: '127.0.0.1' })
  })

  test('stops twice as well as once', async () => {
    const server = await start()
    await Promise.all([server.stop(), server.stop()])
    await server.stop()
    await expect(server.exited).resolves.toBeDefined()
  })

  test('that is killed is reported, and may be started again', async () => {
    const server = await start()
    process.kill(server.pid, 'SIGKILL')
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
    const again = await start()
    expect(again.pid).not.toBe(server.pid)
  })

  test('that does not stop when asked is ended by force', async () => {
    const server = await start()
    process.kill(server.pid, 'SIGSTOP')
    await server.stop(200)
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('ends with the program that started it, also when that is killed', async () => {
    const { starter, pid } = await startElsewhere()
    const identity = processIdentity(pid)
    expect(identity).toBeDefined()
    starter.kill('SIGKILL')
    await eventually(() => expect(processIdentity(pid)).not.toBe(identity))
    await start()
  })

  test('that was left behind, where the system could not end it, is ended before the next one starts', async () => {
    const nats = join(folder, 'nats')
    await mkdir(nats, { recursive: true })
    const orphan = spawn('sleep', ['600'], { stdio: 'ignore' })
    const ended = once(orphan, 'exit')
    await writeFile(join(nats, 'process.json'), JSON.stringify({ pid: orphan.pid, identity: processIdentity(orphan.pid!) }))
    await start()
    expect((await ended)[1]).toBe('SIGTERM')
  })

  test('leaves a process alone that only has the number of one left behind', async () => {
    const nats = join(folder, 'nats')
    await mkdir(nats, { recursive: true })
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' })
    try {
      await writeFile(join(nats, 'process.json'), JSON.stringify({ pid: stranger.pid, identity: 'another boot/1' }))
      await start()
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
    } finally {
      stranger.kill('SIGKILL')
    }
  })
})

describe('one clear line when', () => {
  test('the port is taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    try {
      const { port } = holder.address() as AddressInfo
      const error = await failure({ port })
      expect(error).toMatchObject({ problem: 'port-taken', retryable: true, message: expect.stringContaining(`port ${port} on 127.0.0.1 is taken`) })
    } finally {
      holder.close()
    }
  })

  test('the data folder is in use', async () => {
    await start()
    const error = await failure()
    expect(error).toMatchObject({ problem: 'data-folder-in-use', message: expect.stringContaining(join(folder, 'nats')) })
    expect(error.message).toContain(`process ${process.pid}`)
  })

  test('the program is too old', async () => {
    const old = await programOfVersion(join(folder, 'old'), '2.9.10')
    const error = await failure({ program: old })
    expect(error).toMatchObject({ problem: 'too-old', message: expect.stringContaining(`nats-server 2.9.10 at ${old} is too old: needs 2.14 or later;`) })
    // Nothing stays locked.
    await start()
  })

  test('the program ends at once: with what it said', async () => {
    const broken = await shellProgram(join(folder, 'broken'), 'if [ "$1" = --version ]; then echo "nats-server: v2.15.1"; else echo "nats-server: no disk" >&2; exit 1; fi')
    expect(await failure({ program: broken })).toMatchObject({ problem: 'did-not-start', message: expect.stringContaining('nats-server: no disk') })
  })

  test('the program never gets ready', async () => {
    const silent = await shellProgram(join(folder, 'silent'), 'if [ "$1" = --version ]; then echo "nats-server: v2.15.1"; else exec sleep 600; fi')
    expect(await failure({ program: silent, startDeadlineMs: 300 })).toMatchObject({
      problem: 'did-not-start',
      message: expect.stringContaining('was not ready within'),
    })
  })

  test('the server does not sync every write, whatever its configuration said (I8)', async () => {
    // The real server, with our setting taken out of the configuration behind our back.
    const weak = await shellProgram(
      join(folder, 'weak'),
      `if [ "$1" = -c ]; then sed -i 's/sync_interval: always/sync_interval: "10s"/' "$2"; fi\nexec ${program} "$@"`,
    )
    expect(await failure({ program: weak })).toMatchObject({ problem: 'not-synced', message: expect.stringContaining(weak) })
  })
})

/** Another process of Node that starts the server of this test's folder and tells its process id. */
async function startElsewhere() {
  const code = `
    import { startNatsServer } from ${JSON.stringify(new URL('../../src/server/run.ts', import.meta.url).href)}
    import { systemClock } from ${JSON.stringify(new URL('../../src/platform/clock.ts', import.meta.url).href)}
    const server = await startNatsServer({ clock: systemClock, program: ${JSON.stringify(program)}, folder: ${JSON.stringify(join(folder, 'nats'))} })
    process.send(server.pid)
    setInterval(() => {}, 1000)`
  const starter = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [pid] = (await once(starter, 'message')) as [number]
  return { starter, pid }
}
