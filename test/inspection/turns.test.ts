/** Which transitions get a line: a timer's turn that changed nothing, again, gets none. */
import { expect, test } from 'vitest'
import { Turns } from '../../src/inspection/turns.ts'
import type { HeardTransition } from '../../src/inspection/transitions.ts'

function watched() {
  const shown: string[] = []
  const tasks = new Set<() => void>()
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after(_delayMs: number, task: () => void) {
      tasks.add(task)
      return { cancel: () => void tasks.delete(task) }
    },
  }
  const turns = new Turns(clock, ({ agent, event, to }) => void shown.push(`${agent} ${event} ${String(to)}`))
  const hear = (from: string, event: string, to: string, more: Partial<HeardTransition> = {}) =>
    turns.heard({ agent: 'a1', instance: 'i', machine: 'leader', number: 1, from, event, to, atMs: 0, missed: 0, ...more })
  const round = (...through: readonly string[]) => {
    const states = ['watching', ...through, 'watching']
    states.slice(1).forEach((to, index) => hear(states[index]!, index === 0 ? 'xstate.after.reconcileMs.leader.leading.watching' : `to-${to}`, to))
  }
  return {
    turns,
    hear,
    round,
    /** What was shown since the last look. */
    seen: () => shown.splice(0),
    late: () => [...tasks].forEach((task) => task()),
    waiting: () => tasks.size,
  }
}

test('the first turn is shown, those that go like it are not, and one that goes otherwise is', () => {
  const { round, seen, waiting } = watched()
  round('collecting', 'comparing')
  expect(seen()).toHaveLength(3)
  round('collecting', 'comparing')
  round('collecting', 'comparing')
  expect(seen()).toEqual([])
  round('collecting', 'comparing', 'placing', 'pushing')
  expect(seen().map((line) => line.split(' ').at(-1))).toEqual(['collecting', 'comparing', 'placing', 'pushing', 'watching'])
  expect(waiting()).toBe(0)
})

test('what something else than a timer began is shown each time, also where it ends as it began', () => {
  const { hear, seen } = watched()
  for (let time = 0; time < 3; time++) {
    hear('idle', 'Trigger', 'running')
    hear('running', 'Done', 'idle')
  }
  expect(seen()).toHaveLength(6)
})

test('a turn that does not come to its end is shown when its time is over; machines do not wait for one another', () => {
  const { hear, round, seen, late } = watched()
  round('collecting')
  seen()
  hear('watching', 'xstate.after.reconcileMs.x', 'collecting')
  hear('watching', 'Stop', 'idle', { agent: 'a2' })
  expect(seen()).toEqual(['a2 Stop idle'])
  late()
  expect(seen()).toEqual(['a1 xstate.after.reconcileMs.x collecting'])
  hear('collecting', 'Failed', 'waiting')
  expect(seen()).toEqual(['a1 Failed waiting'])
})

test('a gap is never passed over, and what is held is shown at the end', () => {
  const { turns, hear, round, seen, waiting } = watched()
  round('collecting')
  seen()
  hear('watching', 'xstate.after.reconcileMs.x', 'collecting')
  hear('comparing', 'Compared', 'watching', { missed: 1 })
  expect(seen()).toHaveLength(2)
  hear('watching', 'xstate.after.reconcileMs.x', 'collecting')
  turns.close()
  expect(seen()).toHaveLength(1)
  expect(waiting()).toBe(0)
})
