/** The simulated site as a program of its own: `reeve simulated-site`. It stands for the proprietary service of the seed. */
import type { Clock } from '../../../streams/ports/clock.ts'
import { FolderInUse, lockFolder } from '../../platform/data-folder.ts'
import type { FolderLock } from '../../platform/data-folder.ts'
import { FolderUnusable } from '../../platform/files.ts'
import { startHttpServer } from '../../platform/http-server.ts'
import type { FencingClass } from '../adapter.ts'
import { CallDesk } from './calls.ts'
import { openJournal } from './journal.ts'
import { handlerOf } from './server.ts'
import { Store } from './store.ts'
import { Switches } from './switches.ts'

export interface SimulatedSiteOptions {
  /** Folder that holds the site's journal; created where needed, one process at a time. */
  readonly data: string
  readonly host?: string
  /** 0: a free one. */
  readonly port: number
  /** Shown by the site itself; of a site that exists, the first name stays. */
  readonly name: string
  /** Services that a new site begins with; a site that exists keeps its own. */
  readonly services: number
  readonly seed: string
  /** What the site does with tokens (I9). Of the run, not of the data. */
  readonly fencing: FencingClass
  readonly clock: Clock
  /** An unexpected error inside a request, which was answered with status 500. */
  readonly onError: (error: unknown) => void
}

export interface RunningSimulatedSite {
  readonly name: string
  readonly port: number
  /** To be given to `site add`, without what it says of fencing. */
  readonly address: string
  /** Services that it holds now. */
  readonly services: number
  /** Ends what runs (calls end as `lost`), closes the journal, frees the folder. Idempotent. */
  close(): Promise<void>
}

/** Throws `PortTaken`, `FolderInUse`, `FolderUnusable`, `JournalDamaged`. */
export async function runSimulatedSite(options: SimulatedSiteOptions): Promise<RunningSimulatedSite> {
  const host = options.host ?? '127.0.0.1'
  const { clock, fencing } = options
  const releases: (() => Promise<void>)[] = []
  const releaseAll = async () => {
    for (const release of releases.splice(0).reverse()) await release()
  }
  try {
    const lock = await lockData(options.data)
    releases.push(async () => lock.release())
    const store = new Store()
    const journal = await openJournal(options.data, (line) => store.fold(line))
    releases.push(() => journal.close())
    begin(store, journal.append, options)
    await journal.synced()

    const switches = new Switches()
    const stop = new AbortController()
    const calls = new CallDesk({ store, journal, switches, clock, fencing, stopping: stop.signal })
    const handler = handlerOf({ store, journal, switches, calls, clock, fencing, stopping: stop.signal })
    const server = await startHttpServer({ host, port: options.port, handler, onError: options.onError })
    releases.push(async () => {
      stop.abort()
      await server.close()
    })
    let closing: Promise<void> | undefined
    return {
      name: store.name,
      port: server.port,
      address: `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`,
      services: store.size,
      close: () => (closing ??= releaseAll()),
    }
  } catch (error) {
    await releaseAll()
    throw error
  }
}

async function lockData(folder: string): Promise<FolderLock> {
  try {
    return await lockFolder(folder)
  } catch (error) {
    throw error instanceof FolderInUse || error instanceof FolderUnusable ? error : new FolderUnusable(folder, error)
  }
}

/** Seeds a new site; ends the calls that the former process of this site left open. */
function begin(store: Store, append: Awaited<ReturnType<typeof openJournal>>['append'], options: SimulatedSiteOptions): void {
  const atMs = options.clock.nowMs()
  if (store.name === '') append({ type: 'created', format: 1, name: options.name, services: options.services, seed: options.seed, atMs })
  for (const call of store.openCalls()) append({ type: 'ended', call, outcome: { kind: 'lost' }, atMs })
}
