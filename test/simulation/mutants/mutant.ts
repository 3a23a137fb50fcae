/**
 * Shows that the checkers bite: each mutant is the real code with one rule taken out, and some seed must find it. A mutant whose text
 * is no longer in the code fails loudly: it has to be written anew.
 */
import type { Patch } from '../mutant-loader.ts'
import type { Focus } from '../plan.ts'

export interface Mutant {
  readonly name: string
  /** Rules of the protocol and invariants that it breaks. */
  readonly breaks: readonly string[]
  /** The invariant that a checker has to name before the mutant counts as found; any where it is absent. */
  readonly namedBy?: string
  /** Worlds in which it is hunted; any where it is absent. Seeds are random in each. */
  readonly focus?: Focus
  readonly patches: readonly Patch[]
}
