/**
 * The canonical model of what a site holds (services [130]). Every adapter reads its site into this; desired and actual
 * configuration are both shown in it.
 */
export interface Service {
  /** The site's own stable id. */
  readonly id: string
  /** Any Unicode text. */
  readonly name: string
  readonly kind: 'desktop' | 'application' | 'machine'
  readonly delivery: 'hosted' | 'streamed' | 'local'
  /** Path of folders, outermost first, joined by "/"; "" at the top. */
  readonly folder: string
  /** Group of services, where it is part of one. */
  readonly group: string | null
  readonly power: 'on' | 'off' | 'suspended' | 'unknown'
  readonly maintenance: boolean
  /** Fixed by an administrator, fixed at first access, pooled for a group of users. */
  readonly assignment: 'fixed' | 'first-access' | 'pooled'
  /** Users assigned (by an administrator or by the site itself), sorted. */
  readonly users: readonly string[]
  /** Groups of users who may use it, sorted. */
  readonly userGroups: readonly string[]
  readonly sessions: readonly Session[]
}

export interface Session {
  readonly id: string
  readonly user: string
  readonly state: 'active' | 'disconnected'
  /** Integer milliseconds since the Unix epoch; null where the site does not say. */
  readonly sinceMs: number | null
}

export interface SiteConfiguration {
  readonly site: string
  /** Sorted by id (code units). */
  readonly services: readonly Service[]
}
