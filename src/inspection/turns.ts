/**
 * Which transitions are worth a line: a turn that a timer began, that ends in the state where it began, and that went as the one
 * before it went, says nothing (a leader looks around every few seconds and finds that nothing has changed).
 *
 * Owns: what a machine does since its timer fired, until it is back or `heldMs` have passed.
 * 1. What is not passed over is shown in the order heard of its machine, at most `heldMs` late.
 * 2. What something other than a timer began is never passed over.
 */
import type { Clock, Timer } from '../../streams/ports/clock.ts'
import { stateText } from './state-text.ts'
import type { HeardTransition } from './transitions.ts'

const heldMs = 1_000

interface Turn {
  readonly transitions: HeardTransition[]
  readonly late: Timer
}

export class Turns {
  readonly #clock: Clock
  readonly #show: (heard: HeardTransition) => void
  readonly #open = new Map<string, Turn>()
  /** How the last one of a machine went that ended where it began. */
  readonly #before = new Map<string, string>()

  constructor(clock: Clock, show: (heard: HeardTransition) => void) {
    this.#clock = clock
    this.#show = show
  }

  heard(heard: HeardTransition): void {
    const machine = `${heard.agent} ${heard.machine}`
    if (heard.missed > 0) this.#release(machine)
    let turn = this.#open.get(machine)
    if (turn === undefined) {
      if (heard.missed > 0 || !heard.event.startsWith('xstate.after.')) return this.#show(heard)
      turn = { transitions: [], late: this.#clock.after(heldMs, () => this.#release(machine)) }
      this.#open.set(machine, turn)
    }
    turn.transitions.push(heard)
    if (stateText(heard.to) !== stateText(turn.transitions[0]!.from)) return
    const went = turn.transitions.map(({ event, to }) => `${event} ${stateText(to)}`).join(' ')
    if (this.#before.get(machine) === went) turn.transitions.length = 0
    this.#before.set(machine, went)
    this.#release(machine)
  }

  /** Shows what is held. */
  close(): void {
    for (const machine of [...this.#open.keys()]) this.#release(machine)
  }

  #release(machine: string): void {
    const turn = this.#open.get(machine)
    if (turn === undefined) return
    this.#open.delete(machine)
    turn.late.cancel()
    for (const heard of turn.transitions) this.#show(heard)
  }
}
