/** An agent that is connected to a farther coordinator looks for a nearer one with room, from time to time [508]. */
import { type Clock, type Repeating, every } from '../../streams/ports/clock.ts'
import type { CoordinatorPlace } from '../../streams/ports/coordinator.ts'

export const nearerLookMs = 10_000

/** `onFound` is called each time that one answers, until the agent has moved. */
export function watchForNearer(place: CoordinatorPlace, clock: Clock, onFound: () => void): Repeating {
  let looking = false
  return every(clock, nearerLookMs, () => {
    if (place.nearest || looking) return
    looking = true
    void place.nearerAnswers().then((answers) => {
      looking = false
      if (answers && !place.nearest) onFound()
    })
  })
}
