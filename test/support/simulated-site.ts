/** Starts simulated sites as processes of their own, as a realm meets them; `kill` is SIGKILL. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { FencingClass } from '../../src/sites/adapter.ts'
import type { JournalEntry, SwitchRequest } from '../../src/sites/simulated/protocol.ts'

export interface SimulatedSiteSettings {
  readonly name?: string
  readonly services?: number
  readonly seed?: string
  readonly fencing?: FencingClass
  readonly port?: number
  /** Of a former site, to start it again; absent: a new one, removed by `stop`. */
  readonly data?: string
}

export interface SimulatedSiteProcess {
  readonly pid: number
  readonly port: number
  readonly data: string
  /** Without what it says of fencing. */
  readonly address: string
  /** Address as an adapter takes it. */
  readonly adapterAddress: string
  request(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: any }>
  journal(): Promise<readonly JournalEntry[]>
  addSwitch(wanted: SwitchRequest): Promise<number>
  removeSwitches(): Promise<void>
  signal(name: NodeJS.Signals): void
  /** SIGKILL; resolves when the process is gone. Its data stays. */
  kill(): Promise<void>
  /** Ends it however it is and removes its data, unless it was given. Idempotent. */
  stop(): Promise<void>
}

export class SimulatedSiteNotStarted extends Error {
  override readonly name = 'SimulatedSiteNotStarted'
}

export async function startSimulatedSite(settings: SimulatedSiteSettings = {}): Promise<SimulatedSiteProcess> {
  const data = settings.data ?? (await mkdtemp(join(tmpdir(), 'reeve-simulated-')))
  const fencing = settings.fencing ?? 'enforced'
  const options = {
    data,
    port: settings.port ?? 0,
    name: settings.name ?? 'Test site',
    services: settings.services ?? 10,
    seed: settings.seed ?? '1',
    fencing,
  }
  const file = fileURLToPath(new URL('./simulated-site-process.ts', import.meta.url))
  const child = spawn(process.execPath, [file, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
    if (settings.data === undefined) await rm(data, { recursive: true, force: true })
  }
  try {
    const { port, address } = await firstLine(child)
    const request = async (method: string, path: string, body?: unknown) => {
      const answer = await fetch(`${address}${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      return { status: answer.status, body: (await answer.json()) as any }
    }
    return {
      pid: child.pid!,
      port,
      data,
      address,
      adapterAddress: fencing === 'enforced' ? address : `${address}?fencing=${fencing}`,
      request,
      journal: async () => (await request('GET', '/v1/journal')).body.calls,
      addSwitch: async (wanted) => (await request('POST', '/admin/switches', wanted)).body.id,
      removeSwitches: async () => void (await request('DELETE', '/admin/switches')),
      signal: (name) => void child.kill(name),
      kill: async () => {
        child.kill('SIGKILL')
        await exited
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function firstLine(child: ChildProcess): Promise<{ readonly port: number; readonly address: string }> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const said = JSON.parse(line)
    if (said.error) throw new SimulatedSiteNotStarted(said.error)
    return said
  }
  throw new SimulatedSiteNotStarted('the process ended without a word')
}
