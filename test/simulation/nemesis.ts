/** What goes wrong from outside, as the plan says, until the faults stop; then everything is repaired and stays so. */
import type { Dice } from './dice.ts'
import { bystander } from './network.ts'
import type { WorldProgram } from './program.ts'
import type { World } from './world.ts'

export function startNemesis(world: World, dice: Dice): void {
  const { nemesis, faultsUntilMs } = world.plan
  const often = (everyMs: number | undefined, strike: () => void) => {
    if (everyMs === undefined) return
    const next = () => {
      world.time.after(dice.between(0.2, 1.8) * everyMs, () => {
        if (world.calm) return
        strike()
        next()
      })
    }
    next()
  }
  const later = (leastMs: number, mostMs: number, task: () => void) => world.time.after(dice.between(leastMs, mostMs), task)
  const restart = (entry: WorldProgram) => {
    if (entry.running === undefined) world.start(entry)
  }

  often(nemesis.killEveryMs, () => {
    const entry = dice.pick(world.programs)
    if (entry.running === undefined) return
    world.kill(entry.process, entry.coordinator)
    later(50, 8_000, () => restart(entry))
  })
  often(nemesis.pauseEveryMs, () => {
    const entry = dice.pick(world.programs)
    const { process } = entry
    if (process.state !== 'running') return
    world.say(process.name, 'paused')
    process.pause()
    const suspended = dice.chance(0.3)
    if (nemesis.twins && dice.chance(0.3)) later(100, 4_000, () => process.state === 'paused' && entry.process === process && twin(entry))
    later(100, dice.pick([1_000, 5_000, 15_000]), () => {
      world.say(process.name, suspended ? 'resumed, its machine had been suspended' : 'resumed')
      process.resume(suspended)
    })
  })
  const twin = (entry: WorldProgram) => {
    world.say(entry.process.name, 'stays frozen while the agent is started anew')
    world.frozen.push(entry.process)
    world.start(entry)
  }
  often(nemesis.cutEveryMs, () => {
    const name = dice.pick([...world.programs.map(({ process }) => process.name), ...world.otherClients])
    const reach = dice.chance(nemesis.cutNoticed) ? 'disconnected' : 'silent'
    world.say(name, `cut off: ${reach}`)
    world.realm.setReach(name, reach)
    // The site may be cut off with it.
    if (dice.chance(nemesis.cutSites)) for (const site of world.sites.values()) site.cut(name)
    later(nemesis.cutLeastMs, nemesis.cutMs, () => {
      world.say(name, 'joined again')
      world.realm.setReach(name, 'connected')
      for (const site of world.sites.values()) site.join(name)
    })
  })
  often(nemesis.serverStopEveryMs, () => {
    world.say('server', 'stopped')
    world.realm.stop()
    // Only a window for the checkers; it asks the server for nothing.
    world.realm.setReach(bystander, 'connected')
    later(200, 8_000, () => {
      world.say('server', 'started')
      world.realm.start()
    })
  })
  often(nemesis.stopEveryMs, () => {
    const entry = dice.pick(world.programs)
    if (entry.running === undefined) return
    world.say(entry.process.name, 'told to stop')
    void entry.running.stop()
  })
  often(nemesis.moveLaneEveryMs, () => world.moveLane(dice))
  often(nemesis.siteFaultEveryMs, () => dice.pick([...world.sites.values()]).trouble())

  often(nemesis.wipeEveryMs, () => world.wipe(dice))
  if (world.plan.triggers > 0) often(nemesis.alarmsGoneEveryMs, () => world.realm.deleteAlarms())
  often(nemesis.configureEveryMs, () => world.administrator.planAnything(dice.pick(world.agents).agent))
  often(nemesis.snapshotsGoneEveryMs, () => void world.onlooker.spoilSnapshot(dice))
  often(nemesis.archiveEveryMs, () => world.archivist.archive(dice.pick(world.lanes)))
  often(nemesis.quarantineEveryMs, () => {
    world.administrator.quarantine()
    later(500, 5_000, () => world.administrator.release())
  })
  if (nemesis.leaderlessAtMs !== undefined) {
    world.time.after(nemesis.leaderlessAtMs, () => {
      world.say('world', 'nobody can lead')
      world.network.leaderless = true
    })
  }
  // One program after another, the last when the faults stop.
  for (const { agent } of world.programs) if (world.old.has(agent)) later(0, 2 * faultsUntilMs, () => world.upgrade(agent))
  if (nemesis.restoreAtMs !== undefined) world.time.after(nemesis.restoreAtMs, () => world.restore())
  if (nemesis.deafAtMs !== undefined) {
    world.time.after(nemesis.deafAtMs, () => {
      world.network.deaf = dice.pick(world.agents.filter(({ role }) => role === 'generic')).agent
      world.say(world.network.deaf, 'is deaf: no grant reaches it any more')
    })
  }
  if (nemesis.muteAtMs !== undefined) {
    world.time.after(nemesis.muteAtMs, () => {
      world.network.mute = dice.pick(world.agents.filter(({ role }) => role === 'generic')).agent
      world.say(world.network.mute, 'is mute: it asks for no job any more')
    })
  }
  if (nemesis.sickAtMs !== undefined) {
    world.time.after(nemesis.sickAtMs, () => {
      world.network.sick = dice.pick(world.agents.filter(({ role }) => role === 'generic')).agent
      world.say(world.network.sick, 'is sick: its appends are not answered any more')
    })
  }

  world.time.after(faultsUntilMs, () => {
    world.say('world', 'faults stop')
    world.calm = true
    world.network.calm()
    world.realm.start()
    for (const site of world.sites.values()) site.calm()
    if (nemesis.wipeEveryMs !== undefined) world.wipe(dice)
    if (nemesis.quarantineEveryMs !== undefined) world.administrator.release()
    if (nemesis.configureEveryMs !== undefined) for (const { agent } of world.agents) world.administrator.planNothing(agent)
    for (const { agent } of world.programs) world.upgrade(agent)
    for (const process of world.frozen) process.resume(false)
    for (const entry of world.programs) {
      entry.process.resume(false)
      restart(entry)
    }
  })
}
