/**
 * A table for the millions: what is remembered of a thing that has ended or is short, in a few dozen bytes, whatever its name's length. A
 * name counts by the first 64 bits of its SHA-256; of a million names two are the same once in forty million tables.
 */
import { hash } from 'node:crypto'

const keyBytes = 8
const firstSlots = 1_024
/** Filled above this share it is doubled. */
const fullest = 0.7

export class SmallTable {
  readonly #slotBytes: number
  #slots = firstSlots
  #bytes: Buffer
  #count = 0

  /** Values hold `valueBytes` bytes each. */
  constructor(valueBytes: number) {
    // A byte that says that the slot is taken, since a key may be zero.
    this.#slotBytes = 1 + keyBytes + valueBytes
    this.#bytes = Buffer.alloc(this.#slots * this.#slotBytes)
  }

  get size(): number {
    return this.#count
  }

  /** The value's own bytes, to read and to write in place, until the next `set`. */
  get(name: string): Buffer | undefined {
    const at = this.#find(hash('sha256', name, 'buffer'))
    return this.#bytes[at] === 0 ? undefined : this.#value(at)
  }

  /** Bytes for the value, as they were where the name is known, zeros else. */
  set(name: string): Buffer {
    if (this.#count >= this.#slots * fullest) this.#grow()
    const key = hash('sha256', name, 'buffer')
    const at = this.#find(key)
    if (this.#bytes[at] === 0) {
      this.#bytes[at] = 1
      key.copy(this.#bytes, at + 1, 0, keyBytes)
      this.#count += 1
    }
    return this.#value(at)
  }

  #value(at: number): Buffer {
    return this.#bytes.subarray(at + 1 + keyBytes, at + this.#slotBytes)
  }

  /** Of its slot, or of the free one where it would stand. */
  #find(key: Buffer): number {
    for (let slot = key.readUInt32LE(0) % this.#slots; ; slot = (slot + 1) % this.#slots) {
      const at = slot * this.#slotBytes
      if (this.#bytes[at] === 0 || this.#bytes.compare(key, 0, keyBytes, at + 1, at + 1 + keyBytes) === 0) return at
    }
  }

  #grow(): void {
    const before = this.#bytes
    this.#slots *= 2
    this.#bytes = Buffer.alloc(this.#slots * this.#slotBytes)
    for (let at = 0; at < before.length; at += this.#slotBytes) {
      if (before[at] !== 0) before.copy(this.#bytes, this.#find(before.subarray(at + 1, at + 1 + keyBytes)), at, at + this.#slotBytes)
    }
  }
}
