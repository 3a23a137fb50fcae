/** A process machine that has come to its end, while those around it go on signalling. */
import { expect, test, vi } from 'vitest'
import { setup } from 'xstate'
import { hostMachine } from '../../src/process/host.ts'
import { systemClock } from '../../src/platform/clock.ts'

const machine = setup({ types: { events: {} as { type: 'Stop' } }, actions: { end: () => {} } }).createMachine({
  id: 'short',
  initial: 'running',
  states: { running: { on: { Stop: 'over' } }, over: { type: 'final', entry: 'end' } },
})

test('what is signalled after the end is dropped, and said by nobody', () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
  let ended = 0
  // An effect of the end itself signals too.
  const hosted = hostMachine<typeof machine, { end: object }>({
    machine,
    input: undefined,
    clock: systemClock,
    effects: {
      end: () => {
        ended += 1
        hosted.send({ type: 'Stop' })
      },
    },
  })
  hosted.send({ type: 'Stop' })
  hosted.send({ type: 'Stop' })
  expect(hosted.state.value).toBe('over')
  hosted.stop()
  hosted.send({ type: 'Stop' })
  expect(ended).toBe(1)
  expect(warned).not.toHaveBeenCalled()
  warned.mockRestore()
})
