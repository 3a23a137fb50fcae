/** A start that waits for something, such as space in the store of the log, is not to look like one that hangs. */
import type { Clock } from '../../streams/ports/clock.ts'
import { hint, styled } from '../command-line/output.ts'
import type { Supervised } from './supervisor.ts'

/** Several times what a start takes on two busy cores. */
export const slowMs = 15_000

/** Resolves as `starting`; says once, when that takes long, who is not ready yet. */
export async function sayingWhoIsSlow<Started>(clock: Clock, programs: readonly Pick<Supervised, 'name' | 'ready'>[], starting: Promise<Started>, say = hint): Promise<Started> {
  const slow = clock.after(slowMs, () => {
    const names = programs.filter(({ ready }) => !ready).map(({ name }) => name)
    if (names.length > 0) say(`${styled('yellow', '•')} not ready yet: ${names.join(', ')}; "reeve doctor" says more, and their logs do`)
  })
  try {
    return await starting
  } finally {
    slow.cancel()
  }
}
