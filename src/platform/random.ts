/** The runtime's cryptographic random source behind the `Random` port. */
import { randomBytes } from 'node:crypto'
import type { Random } from '../../streams/ports/clock.ts'

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
}
