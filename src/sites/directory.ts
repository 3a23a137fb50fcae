/**
 * Connections to the sites in the scope of management: follows the log's site events, opens a connection when it is first
 * needed, and replaces it when the site's record has changed.
 *
 * 1. `connection` speaks of a site only while it is managed, and only by the latest record that was read.
 * 2. A connection is closed once its record is gone, never while it may still be asked for.
 */
import { type SiteEvent, type SiteState, absentSite, foldSite } from '../../machines/site/site.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type Subjects, parseEventSubject } from '../../streams/subjects.ts'
import type { SiteDirectory } from '../agent/context.ts'
import type { SiteConnection } from './adapter.ts'
import { UnknownSiteKind, adapterOf } from './registry.ts'

export interface OwnSiteDirectory extends SiteDirectory {
  /** Everything that was in the log when this was called is known when it resolves. Throws `Unavailable`. */
  current(): Promise<void>
  /** Has each managed site opened by its adapter; kinds for which this build has none, sorted. Opening does no I/O. */
  adaptersAnswered(): readonly string[]
  /** The scope of management changed. */
  onChange(listener: () => void): void
  /** Ends following and closes every connection. Idempotent. */
  close(): Promise<void>
}

interface Open {
  readonly connection: SiteConnection
  readonly revision: number
}

export function followSites(log: EventLog, subjects: Subjects, onBroken: (error: Error) => void, adapterFor = adapterOf): OwnSiteDirectory {
  const sites = new Map<string, SiteState>()
  const open = new Map<string, Open>()
  const listeners = new Set<() => void>()
  const waiting: { readonly position: number; readonly resolve: () => void }[] = []
  const ending = new AbortController()
  let position = 0

  const closeWhere = (site: string) => {
    const stale = open.get(site)
    open.delete(site)
    void stale?.connection.close()
  }
  const follow = async () => {
    for await (const batch of log.read({ subjects: [subjects.allOf('site')], from: 1, signal: ending.signal })) {
      for (const message of batch) {
        const at = parseEventSubject(subjects.realm, message.subject)
        if (at?.kind !== 'site') continue
        const state = sites.get(at.id) ?? absentSite(at.id)
        sites.set(at.id, state)
        for (const commit of decodeTurn(message.bytes).commits) for (const event of commit.events) foldSite(state, event as SiteEvent)
        closeWhere(at.id)
        position = message.position
      }
      for (let index = waiting.length - 1; index >= 0; index--) {
        if (waiting[index]!.position <= position) waiting.splice(index, 1)[0]!.resolve()
      }
      for (const listener of listeners) listener()
    }
  }
  const following = follow().catch((error: unknown) => {
    if (!ending.signal.aborted) onBroken(error as Error)
  })

  const connectionTo = (site: string): SiteConnection | undefined => {
    const state = sites.get(site)
    if (state === undefined || !state.managed) return undefined
    const known = open.get(site)
    if (known !== undefined) return known.connection
    try {
      const { kind, address, region } = state
      const connection = adapterFor(kind).connect({ site, kind, address, region })
      open.set(site, { connection, revision: state.revision })
      return connection
    } catch (error) {
      if (error instanceof UnknownSiteKind) return undefined
      throw error
    }
  }

  return {
    connection: connectionTo,
    adaptersAnswered() {
      const without = new Set<string>()
      for (const { site, kind, managed } of sites.values()) if (managed && connectionTo(site) === undefined) without.add(kind)
      return [...without].sort()
    },
    async current() {
      let last = 0
      const end = await log.end()
      for await (const batch of log.read({ subjects: [subjects.allOf('site')], from: position + 1, until: end, signal: ending.signal })) {
        last = batch[batch.length - 1]!.position
      }
      if (last > position) await new Promise<void>((resolve) => waiting.push({ position: last, resolve }))
    },
    onChange(listener) {
      listeners.add(listener)
    },
    async close() {
      ending.abort()
      await following
      const closing = [...open.values()].map(({ connection }) => connection.close())
      open.clear()
      for (const { resolve } of waiting.splice(0)) resolve()
      await Promise.allSettled(closing)
    },
  }
}
