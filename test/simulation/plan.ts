/** What a seed means: how large its world is, and what goes wrong in it. Every kind of fault is off in some worlds, so that none hides another. */
import type { FencingClass } from '../../src/sites/adapter.ts'
import { anyPlan, withServices } from './any-plan.ts'
import type { Dice } from './dice.ts'
import type { NetworkPlan, StorePlan } from './trouble.ts'

export interface NemesisPlan {
  /** Mean time between two of each kind, milliseconds; undefined: never. */
  readonly killEveryMs: number | undefined
  readonly pauseEveryMs: number | undefined
  readonly cutEveryMs: number | undefined
  /** Shortest and longest that a client is cut off. */
  readonly cutLeastMs: number
  readonly cutMs: number
  /** Part of the cuts that the client's library notices. */
  readonly cutNoticed: number
  /** Chance that the sites are cut off with it. */
  readonly cutSites: number
  readonly serverStopEveryMs: number | undefined
  /** Told to stop gracefully, and started again. */
  readonly stopEveryMs: number | undefined
  readonly moveLaneEveryMs: number | undefined
  readonly siteFaultEveryMs: number | undefined
  /** Chance that a named failpoint kills or pauses whoever passes it. */
  readonly failpoint: number
  /** Whether some failpoints are aimed at, to kill who passes them, also once the faults have stopped. */
  readonly aims: boolean
  /** A restart beside a process that is only frozen (P20). */
  readonly twins: boolean
  /** From then on, until the faults stop, nothing that is written of the lease arrives: nobody leads (I7). */
  readonly leaderlessAtMs: number | undefined
  /** Plans of agents change [608]. */
  readonly configureEveryMs: number | undefined
  /** Quarantines begin, and end some seconds later. */
  readonly quarantineEveryMs: number | undefined
  /** Snapshots are deleted or damaged (I11). */
  readonly snapshotsGoneEveryMs: number | undefined
  /** Deletes the alarms that are set (I11). */
  readonly alarmsGoneEveryMs: number | undefined
  /** Deletes what is derived: lease, presence or mappings (I11). */
  readonly wipeEveryMs: number | undefined
  readonly wiped: readonly ('lease' | 'agents' | 'mappings' | 'config')[]
  /** From then on, for good, the appends of one agent are never answered (P7). */
  readonly sickAtMs: number | undefined
  /** From then on, for good, nothing that holders of lanes grant reaches one agent, whose own words go on (I9). */
  readonly deafAtMs: number | undefined
  readonly muteAtMs: number | undefined
  /** A lane is archived, also one that is under load; not in a realm that is restored, which a simulated one is without its archives. */
  readonly archiveEveryMs: number | undefined
  /** When the realm gets its next incarnation (P12). */
  readonly restoreAtMs: number | undefined
}

export interface SitePlan {
  readonly site: string
  readonly fencing: FencingClass
  /** Longest that a call takes at the site, milliseconds. */
  readonly latencyMs: number
}

export interface WorldPlan {
  /** Of those that may lead. */
  readonly agents: number
  /** Of those with the skill for the sites. */
  readonly skilled: number
  readonly lanes: number
  readonly groups: number
  /** Part of the groups that have a window, and which windows there are. */
  readonly windows: number
  readonly windowSizes: readonly number[]
  /** Part of the groups that have no order. */
  readonly unordered: number
  /** Most jobs of a group. */
  readonly mostJobs: number
  /** Groups are opened in so many of the lanes, and lanes are balanced by the little that a world does; undefined: in all, and they are not. */
  readonly hotLanes: number | undefined
  /** Nothing goes wrong: how lanes are balanced can be judged. */
  readonly peaceful: boolean
  /** Part of the jobs that no site has a reason to refuse. */
  readonly smooth: number
  /** Service interfaces; none: nobody asks through one. */
  readonly services: number
  /** Asked for through services. */
  readonly changes: number
  readonly triggers: number
  /** Of the realm when it is founded; in one of format 1 every program is of a build that knows no other, until it is upgraded. */
  readonly format: 1 | 2
  /** Set where appends and messages come in time: how late everybody hears what stands in the log, milliseconds. */
  readonly heardWithinMs: number | undefined
  readonly faultsUntilMs: number
  readonly skewMs: number
  readonly drift: number
  readonly network: NetworkPlan
  readonly store: StorePlan
  readonly nemesis: NemesisPlan
  readonly sites: readonly SitePlan[]
}

