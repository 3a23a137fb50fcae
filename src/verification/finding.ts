/** What is wrong with a log, one thing at a time. */

export type FindingKind =
  /** No message stands at a position before the end. */
  | 'missing-position'
  /** Not a turn, or not one that belongs on its subject. */
  | 'malformed'
  /** Numbers of a subject do not rise by one. */
  | 'number'
  /** The turn before is not the one that this turn names. */
  | 'digest'
  /** Revisions of an aggregate do not follow. */
  | 'revision'
  /** Times of a subject go back, or an incarnation is not possible here. */
  | 'order'
  /** The file's own chain, or its last line. */
  | 'file'
  /** The live log and the file disagree. */
  | 'differs'

export interface Finding {
  readonly kind: FindingKind
  /** Null where it is not about one. */
  readonly position: number | null
  readonly subject: string | null
  /** What is wrong, and what to do: one line without the place. */
  readonly text: string
}

/** One line for a person. */
export function findingLine({ position, subject, text }: Finding): string {
  const place = [...(position === null ? [] : [`position ${position}`]), ...(subject === null ? [] : [subject])].join(', ')
  return place === '' ? text : `${place}: ${text}`
}

/** The log, or a copy of it, is not what was written. */
export class LogDamaged extends Error {
  override readonly name = 'LogDamaged'
  readonly retryable = false
  readonly finding: Finding
  constructor(finding: Finding) {
    super(findingLine(finding))
    this.finding = finding
  }
}
