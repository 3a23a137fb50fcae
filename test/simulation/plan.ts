/** What a seed means: how large its world is, and what goes wrong in it. Every kind of fault is off in some worlds, so that none hides another. */
import type { FencingClass } from '../../src/sites/adapter.ts'
import type { Dice } from './dice.ts'

export interface NetworkPlan {
  readonly latencyMs: number
  /** Per message and recipient. */
  readonly lost: number
  readonly doubled: number
  readonly late: number
  readonly latestMs: number
}

export interface StorePlan {
  readonly requestLost: number
  readonly answerLost: number
  readonly late: number
  readonly refused: number
  readonly readLost: number
  readonly lagMs: number
}

export interface NemesisPlan {
  /** Mean time between two of each kind, milliseconds; undefined: never. */
  readonly killEveryMs: number | undefined
  readonly pauseEveryMs: number | undefined
  readonly cutEveryMs: number | undefined
  /** Longest that a client is cut off. */
  readonly cutMs: number
  readonly serverStopEveryMs: number | undefined
  /** Told to stop gracefully, and started again. */
  readonly stopEveryMs: number | undefined
  readonly moveLaneEveryMs: number | undefined
  readonly siteFaultEveryMs: number | undefined
  /** Chance that a named failpoint kills or pauses whoever passes it. */
  readonly failpoint: number
  /** A restart beside a process that is only frozen (P20). */
  readonly twins: boolean
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
  /** Part of the groups that have a window. */
  readonly windows: number
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

export function planOf(dice: Dice): WorldPlan {
  const focus = dice.pick(['none', 'none', 'none', 'cut-off', 'moving'] as const)
  const plan = anyPlan(dice)
  switch (focus) {
    case 'none':
      return plan
    // Executors that go on beside their successors at sites that do not fence: only the waits of P18 and P19 keep them apart.
    case 'cut-off':
      return {
        ...plan,
        agents: Math.max(3, plan.agents),
        windows: 0.9,
        faultsUntilMs: plan.faultsUntilMs + 15_000,
        nemesis: { ...plan.nemesis, pauseEveryMs: undefined, serverStopEveryMs: undefined, twins: false, cutEveryMs: 2_500, cutMs: 16_000 },
        sites: plan.sites.map((site) => ({ ...site, fencing: 'none', latencyMs: 1_500 })),
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

function anyPlan(dice: Dice): WorldPlan {
  const some = <T>(probability: number, value: () => T, otherwise: T): T => {
    const drawn = value()
    return dice.chance(probability) ? drawn : otherwise
  }
  const every = (probability: number, least: number, most: number) => some<number | undefined>(probability, () => dice.whole(least, most), undefined)
  const agents = dice.whole(2, 5)
  return {
    agents,
    skilled: dice.pick([0, 0, 1, 2]),
    lanes: dice.whole(1, 3),
    groups: dice.whole(2, 7),
    windows: dice.pick([0, 0.3, 0.9]),
    faultsUntilMs: dice.whole(8_000, 25_000),
    skewMs: some(0.5, () => dice.pick([200, 2_000, 20_000]), 0),
    drift: some(0.5, () => dice.pick([0.0001, 0.01]), 0),
    network: {
      latencyMs: dice.pick([0.3, 2, 20]),
      lost: some(0.6, () => dice.pick([0.005, 0.05, 0.2]), 0),
      doubled: some(0.6, () => dice.pick([0.01, 0.1, 0.3]), 0),
      late: some(0.6, () => dice.pick([0.01, 0.1, 0.3]), 0),
      latestMs: dice.pick([100, 2_000, 12_000]),
    },
    store: {
      requestLost: some(0.4, () => dice.pick([0.005, 0.05]), 0),
      answerLost: some(0.5, () => dice.pick([0.005, 0.05, 0.2]), 0),
      late: some(0.4, () => dice.pick([0.01, 0.1]), 0),
      refused: some(0.4, () => dice.pick([0.01, 0.1]), 0),
      readLost: some(0.4, () => dice.pick([0.005, 0.05]), 0),
      lagMs: some(0.5, () => dice.pick([5, 500]), 0),
    },
    nemesis: {
      killEveryMs: every(0.6, 1_500, 8_000),
      pauseEveryMs: every(0.5, 2_000, 8_000),
      cutEveryMs: every(0.5, 2_000, 8_000),
      cutMs: dice.pick([1_000, 4_000, 15_000]),
      serverStopEveryMs: every(0.25, 4_000, 10_000),
      stopEveryMs: every(0.3, 3_000, 8_000),
      moveLaneEveryMs: every(0.5, 500, 5_000),
      siteFaultEveryMs: every(0.5, 500, 4_000),
      failpoint: some(0.5, () => dice.pick([0.002, 0.02]), 0),
      twins: dice.chance(0.3),
    },
    sites: Array.from({ length: dice.whole(1, 3) }, (_, index) => ({
      site: `site-${index + 1}`,
      fencing: dice.pick<FencingClass>(['enforced', 'enforced', 'recorded', 'none']),
      latencyMs: dice.pick([2, 50, 1_500]),
    })),
  }
}
