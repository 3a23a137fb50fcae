/** Connections of one service to the managed sites; opened when first needed, closed when a site changes or goes. */
import type { SiteConfiguration } from '../../machines/service/model.ts'
import type { SiteState } from '../../machines/site/site.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { type SiteAdapter, type SiteConnection, type SiteRecord, SiteUnreachable } from '../sites/adapter.ts'
import { UnknownSiteKind } from '../sites/registry.ts'

interface Opened {
  readonly record: SiteRecord
  readonly connection: SiteConnection
}

export interface SitesOptions {
  readonly clock: Clock
  readonly readMs: number
  /** Throws `UnknownSiteKind`. */
  readonly adapterOf: (kind: string) => SiteAdapter
}

export class Sites {
  readonly #options: SitesOptions
  readonly #opened = new Map<string, Opened>()

  constructor(options: SitesOptions) {
    this.#options = options
  }

  /** To a site that is managed; undefined where this build has no adapter for it. Closed once the site's record has changed. */
  connection(site: SiteState): SiteConnection | undefined {
    try {
      const { opened, former } = this.#open(site)
      void former?.connection.close()
      return opened.connection
    } catch (error) {
      if (error instanceof SiteUnreachable) return undefined
      throw error
    }
  }

  /** The whole actual configuration. Throws `SiteUnreachable`, also when it takes too long or this build has no adapter for it. */
  async read(site: SiteState): Promise<SiteConfiguration> {
    const { opened, former } = this.#open(site)
    await former?.connection.close()
    return this.#readFrom(opened)
  }

  #open({ site, kind, address, region }: SiteState): { readonly opened: Opened; readonly former?: Opened } {
    const former = this.#opened.get(site)
    if (former !== undefined && former.record.kind === kind && former.record.address === address) return { opened: former }
    const record = { site, kind, address, region }
    const opened = { record, connection: this.#adapterFor(record).connect(record) }
    this.#opened.set(site, opened)
    return former === undefined ? { opened } : { opened, former }
  }

  #adapterFor(record: SiteRecord): SiteAdapter {
    try {
      return this.#options.adapterOf(record.kind)
    } catch (cause) {
      if (!(cause instanceof UnknownSiteKind)) throw cause
      throw new SiteUnreachable(`site ${record.site} is of kind ${record.kind}, which this build has no adapter for: use a build that has`, { cause })
    }
  }

  /** Of a site that is not managed (yet): the connection is closed again. Throws as `read`. */
  async tryOut(record: SiteRecord): Promise<SiteConfiguration> {
    const connection = this.#adapterFor(record).connect(record)
    try {
      return await this.#readFrom({ record, connection })
    } finally {
      await connection.close()
    }
  }

  async forget(site: string): Promise<void> {
    const opened = this.#opened.get(site)
    this.#opened.delete(site)
    await opened?.connection.close()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened.keys()].map((site) => this.forget(site)))
  }

  #readFrom({ record, connection }: Opened): Promise<SiteConfiguration> {
    const { clock, readMs } = this.#options
    const abort = new AbortController()
    return new Promise((resolve, reject) => {
      const timer = clock.after(readMs, () => {
        abort.abort()
        reject(new SiteUnreachable(`site ${record.site} at ${record.address} did not answer within ${readMs} ms; is it running?`))
      })
      connection
        .read(abort.signal)
        .then(resolve, reject)
        .finally(() => timer.cancel())
    })
  }
}
