/** The runtime's cryptographic random source behind the `Random` port. */
import { randomFillSync } from 'node:crypto'
import type { Random } from '../../streams/ports/clock.ts'

/** Drawn ahead, because each draw is a system call and ids need ten bytes. */
const ahead = new Uint8Array(4_096)
let used = ahead.length

export const systemRandom: Random = {
  bytes(length) {
    if (length > ahead.length) return randomFillSync(new Uint8Array(length))
    if (used + length > ahead.length) {
      randomFillSync(ahead)
      used = 0
    }
    const drawn = ahead.slice(used, used + length)
    // What was given away is not kept.
    ahead.fill(0, used, used + length)
    used += length
    return drawn
  },
}
