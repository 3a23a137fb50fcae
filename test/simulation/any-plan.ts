/** The worlds that nothing bends: how much of everything there is, and which faults, by the chance of the seed. */
import type { FencingClass } from '../../src/sites/adapter.ts'
import type { Dice } from './dice.ts'
import type { WorldPlan } from './plan.ts'

/** From chance of their own. */
type Later = 'unordered' | 'hotLanes' | 'peaceful' | 'services' | 'changes' | 'triggers' | 'format' | 'heardWithinMs'

/** From chance of its own: worlds without services are what they were. */
export function withServices(plan: Omit<WorldPlan, Later>, dice: Dice): Omit<WorldPlan, 'unordered' | 'hotLanes' | 'peaceful'> {
  const services = dice.pick([0, 0, 0, 1, 2, 2])
  const asks = services > 0
  const often = (probability: number, least: number, most: number) => (dice.chance(probability) ? dice.whole(least, most) : undefined)
  return {
    ...plan,
    services,
    changes: asks ? dice.whole(1, 6) : 0,
    triggers: asks && dice.chance(0.4) ? dice.whole(1, 3) : 0,
    format: dice.chance(0.1) ? 1 : 2,
    heardWithinMs: undefined,
    nemesis: {
      ...plan.nemesis,
      configureEveryMs: often(0.15, 1_000, 4_000),
      quarantineEveryMs: often(0.1, 3_000, 8_000),
      snapshotsGoneEveryMs: often(0.2, 1_000, 4_000),
      aims: dice.chance(0.7),
      wiped: [...plan.nemesis.wiped, 'config'],
    },
  }
}

export function anyPlan(dice: Dice): Omit<WorldPlan, Later> {
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
    windowSizes: [2, 4, 8],
    mostJobs: 30,
    smooth: dice.pick([0, 0.8, 0.98]),
    faultsUntilMs: dice.whole(8_000, 25_000),
    skewMs: some(0.5, () => dice.pick([200, 2_000, 20_000]), 0),
    drift: some(0.5, () => dice.pick([0.0001, 0.01]), 0),
    network: {
      latencyMs: dice.pick([0.3, 2, 20]),
      lost: some(0.6, () => dice.pick([0.005, 0.05, 0.2]), 0),
      doubled: some(0.6, () => dice.pick([0.01, 0.1, 0.3]), 0),
      late: some(0.6, () => dice.pick([0.01, 0.1, 0.3]), 0),
      latestMs: dice.pick([100, 2_000, 12_000]),
      alarmLost: 0.2,
      alarmLate: 0.2,
      alarmDoubled: 0.2,
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
      cutLeastMs: 200,
      cutMs: dice.pick([1_000, 4_000, 15_000]),
      cutNoticed: 0.5,
      cutSites: 0.3,
      serverStopEveryMs: every(0.25, 4_000, 10_000),
      stopEveryMs: every(0.3, 3_000, 8_000),
      moveLaneEveryMs: every(0.5, 500, 5_000),
      siteFaultEveryMs: every(0.5, 500, 4_000),
      failpoint: some(0.5, () => dice.pick([0.002, 0.02]), 0),
      aims: false,
      twins: dice.chance(0.3),
      leaderlessAtMs: undefined,
      configureEveryMs: undefined,
      quarantineEveryMs: undefined,
      snapshotsGoneEveryMs: undefined,
      alarmsGoneEveryMs: 7_000,
      wipeEveryMs: every(0.1, 1_000, 6_000),
      wiped: ['lease', 'agents', 'mappings'],
      sickAtMs: every(0.07, 500, 10_000),
      deafAtMs: undefined,
      muteAtMs: undefined,
      archiveEveryMs: undefined,
      restoreAtMs: every(0.07, 500, 10_000),
    },
    sites: Array.from({ length: dice.whole(1, 3) }, (_, index) => ({
      site: `site-${index + 1}`,
      fencing: dice.pick<FencingClass>(['enforced', 'enforced', 'recorded', 'none']),
      latencyMs: dice.pick([2, 50, 1_500]),
    })),
  }
}
