/** What a replay cannot show; `message` is one line. */
import { idPattern } from '../../streams/subjects.ts'

/** Where groups of the live log are found. */
export const groupsShown = '"reeve group list" shows those that there are'

export class ReplayRefused extends Error {
  override readonly name = 'ReplayRefused'
  readonly retryable = false
  /** Without what helps. */
  readonly what: string
  readonly code: 'unknown-group' | 'unknown-agent' | 'unknown-job' | 'no-such-revision' | 'unknown-type' | 'malformed' | 'archived'
  constructor(code: ReplayRefused['code'], what: string, helps?: string) {
    super(helps === undefined ? what : `${what}: ${helps}`)
    this.what = what
    this.code = code
  }
}

/** What is an id, though not one of a group, is unknown as any other that no group has. */
export function noGroupNamed(group: string): ReplayRefused {
  if (idPattern.test(group)) return new ReplayRefused('unknown-group', `there is no group ${group}`, groupsShown)
  return new ReplayRefused('malformed', `${JSON.stringify(group)} is not the id of a group`, groupsShown)
}
