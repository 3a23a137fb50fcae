import { expect, test } from 'vitest'
import { type WaitingCommand, WaitingCommands } from '../../src/lane/waiting-commands.ts'

const item = (group: string, sizeBytes = 10) => ({ command: { group }, sizeBytes, answer: () => {} }) as unknown as WaitingCommand
const groupsOf = (items: readonly WaitingCommand[]) => items.map(({ command }) => command.group)

test('further ones have no room where there are too many', () => {
  const waiting = new WaitingCommands(2, 1_000)
  expect(['a', 'b', 'c'].map((group) => waiting.add(item(group)))).toEqual([true, true, false])
  expect(groupsOf(waiting.takeAll())).toEqual(['a', 'b'])
  expect(waiting.length).toBe(0)
  expect(waiting.add(item('c'))).toBe(true)
})

test('nor where they are too large together; a smaller one may have', () => {
  const waiting = new WaitingCommands(100, 100)
  expect(waiting.add(item('a', 60))).toBe(true)
  expect(waiting.add(item('b', 41))).toBe(false)
  expect(waiting.add(item('c', 40))).toBe(true)
})

test('what is put back stands first and takes its room again', () => {
  const waiting = new WaitingCommands(3, 100)
  waiting.add(item('a', 60))
  const [first] = waiting.takeAll()
  waiting.add(item('b', 60))
  waiting.putBack([first!])
  expect(waiting.add(item('c'))).toBe(false)
  expect(groupsOf(waiting.takeAll())).toEqual(['a', 'b'])
  expect(waiting.add(item('c', 100))).toBe(true)
})

test('of those that wait for an election the oldest go', () => {
  const waiting = new WaitingCommands(3, 100)
  for (const group of ['a', 'b', 'c', 'd']) waiting.addAsLast(item(group))
  expect(groupsOf(waiting.takeAll())).toEqual(['b', 'c', 'd'])
  for (const group of ['a', 'b', 'c']) waiting.addAsLast(item(group, 30))
  waiting.addAsLast(item('d', 80))
  expect(groupsOf(waiting.takeAll())).toEqual(['d'])
})
