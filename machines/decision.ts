/** What every `decide` returns. An expected "no" is a value; only a broken invariant throws. */

export interface Refusal {
  /** Stable; what programs branch on. */
  readonly code: RefusalCode
  /** One line for a person: what, which, what to do. */
  readonly text: string
}

export type RefusalCode =
  | 'unknown-group'
  | 'wrong-state'
  | 'other-plan'
  | 'part-out-of-order'
  | 'too-large'
  | 'too-early'
  | 'not-assigned'
  | 'not-the-grant'
  | 'stale'
  | 'malformed'
  | 'exists'
  | 'unknown-site'
  | 'unknown-trigger'
  | 'withdrawn'
  | 'too-old'
  | 'too-far-ahead'
  | 'format-too-old'
  | 'quarantined'

export type Decision<E> =
  | { readonly kind: 'events'; readonly events: readonly E[] }
  /** It is so already, or it concerns nothing that is open: nothing is written for it. */
  | { readonly kind: 'nothing'; readonly why: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export function happened<E>(...events: E[]): Decision<E> {
  return { kind: 'events', events }
}

export function nothing<E>(why: string): Decision<E> {
  return { kind: 'nothing', why }
}

export function refused<E>(code: RefusalCode, text: string): Decision<E> {
  return { kind: 'refused', refusal: { code, text } }
}
