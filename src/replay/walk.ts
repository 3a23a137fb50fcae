/**
 * A history that can be walked forward and back: events, and the state between any two of them. Going back folds again from the
 * nearest state that was kept.
 *
 * Owns: copies of the state every so many events, at most about `mostKept` of them however long the history is. A state that was kept
 * is never folded into: it is copied first.
 */
import type { Recorded } from './recorded.ts'

/** How the state of one thing follows from its events. */
export interface Folding<State, Shown> {
  empty(): State
  /** In place. */
  fold(state: State, recorded: Recorded): void
  copy(state: State): State
  /** What is said of it: shares nothing with the state that a later fold changes. */
  shown(state: State): Shown
}

export interface Step<Shown> extends Recorded {
  readonly before: Shown
  readonly after: Shown
}

/** Every event with the state before and after it, in one pass. */
export async function* stepsOf<State, Shown>(history: AsyncIterable<Recorded>, folding: Folding<State, Shown>): AsyncGenerator<Step<Shown>> {
  const state = folding.empty()
  let before = folding.shown(state)
  for await (const recorded of history) {
    folding.fold(state, recorded)
    const after = folding.shown(state)
    yield { ...recorded, before, after }
    before = after
  }
}

/** The state of a group of 50,000 jobs with predicates takes several megabytes. */
const mostKept = 16
const keptEvery = 256

export class Walk<State, Shown> {
  readonly #history: readonly Recorded[]
  readonly #folding: Folding<State, Shown>
  readonly #every: number
  /** Entry n: after n × `#every` events. */
  readonly #kept: State[]

  constructor(history: readonly Recorded[], folding: Folding<State, Shown>) {
    this.#history = history
    this.#folding = folding
    this.#every = Math.max(keptEvery, Math.ceil(history.length / mostKept))
    this.#kept = [folding.empty()]
  }

  get length(): number {
    return this.#history.length
  }

  /** The n-th event, from 1. Throws `RangeError`. */
  step(n: number): Step<Shown> {
    const recorded = this.#history[n - 1]
    if (recorded === undefined) throw new RangeError(`there are steps 1 to ${this.#history.length}, no ${n}`)
    const state = this.#stateAfter(n - 1)
    const before = this.#folding.shown(state)
    this.#folding.fold(state, recorded)
    return { ...recorded, before, after: this.#folding.shown(state) }
  }

  /** A copy that the caller owns. */
  #stateAfter(count: number): State {
    const { copy, fold } = this.#folding
    let index = Math.min(Math.floor(count / this.#every), this.#kept.length - 1)
    const state = copy(this.#kept[index]!)
    for (let done = index * this.#every; done < count; ) {
      fold(state, this.#history[done]!)
      done += 1
      if (done === (index + 1) * this.#every) {
        index += 1
        if (index === this.#kept.length) this.#kept.push(copy(state))
      }
    }
    return state
  }
}

/** Where a key leads from the n-th of `last` steps; undefined where it means nothing here. */
export function whereTo(key: string, n: number, last: number): number | 'end' | undefined {
  const within = (wanted: number) => Math.min(Math.max(wanted, 1), last)
  switch (key) {
    case 'right':
    case 'down':
    case 'n':
    case ' ':
      return within(n + 1)
    case 'left':
    case 'up':
    case 'p':
      return within(n - 1)
    case 'pagedown':
      return within(n + 10)
    case 'pageup':
      return within(n - 10)
    case 'g':
    case 'home':
      return 1
    case 'G':
    case 'end':
      return last
    case 'q':
    case 'escape':
    case 'ctrl-c':
    case 'closed':
      return 'end'
    default:
      return undefined
  }
}
