/** Ctrl-C while an answer is waited for. */
import { expect, it } from 'vitest'
import { CommandEnd, exitCodes } from '../../src/command-line/exit.ts'
import { eventually } from '../support/eventually.ts'
import { answered, nothingAsked, perhapsCarriedOut } from '../../src/command-line/interrupted.ts'

const listeners = () => process.listenerCount('SIGINT')

it('an answer that comes is the answer, and nothing listens any more', async () => {
  const before = listeners()
  expect(await answered(nothingAsked, async () => 7)).toBe(7)
  await expect(answered(nothingAsked, async () => Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError)
  expect(listeners()).toBe(before)
})

it.each(['SIGINT', 'SIGTERM'] as const)('%s before it: exit code 130 with the line that says what may have happened', async (signal) => {
  const before = listeners()
  let given: AbortSignal | undefined
  const waiting = answered(nothingAsked, (asking) => ((given = asking), new Promise(() => {})))
  process.emit(signal)
  const error = await waiting.catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(CommandEnd)
  expect(error).toMatchObject({ exitCode: exitCodes.interrupted, message: nothingAsked, more: [] })
  expect(given!.aborted).toBe(true)
  // The launcher repeats what the terminal has sent to both: that must not end the program before it has said its line.
  expect(listeners()).toBe(before + 1)
  process.emit(signal)
  await eventually(() => listeners() === before, { what: 'nobody listening any more', withinMs: 10_000 })
})

it('names the command that settles one of a group', () => {
  expect(perhapsCarriedOut('01ARZ', 'here-1-01B')).toContain('"reeve command withdraw 01ARZ --group here-1-01B"')
})