/** Milliseconds; presence and calls are shorter than by default, so that a world meets their ends often. */
export const constants = { presenceMs: 3_000, siteCallDeadlineMs: 2_000, clockSkewMs: 60_000, commandMemoryMs: 7 * 24 * 60 * 60 * 1000 }

/**
 * What a world is bent to, so that it meets often what is rare in others. `any` bends nothing; without a name the seed chooses, most
 * often `any`.
 */
export const focuses = ['any', 'cut-off', 'back-in-time', 'stopping', 'moving', 'frozen', 'wiped', 'sick', 'restored', 'leaders', 'bad-sites', 'enforced', 'asked', 'triggers', 'quarantine', 'planned', 'upgraded', 'leaderless', 'deaf', 'restored-in-peace', 'unordered', 'mute', 'archived', 'uneven'] as const
export type Focus = (typeof focuses)[number]
/** The last of these were added when seeds were recorded already: they are chosen by chance of their own, so that other worlds are what they were. */
const later = ['deaf', 'restored-in-peace'] as const

export function planOf(dice: Dice, focus?: Focus): WorldPlan {
  const chosen = dice.pick(['any', 'any', 'any', 'any', 'any', 'any', 'any', 'any', ...focuses.slice(1, -later.length - 4)] as const)
  const laterDice = dice.stream('later')
  const laterChosen = laterDice.chance(0.04 * later.length) ? laterDice.pick(later) : undefined
  const own = dice.stream('unordered')
  const unordered = own.pick([0, 0, 0.2, 0.6])
  const mine = own.chance(0.04) ? 'unordered' : dice.stream('mute').chance(0.03) ? 'mute' : dice.stream('archived').chance(0.04) ? 'archived' : dice.stream('uneven').chance(0.02) ? 'uneven' : undefined
  const hot = dice.stream('hot')
  const hotLanes = hot.chance(0.2) ? hot.whole(1, 2) : undefined
  return bend({ ...withServices(anyPlan(dice), dice.stream('services')), unordered, hotLanes, peaceful: false }, focus ?? laterChosen ?? mine ?? chosen)
}

