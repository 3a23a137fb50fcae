/** What the parts of a service are given. */
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Logger } from '../agent/context.ts'
import type { GroupOpener } from '../change/group-opener.ts'
import type { LaneLoads } from '../change/lane-loads.ts'
import type { LaneClient } from '../lane/client.ts'
import type { LaneRates } from '../realm/lane-rates.ts'
import type { RealmView } from '../realm/view.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import type { DirectExecutor } from './direct.ts'
import type { Machines } from './machines.ts'
import type { Projection } from './projection.ts'
import type { SilentExecutors } from './silent-executors.ts'
import type { Sites } from './sites.ts'

export interface ServiceTimings {
  /** Longest reading of one site. */
  readonly siteReadMs: number
  /** How long a command for a lane is repeated while its holder does not answer. */
  readonly laneAnswerMs: number
  /** Between two looks for groups that nobody goes on opening. */
  readonly continueMs: number
  /** Longest wait for the result of a change in mode `direct`. */
  readonly directAnswerMs: number
  /** How long requests in hand may go on when the service stops. */
  readonly stopGraceMs: number
}

export const defaultTimings: ServiceTimings = {
  siteReadMs: 8_000,
  laneAnswerMs: 15_000,
  continueMs: 2_000,
  directAnswerMs: 20_000,
  stopGraceMs: 2_000,
}

export interface ServicePorts {
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Id of this service. */
  readonly service: string
  readonly build: string
  /** Of sites that are added without one. */
  readonly region: string
  readonly timings: ServiceTimings
  /** Throws `UnknownSiteKind`. */
  readonly adapterOf: (kind: string) => SiteAdapter
  readonly lanes: LaneClient
  /** Aborted when the service stops. */
  readonly signal: AbortSignal
}

export interface ServiceContext extends ServicePorts {
  readonly view: RealmView
  readonly loads: LaneLoads
  readonly rates: LaneRates
  readonly projection: Projection
  readonly sites: Sites
  readonly opener: GroupOpener
  readonly machines: Machines
  readonly silent: SilentExecutors
  readonly direct: DirectExecutor
}
