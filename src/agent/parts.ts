/** The parts of one agent process [115], made when the realm was joined and ended together. `agent.ts` runs its life cycle over them. */
import type { RealmState } from '../../machines/realm/realm.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Election } from '../election/election.ts'
import { startExecutor } from '../executor/executor.ts'
import type { HoldingEnded } from '../lane/holding.ts'
import { startLaneHost } from '../lane/host.ts'
import { type Leader, startLeader } from '../leader/leader.ts'
import { type Keeper, directKeeper } from '../presence/keeper.ts'
import { type OwnPresence, startPresence } from '../presence/presence.ts'
import type { TransitionListener } from '../process/host.ts'
import { RealmRefused, newerThan } from '../realm/founding.ts'
import { type OwnRealmStanding, followRealm } from '../realm/standing.ts'
import { RealmView } from '../realm/view.ts'
import { archivedLanes, startFromSnapshots } from '../realm/view-start.ts'
import { type OwnSiteDirectory, followSites } from '../sites/directory.ts'
import type { AgentContext, Executing, LaneHosting } from './context.ts'
import { watchedLog } from './incarnation-watch.ts'
import { OwnConfiguration } from './own-configuration.ts'
import { type AgentOptions, CannotGoOn } from './running-agent.ts'

export interface Parts {
  readonly context: AgentContext
  readonly presence: OwnPresence
  readonly lanes: LaneHosting
  readonly executing: Executing
  readonly sites: OwnSiteDirectory
  readonly realm: OwnRealmStanding
  readonly keeper: Keeper
  readonly configuration: OwnConfiguration
  /** From when it may campaign on: generic agents only. */
  leading: Leading | undefined
  /** From the first campaign on. */
  election: Election | undefined
}

export interface Leading {
  readonly view: RealmView
  readonly leader: Leader
}

export interface PartsDeps {
  readonly options: AgentOptions
  /** The realm as it was read. */
  readonly joined: RealmState
  readonly subjects: Subjects
  readonly newestFormat: number
  readonly report: TransitionListener
  /** The agent cannot go on. */
  readonly fail: (error: Error) => void
  /** A later leader was seen. */
  readonly superseded: (epoch: number) => void
  /** A round of the leader does not end. */
  readonly stuck: () => void
}

export type LeadingDeps = Pick<PartsDeps, 'options' | 'report' | 'superseded' | 'stuck'>

export function assembleParts({ options, joined, subjects, newestFormat, report, fail, superseded, stuck }: PartsDeps): Parts {
  const { constants } = joined
  const { agent, role, region, skills, build, coordinator, clock, random, logger, within = {} } = options
  const failpoint = within.failpoint === undefined ? {} : { failpoint: within.failpoint }
  const endFor = (why: HoldingEnded) => fail(new CannotGoOn(`the log does not allow this program to go on (${why}): start it again`))
  const realm = followRealm(coordinator.log, subjects, joined, fail)
  realm.onChange(() => {
    const newer = newerThan(realm.state, newestFormat)
    if (newer !== undefined) fail(new RealmRefused(newer))
  })
  const context: AgentContext = { agent, role, region, skills, build, coordinator: { ...coordinator, log: watchedLog(coordinator.log, endFor) }, subjects, clock, random, constants, realm, newestFormat, logger }
  const keeper = options.keeper ?? directKeeper({ agents: coordinator.agents, lease: coordinator.lease }, clock)
  const presence = startPresence({ context, keeper, onTransition: report })
  const lanes = startLaneHost(context, presence, {
    onTransition: report,
    onFatal: endFor,
    ...failpoint,
  })
  const sites = followSites(coordinator.log, subjects, fail, within.adapterOf)
  const executing = startExecutor(context, presence, sites, within.lanes?.(lanes) ?? lanes, { working: false, ...failpoint, ...(options.locks === undefined ? {} : { locks: options.locks }) })
  const configuration = new OwnConfiguration(coordinator.config, agent)
  // Begins to read the log early: an election is not to wait for that.
  const leading = role === 'generic' ? prepareToLead(context, { options, report, superseded, stuck }) : undefined
  return { context, presence, lanes, executing, sites, realm, keeper, configuration, leading, election: undefined }
}

export function prepareToLead(context: AgentContext, { options, report, superseded, stuck }: LeadingDeps): Leading {
  const snapshots = options.snapshotTimes === undefined ? {} : { snapshots: options.snapshotTimes }
  const balance = options.balanceTimes === undefined ? {} : { balance: options.balanceTimes }
  const { adapterOf: given } = options.within ?? {}
  const adapterOf = given === undefined ? {} : { adapterOf: given }
  const lanes = context.realm.state.lanes.map(({ lane }) => lane)
  const view = new RealmView(context.coordinator.log, context.subjects, startFromSnapshots(context, lanes), archivedLanes(context))
  return { view, leader: startLeader({ context, view, ...snapshots, ...balance, ...adapterOf, onSuperseded: superseded, onStuck: stuck, onTransition: report }) }
}

/** Ends all of them without a word, as a crash does; nothing where there are none yet. */
export async function abandonParts(parts: Parts | undefined): Promise<void> {
  if (parts === undefined) return
  parts.election?.abandon()
  parts.leading?.leader.stop()
  parts.executing.abandon()
  parts.lanes.abandon()
  parts.presence.abandon()
  await parts.keeper.close()
  parts.configuration.stop()
  await parts.leading?.view.stop()
  await parts.sites.close()
  await parts.realm.close()
}
