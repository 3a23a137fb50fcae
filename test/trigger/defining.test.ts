/** A definition that changes in the very moment in which somebody decides by the one before. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { defineTrigger } from '../../machines/trigger/decide.ts'
import { writeDefinition } from '../../src/trigger/defining.ts'
import { decideDueTimes } from '../../src/trigger/due.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { TriggerWorld, plain } from './world.ts'

let world: TriggerWorld

beforeEach(async () => {
  world = new TriggerWorld()
  await world.found()
})
afterEach(async () => {
  expect(await world.violations()).toEqual([])
  await world.end()
})

/** The end of the trigger's subject is read once somebody else was there. */
function afterOthers(before: () => Promise<void>): Pick<Coordinator, 'log' | 'bus'> {
  const { log, bus } = world.observer
  let first = true
  const last = async (subject: string) => {
    if (first) {
      first = false
      await before()
    }
    return log.last(subject)
  }
  const get = (port: typeof log, key: keyof typeof log) => (key === 'last' ? last : typeof port[key] === 'function' ? (port[key] as () => unknown).bind(port) : port[key])
  return { log: new Proxy(log, { get: (port, key) => get(port, key as keyof typeof log) }), bus }
}

const writing = (coordinator: Pick<Coordinator, 'log' | 'bus'>) => {
  const { subjects, clock, dice: random, view } = world
  return { coordinator, subjects, clock, random, view, signal: new AbortController().signal, actor: 'service:test' }
}

const define = (coordinator: Pick<Coordinator, 'log' | 'bus'>, atMs: readonly number[], by = writing(coordinator)) =>
  writeDefinition(by, {
    trigger: 'nightly',
    decide: (state, nowMs) => defineTrigger(state, { ...plain, when: { atMs } }, nowMs),
    actor: 'person:test',
  })

it('what is due is decided by the definition that stands when it is written, not by the one that was read (seed 126076914)', async () => {
  const soon = world.nowMs + 5_000
  await world.define('nightly', { when: { atMs: [soon] } })
  const others = afterOthers(async () => void (await define(world.observer, [soon - 2_000])))
  expect(await world.drive(decideDueTimes(writing(others), 'nightly', soon, 100))).toBe(false)
  expect(world.trigger('nightly').recent.map(({ atMs }) => atMs)).toEqual([soon - 2_000])
  await world.until('its run ends', () => world.ended('nightly'))
})

it('a time that somebody else defined meanwhile, and that is due by the clock of who asks, is decided before the definition changes again', async () => {
  const due = world.nowMs + 500
  const later = world.nowMs + 60_000
  const others = afterOthers(async () => void (await define(world.observer, [due])))
  const ahead = { ...writing(others), clock: { ...clockOf(world), nowMs: () => world.nowMs + 1_000 } }
  expect((await world.drive(define(others, [later], ahead))).kind).toBe('written')
  expect(world.trigger('nightly')).toMatchObject({ definition: { when: { atMs: [later] } }, recent: [{ atMs: due, verdict: 'run' }] })
  await world.until('its run ends', () => world.ended('nightly'))
  await world.remove('nightly')
})

const clockOf = ({ clock }: TriggerWorld): Clock => ({
  nowMs: () => clock.nowMs(),
  monotonicMs: () => clock.monotonicMs(),
  after: (delayMs, task) => clock.after(delayMs, task),
})
