/** What `reeve doctor` says of one thing that it looked at. */

export interface Finding {
  /** Stable name of the check, for programs. */
  readonly check: string
  /** ok: looked at, as it should be. note: nothing is wrong, but it should be known. problem: something has to be done. */
  readonly level: 'ok' | 'note' | 'problem'
  readonly text: string
  /** What to do about it. */
  readonly todo?: string
}

export function ok(check: string, text: string): Finding {
  return { check, level: 'ok', text }
}

export function note(check: string, text: string, todo?: string): Finding {
  return { check, level: 'note', text, ...(todo === undefined ? {} : { todo }) }
}

export function problem(check: string, text: string, todo: string): Finding {
  return { check, level: 'problem', text, todo }
}
