/**
 * The sign of life of who makes an incarnation (docs/wire.md, "Realm"): he answers whoever asks, also while he writes nothing, as long as he
 * is connected. Not in the stream itself, where a late update would undo the last step.
 */
import { pause } from '../ports/clock.ts'
import type { Subjects } from '../subjects.ts'
import type { Link } from './link.ts'

/** Asked for so long, so that whoever connects again at this moment is heard. */
const askMs = 3_000
const askEveryMs = 250

/** Until it is stopped. */
export function sayMade(link: Link, subjects: Subjects, incarnation: number): { stop(): void } {
  const subscription = link.connection.subscribe(subjects.importing(incarnation), {
    callback: (error, message) => {
      if (error === null) message.respond('{}')
    },
  })
  return { stop: () => subscription.unsubscribe() }
}

/** True as soon as somebody answers. */
export async function askIfMade(link: Link, subjects: Subjects, incarnation: number): Promise<boolean> {
  const { clock } = link
  for (const untilMs = clock.monotonicMs() + askMs; clock.monotonicMs() < untilMs; await pause(clock, askEveryMs)) {
    const { kind } = await link.exchange(subjects.importing(incarnation), '', { timeoutMs: 1_000 })
    if (kind === 'answer') return true
  }
  return false
}
