/**
 * All chance of a simulated world comes from here: xoshiro128** seeded by splitmix32 over (seed, label). Labelled streams are
 * independent of one another, so that one more draw in one part of a world does not change what another part meets.
 */
import type { Random } from '../../streams/ports/clock.ts'

export class Dice implements Random {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: string) {
    this.#seed = seed
    let state = 2166136261
    for (const unit of seed) state = Math.imul(state ^ unit.codePointAt(0)!, 16777619)
    const next = () => {
      state = (state + 0x9e3779b9) | 0
      let z = state ^ (state >>> 16)
      z = Math.imul(z, 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return (z ^ (z >>> 15)) >>> 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  stream(label: string): Dice {
    return new Dice(`${this.#seed}/${label}`)
  }

  /** 32 bits. */
  word(): number {
    const scrambled = Math.imul(this.#b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result
  }

  /** From 0 up to, not with, 1. */
  part(): number {
    return this.word() / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.part() < probability
  }

  /** Whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.part() * (most - least + 1))
  }

  between(least: number, most: number): number {
    return least + this.part() * (most - least)
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new Error('nothing to pick from')
    return choices[this.whole(0, choices.length - 1)]!
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.word() & 255)
  }
}
