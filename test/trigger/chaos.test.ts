/** Triggers of every kind while leaders die, alarms are late, lost and doubled, and appends are answered wrongly or not at all: seeded. */
import { expect, it } from 'vitest'
import type { TriggerDefinition } from '../../machines/trigger/definition.ts'
import { Dice } from '../simulation/dice.ts'
import { TriggerWorld, minuteMs, other, plain, rehearsal } from './world.ts'

const seeds = Array.from({ length: 16 }, (_, index) => index + 1)

function definitionOf(dice: Dice, nowMs: number): Partial<TriggerDefinition> {
  const once = Array.from({ length: dice.whole(1, 6) }, () => nowMs + dice.whole(1_000, 4 * minuteMs))
  const graceMs = dice.pick([0, 2_000, 60_000])
  return {
    when: {
      ...(dice.chance(0.6) ? { cron: { pattern: dice.pick(['* * * * *', '*/2 * * * *']), zone: 'Europe/Berlin' } } : { atMs: [...new Set(once)].sort((a, b) => a - b) }),
    },
    change: dice.chance(0.5) ? rehearsal : other,
    missed: dice.pick([{ action: 'run-now', graceMs }, { action: 'skip', graceMs }, { action: 'fail', graceMs }, { action: 'alternate', graceMs, change: other }] as const),
    overlap: dice.pick([{ action: 'skip' }, { action: 'queue', limit: 2 }, { action: 'replace' }] as const),
    monitoring: { timeoutMs: dice.whole(1_000, 60_000), heartbeatMs: dice.whole(1_000, 30_000), report: ['timeout', 'silent', 'blocked', 'failed', 'succeeded'] },
    ...(dice.chance(0.3) ? { priority: dice.whole(-100, 100) } : {}),
  }
}

it.each(seeds)('seed %i', async (seed) => {
  const dice = new Dice(`triggers ${seed}`)
  const world = new TriggerWorld()
  try {
    await world.found()
    world.callMs = dice.pick([10, 2_000, 8_000])
    world.readMs = dice.pick([0, 1_500])
    const triggers = Array.from({ length: 4 }, (_, index) => `t${index + 1}`)
    for (const trigger of triggers) await world.define(trigger, definitionOf(dice, world.nowMs))
    const faults = dice.stream('faults')
    world.faults.alarm = () => faults.pick<readonly number[]>([[0], [], [0, 0], [faults.whole(0, 90_000)], [5_000, 10]])
    world.faults.alarmWrite = () => faults.pick([undefined, { lose: 'request' as const }, { lose: 'answer' as const }])
    world.faults.append = () => {
      if (!faults.chance(0.1)) return { requestMs: faults.whole(0, 20), answerMs: faults.whole(0, 20) }
      return faults.pick([{ lose: 'answer' as const }, { lose: 'request' as const }, { refuse: 'busy' as const }, { requestMs: 6_000 }])
    }
    let agents = 0
    for (let strike = 0; strike < 8; strike++) {
      await world.pass(dice.whole(500, 40_000))
      const leader = world.leader()
      if (leader !== undefined) {
        await world.kill(leader.agent)
        world.generic(`n${(agents += 1)}`)
      }
      if (dice.chance(0.3)) {
        const trigger = dice.pick(triggers)
        if (world.trigger(trigger).phase === 'active') await world.suspend(trigger)
        else if (world.trigger(trigger).phase === 'suspended') await world.resume(trigger)
      }
      if (dice.chance(0.3)) world.realm.deleteAlarms()
      if (dice.chance(0.2)) {
        const trigger = dice.pick(triggers)
        await world.define(trigger, { ...plain, ...definitionOf(dice, world.nowMs), name: `changed ${strike}` })
      }
    }
    // From here on nothing goes wrong, and no further time falls due.
    delete world.faults.append
    delete world.faults.alarm
    delete world.faults.alarmWrite
    await world.pass(30_000)
    for (const trigger of triggers) if (world.trigger(trigger).phase === 'suspended') await world.resume(trigger)
    await world.until('somebody leads', () => world.leader() !== undefined, 60_000)
    await world.pass(2_000)
    for (const trigger of triggers) await world.define(trigger, { ...plain, name: 'over', when: { atMs: [world.nowMs + 9_000_000] } })
    await world.until('every run has ended', () => triggers.every((trigger) => world.trigger(trigger).waiting.length === 0 && (world.trigger(trigger).running === null || world.ended(trigger))), 900_000)
    expect(await world.violations()).toEqual([])
    expect(triggers.some((trigger) => world.groupsOf(trigger).length > 0)).toBe(true)
  } finally {
    await world.end()
  }
}, 180_000)
