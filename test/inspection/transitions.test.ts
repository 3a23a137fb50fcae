/** Transitions as they are heard: gaps are said, what is none is passed over. */
import { expect, test } from 'vitest'
import type { TransitionMessage } from '../../streams/agent-messages.ts'
import { toBytes } from '../../streams/coordination.ts'
import { stateText } from '../../src/inspection/state-text.ts'
import { Transitions, isMachine } from '../../src/inspection/transitions.ts'

const message = (number: number, more: Partial<TransitionMessage> = {}): TransitionMessage => ({
  agent: 'a1', instance: 'i1', machine: 'leader', number, from: 'idle', event: 'Go', to: 'busy', atMs: 1_800_000_000_000 + number, ...more,
})

function missed(...numbers: readonly TransitionMessage[]): readonly (number | undefined)[] {
  const transitions = new Transitions()
  return numbers.map((one) => transitions.heard(toBytes(one))?.missed)
}

test('a number that does not follow says how many are missing', () => {
  expect(missed(message(4), message(5), message(8), message(9))).toEqual([0, 0, 2, 0])
})

test('each machine of each agent is counted for itself', () => {
  expect(missed(message(1), message(1, { agent: 'a2' }), message(1, { machine: 'agent' }), message(2), message(3, { agent: 'a2' }))).toEqual([0, 0, 0, 0, 1])
})

test('a process that was started again counts from 1, and a gap at its beginning is said', () => {
  expect(missed(message(7), message(1), message(2))).toEqual([0, 0, 0])
  expect(missed(message(7), message(3, { instance: 'i2' }))).toEqual([0, 2])
})

test('a new instance of the same process counts on', () => {
  expect(missed(message(7), message(8, { instance: 'i2' }))).toEqual([0, 0])
})

test.each([
  ['no JSON', '{'],
  ['no object', '7'],
  ['null', 'null'],
  ['a state that is none', JSON.stringify(message(1, { to: 7 as never }))],
  ['a state too deep', JSON.stringify(message(1, { to: JSON.parse('{"a":'.repeat(40) + '"b"' + '}'.repeat(40)) }))],
  ['a number that is none', JSON.stringify(message(0))],
])('%s is passed over', (_what, text) => {
  expect(new Transitions().heard(new TextEncoder().encode(text))).toBeUndefined()
})

test('states in words', () => {
  expect(stateText('idle')).toBe('idle')
  expect(stateText({ elected: 'leading' })).toBe('elected.leading')
  expect(stateText({ running: { work: 'on', watch: { lamp: 'off' } } })).toBe('running.(work.on watch.lamp.off)')
})

test('a machine is meant by its own name or by that of its definition', () => {
  expect(isMachine(undefined, 'leader')).toBe(true)
  expect(isMachine('lane-holder', 'lane-holder-here-1')).toBe(true)
  expect(isMachine('lane-holder-here-1', 'lane-holder-here-1')).toBe(true)
  expect(isMachine('lane-holder-here-2', 'lane-holder-here-1')).toBe(false)
  expect(isMachine('agent', 'leader')).toBe(false)
})
