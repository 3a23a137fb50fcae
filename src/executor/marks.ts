/**
 * The highest token that an executor ever took, finished or gave up (P21): of each group, and in a group without order of each chain of
 * retries. Owns two generations of them: when the younger is full it becomes the older, which is forgotten whole, so that raising a mark
 * costs the same however many there are. At least the last `generationSize` that were raised are known.
 */
import type { GrantMessage } from '../../streams/lane-protocol.ts'

const generationSize = 200_000

class Generation {
  readonly #groups = new Map<string, number>()
  readonly #chains = new Map<string, Map<number, number>>()
  size = 0

  of(group: string, chain: number | undefined): number {
    return (chain === undefined ? this.#groups.get(group) : this.#chains.get(group)?.get(chain)) ?? 0
  }

  raise(group: string, chain: number | undefined, token: number): void {
    this.size += 1
    if (chain === undefined) return void this.#groups.set(group, token)
    let chains = this.#chains.get(group)
    if (chains === undefined) this.#chains.set(group, (chains = new Map()))
    chains.set(chain, token)
  }
}

export class Marks {
  readonly #size: number
  #young = new Generation()
  #old = new Generation()

  constructor(size = generationSize) {
    this.#size = size
  }

  ofGroup(group: string): number {
    return this.#of(group, undefined)
  }

  /** The highest of what the grant would raise. */
  of({ group, grant, unordered, jobs }: GrantMessage): number {
    if (unordered !== true) return this.ofGroup(group)
    // A token that was given up before its grant came: then nobody could say which jobs it is of.
    let mark = this.#of(group, -grant)
    for (const { job, chain = job } of jobs) mark = Math.max(mark, this.#of(group, chain))
    return mark
  }

  raise({ group, grant, unordered, jobs }: GrantMessage): void {
    if (unordered !== true) this.#raise(group, undefined, grant)
    else for (const { job, chain = job } of jobs) this.#raise(group, chain, grant)
  }

  /** Given up, whether its grant ever came or not (P19), and whatever the order of its group. */
  giveUp(group: string, grant: number): void {
    if (grant > this.ofGroup(group)) this.#raise(group, undefined, grant)
    this.#raise(group, -grant, grant)
  }

  #of(group: string, chain: number | undefined): number {
    return Math.max(this.#young.of(group, chain), this.#old.of(group, chain))
  }

  #raise(group: string, chain: number | undefined, token: number): void {
    if (this.#young.size >= this.#size) {
      this.#old = this.#young
      this.#young = new Generation()
    }
    this.#young.raise(group, chain, token)
  }
}