function bend(plan: WorldPlan, focus: Focus): WorldPlan {
  const quiet: NetworkPlan = { ...plan.network, latencyMs: 2, lost: 0, late: 0 }
  const sound: StorePlan = { requestLost: 0, answerLost: 0, late: 0, refused: 0, readLost: 0, lagMs: 0 }
  const still: NemesisPlan = { ...plan.nemesis, killEveryMs: undefined, pauseEveryMs: undefined, serverStopEveryMs: undefined, stopEveryMs: undefined, siteFaultEveryMs: undefined, failpoint: 0, aims: false, twins: false, wipeEveryMs: undefined, sickAtMs: undefined, deafAtMs: undefined, muteAtMs: undefined, restoreAtMs: undefined }
  const slow = plan.sites.map((site) => ({ ...site, fencing: 'none', latencyMs: 1_500 }) as const)
  switch (focus) {
    case 'any':
      return plan
    // Executors that go on beside their successors at slow sites that do not fence: only the waits of P18 keep them apart.
    case 'cut-off':
      return {
        ...plan,
        agents: Math.max(4, plan.agents),
        windows: 0.9,
        windowSizes: [8, 16],
        mostJobs: 40,
        smooth: 0.98,
        groups: 8,
        faultsUntilMs: plan.faultsUntilMs + 20_000,
        network: quiet,
        store: sound,
        nemesis: { ...still, moveLaneEveryMs: undefined, cutEveryMs: 5_000, cutLeastMs: 6_000, cutMs: 16_000, cutSites: 0 },
        sites: slow,
      }
    // Back just when the presence is lost and a call still runs (P17, P19).
    case 'back-in-time':
      return {
        ...plan,
        agents: Math.max(4, plan.agents),
        windows: 0.5,
        windowSizes: [4, 8],
        mostJobs: 20,
        smooth: 0.98,
        groups: 8,
        faultsUntilMs: plan.faultsUntilMs + 20_000,
        network: quiet,
        store: sound,
        nemesis: { ...still, moveLaneEveryMs: undefined, cutEveryMs: 2_500, cutLeastMs: 2_000, cutMs: 4_000, cutNoticed: 0.2, cutSites: 0 },
        sites: slow,
      }
    // Told to stop in the middle of slow calls (P19).
    case 'stopping':
      return {
        ...plan,
        agents: Math.max(4, plan.agents),
        windows: 0.5,
        groups: 8,
        smooth: 0.98,
        network: quiet,
        store: sound,
        nemesis: { ...still, moveLaneEveryMs: undefined, cutEveryMs: undefined, stopEveryMs: 1_500 },
        sites: slow,
      }
    // Processes that stand still for longer than lease and presence, and are started anew beside their former selves (P18, P20).
    case 'frozen':
      return {
        ...plan,
        smooth: 0.98,
        groups: 8,
        nemesis: { ...still, cutEveryMs: undefined, pauseEveryMs: 1_200, twins: true },
        sites: plan.sites.map((site) => ({ ...site, latencyMs: 1_500 })),
      }
    case 'wiped':
      return { ...plan, agents: Math.max(3, plan.agents), nemesis: { ...plan.nemesis, wipeEveryMs: 1_500 } }
    case 'sick':
      return { ...plan, agents: Math.max(3, plan.agents), nemesis: { ...still, cutEveryMs: undefined, sickAtMs: 2_000 } }
    case 'restored':
      return { ...plan, agents: Math.max(3, plan.agents), nemesis: { ...plan.nemesis, restoreAtMs: 4_000, killEveryMs: 2_000, moveLaneEveryMs: 1_000 } }
    // One leader after another, and what they say comes late (P27).
    case 'leaders':
      return {
        ...plan,
        agents: Math.max(4, plan.agents),
        lanes: 1,
        groups: 12,
        network: { ...quiet, late: 0.3, latestMs: 4_000 },
        nemesis: { ...still, cutEveryMs: undefined, moveLaneEveryMs: undefined, wipeEveryMs: 900, wiped: ['lease'] },
      }
    // Calls that hang, are slow beyond their time, or whose answers are lost (P23).
    case 'bad-sites':
      return {
        ...plan,
        groups: 8,
        smooth: 0.98,
        nemesis: { ...still, cutEveryMs: undefined, moveLaneEveryMs: undefined, siteFaultEveryMs: 300 },
        sites: slow,
      }
    // Late calls and calls that run on, at sites that enforce tokens (P22).
    case 'enforced':
      return {
        ...plan,
        groups: 8,
        smooth: 0.98,
        windows: 0.3,
        nemesis: { ...still, cutEveryMs: undefined, pauseEveryMs: 3_000, failpoint: 0.05, siteFaultEveryMs: 200 },
        sites: plan.sites.map((site) => ({ ...site, fencing: 'enforced', latencyMs: 1_500 }) as const),
      }
    // Much is asked through services that die, also between the steps of an opening and in the middle of direct changes.
    case 'asked':
      return {
        ...plan,
        services: 2,
        changes: 12,
        groups: 2,
        faultsUntilMs: plan.faultsUntilMs + 10_000,
        nemesis: { ...plan.nemesis, killEveryMs: 1_000, failpoint: 0.01 },
      }
    // Quarantines, in a network that bounds how late everybody hears of them.
    case 'quarantine':
      return {
        ...plan,
        groups: 8,
        smooth: 0.98,
        format: 2,
        heardWithinMs: 200,
        faultsUntilMs: plan.faultsUntilMs + 10_000,
        network: quiet,
        store: sound,
        nemesis: { ...still, cutEveryMs: undefined, killEveryMs: 4_000, quarantineEveryMs: 3_000 },
        sites: plan.sites.map((site) => ({ ...site, latencyMs: 200 })),
      }
    // Nobody can win or keep the lease for a long time, and there is work.
    case 'leaderless':
      return {
        ...plan,
        services: 0,
        groups: 12,
        mostJobs: 60,
        smooth: 0.98,
        format: 2,
        faultsUntilMs: 40_000,
        network: quiet,
        store: sound,
        nemesis: { ...still, cutEveryMs: undefined, moveLaneEveryMs: undefined, configureEveryMs: undefined, quarantineEveryMs: undefined, leaderlessAtMs: 12_000 },
        sites: slow,
      }
    // Nothing but the restoration ends a process (P12).
    case 'restored-in-peace':
      return { ...plan, agents: Math.max(3, plan.agents), nemesis: { ...still, cutEveryMs: undefined, moveLaneEveryMs: undefined, restoreAtMs: 4_000 } }
    case 'deaf':
      return { ...plan, agents: Math.max(3, plan.agents), skilled: 0, groups: 6, smooth: 0.98, nemesis: { ...still, cutEveryMs: undefined, deafAtMs: 3_000 } }
    case 'mute':
      return { ...plan, agents: Math.max(3, plan.agents), skilled: 0, groups: 6, smooth: 0.98, nemesis: { ...still, cutEveryMs: undefined, moveLaneEveryMs: undefined, muteAtMs: 3_000 } }
    // What is old leaves the log, while holders change, services start anew and snapshots are lost.
    case 'archived':
      return {
        ...plan,
        agents: Math.max(3, plan.agents),
        services: Math.max(1, plan.services),
        changes: 6,
        groups: 6,
        format: 2,
        faultsUntilMs: plan.faultsUntilMs + 10_000,
        nemesis: { ...plan.nemesis, sickAtMs: undefined, restoreAtMs: undefined, archiveEveryMs: 900, killEveryMs: 2_500, moveLaneEveryMs: 2_000, snapshotsGoneEveryMs: 2_000 },
      }
    case 'planned':
      return { ...plan, agents: Math.max(3, plan.agents), skilled: Math.max(1, plan.skilled), format: 2, nemesis: { ...plan.nemesis, configureEveryMs: 1_500, snapshotsGoneEveryMs: 1_500, wipeEveryMs: 3_000, wiped: ['config'] } }
    // Programs of an older build are replaced one by one, and the realm rises.
    case 'upgraded':
      return { ...plan, agents: Math.max(3, plan.agents), services: Math.max(1, plan.services), changes: 4, format: 1, nemesis: { ...plan.nemesis, sickAtMs: undefined } }
    // Nominal times of every kind, leaders that die, alarms that come late or never.
    case 'triggers':
      return {
        ...plan,
        agents: Math.max(3, plan.agents),
        services: Math.max(1, plan.services),
        changes: 1,
        triggers: 4,
        groups: 2,
        faultsUntilMs: 130_000,
        nemesis: { ...plan.nemesis, wipeEveryMs: plan.nemesis.wipeEveryMs ?? 4_000, wiped: ['lease'] },
      }
    // Many jobs of one group in flight at once, at several executors that die, stand still, and come back.
    case 'unordered':
      return {
        ...plan,
        agents: Math.max(4, plan.agents),
        unordered: 0.9,
        windows: 0.3,
        smooth: 0.9,
        groups: 6,
        mostJobs: 60,
        format: 2,
        network: { ...plan.network, late: 0.1, latestMs: 2_000, doubled: 0.1 },
        nemesis: { ...plan.nemesis, killEveryMs: 3_000, pauseEveryMs: 4_000, cutEveryMs: 4_000, sickAtMs: undefined, restoreAtMs: undefined },
        sites: plan.sites.map((site) => ({ ...site, latencyMs: 400 })),
      }
    // Nothing goes wrong, and all the work lies in some of the lanes (docs/lanes.md).
    case 'uneven':
      return {
        ...plan,
        agents: 4,
        skilled: 0,
        services: 0,
        lanes: 6,
        hotLanes: 3,
        peaceful: true,
        groups: 12,
        mostJobs: 400,
        windows: 0,
        smooth: 1,
        format: 2,
        faultsUntilMs: 4_000,
        network: { ...quiet, doubled: 0 },
        store: sound,
        nemesis: { ...still, cutEveryMs: undefined, moveLaneEveryMs: undefined, configureEveryMs: undefined, quarantineEveryMs: undefined, snapshotsGoneEveryMs: undefined },
        sites: plan.sites.map((site) => ({ ...site, fencing: 'none', latencyMs: 150 }) as const),
      }
    // Holders that were replaced and do not know it, and askers that do not know more than they.
    case 'moving':
      return {
        ...plan,
        agents: Math.max(3, plan.agents),
        lanes: 1,
        store: { ...plan.store, lagMs: 1_500 },
        nemesis: { ...plan.nemesis, cutEveryMs: 1_500, cutMs: 5_000, moveLaneEveryMs: 700 },
      }
  }
}
