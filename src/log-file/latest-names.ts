/**
 * Which digests were named lately: at least the last `generationSize` different ones, so that memory has a bound however many there are. The older of two
 * generations is forgotten whole when the younger is full.
 */
const generationSize = 100_000

export class LatestNames {
  readonly #size: number
  #young = new Set<string>()
  #old = new Set<string>()

  constructor(size = generationSize) {
    this.#size = size
  }

  /** False where it was named lately. */
  add(digest: string): boolean {
    // Half as long in memory.
    const name = Buffer.from(digest, 'hex').toString('latin1')
    if (this.#young.has(name)) return false
    const isNew = !this.#old.has(name)
    this.#young.add(name)
    if (this.#young.size >= this.#size) {
      this.#old = this.#young
      this.#young = new Set()
    }
    return isNew
  }
}
