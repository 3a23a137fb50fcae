/** What a fault test may ask of its realm, and the short times that it is founded with. */
import { type RealmConstants, defaultConstants } from '../../machines/realm/realm.ts'
import type { FencingClass } from '../../src/sites/adapter.ts'
import type { NatsClusterOptions } from '../support/nats-cluster.ts'
import type { NatsServerOptions } from '../support/nats-server.ts'
import type { SimulatedSiteSettings } from '../support/simulated-site.ts'

/** Facts of the realm, fixed at its founding. A call is given several times of what sites here are made to take, so that none is over because the machine is busy: such a job fails, and its group stops. */
export const shortTimes: RealmConstants = { ...defaultConstants, presenceMs: 3_000, siteCallDeadlineMs: 5_000 }

export interface AgentWanted {
  readonly id: string
  readonly role: 'generic' | 'skilled'
  readonly skills?: readonly string[]
  /** As a program of an older version: it goes no further than this format. */
  readonly newestFormat?: number
}

export const threeGenericTwoSkilled: readonly AgentWanted[] = [
  ...['g1', 'g2', 'g3'].map((id) => ({ id, role: 'generic' }) as const),
  ...['s1', 's2'].map((id) => ({ id, role: 'skilled', skills: ['simulated'] }) as const),
]

export interface RealmWanted {
  readonly agents?: readonly AgentWanted[]
  /** Simulated sites by id. */
  readonly sites?: Readonly<Record<string, SimulatedSiteSettings & { readonly fencing?: FencingClass }>>
  /** Of its founding; default: the newest. */
  readonly format?: number
  /** Of the service; as with agents. */
  readonly serviceNewestFormat?: number
  /** Three servers in place of one, behind gates. */
  readonly cluster?: NatsClusterOptions
  /** Of the one server. */
  readonly server?: NatsServerOptions
}

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}
