/** What a replay cannot show; `message` is one line. */
import { idPattern } from '../../streams/subjects.ts'

export class ReplayRefused extends Error {
  override readonly name = 'ReplayRefused'
  readonly retryable = false
  readonly code: 'unknown-group' | 'unknown-agent' | 'unknown-job' | 'no-such-revision' | 'unknown-type' | 'malformed' | 'archived'
  constructor(code: ReplayRefused['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** What is an id, though not one of a group, is unknown as any other that no group has. */
export function noGroupNamed(group: string): ReplayRefused {
  const shows = '"reeve group list" shows those that there are'
  if (idPattern.test(group)) return new ReplayRefused('unknown-group', `there is no group ${group}: ${shows}`)
  return new ReplayRefused('malformed', `${JSON.stringify(group)} is not the id of a group: ${shows}`)
}
