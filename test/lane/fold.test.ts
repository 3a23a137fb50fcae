/** Folding a lane, and giving that up. */
import { expect, it } from 'vitest'
import { foldOn, unfoldedLane } from '../../src/lane/fold.ts'
import { logWith } from '../../streams/ports/event-log.ts'
import { Stage, lane, subjects } from './stage.ts'

it('one that was given up folds nothing more, also of what it has read already (seed 700000487)', async () => {
  const stage = new Stage()
  await stage.found()
  await stage.hold('a')
  for (let opened = 0; opened < 3; opened++) await stage.openFor('a')
  const { log } = stage.asker
  const stopping = new AbortController()
  let handed = 0
  const given = logWith(log, {
    async *read(options) {
      for await (const batch of log.read(options)) {
        handed += batch.length
        stopping.abort()
        yield batch
      }
    },
  })
  const folded = unfoldedLane(lane, stage.state.constants)
  await stage.drive(foldOn(given, stage.clock, subjects.lane(lane), folded, stopping.signal))
  expect(handed).toBeGreaterThan(3)
  expect(folded.tail.position).toBe(0)
  await stage.drive(foldOn(log, stage.clock, subjects.lane(lane), folded, new AbortController().signal))
  expect(folded.state.groups.size).toBe(3)
  await stage.end()
})
