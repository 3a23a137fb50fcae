/** What makes a call at a site this very call: its fencing token, and the key under which it is done once. */
import type { FencingToken } from '../sites/adapter.ts'

export interface CallIdentity {
  readonly token: FencingToken
  readonly idempotencyKey: string
}

/** `grant` is the revision of the group's `LockGranted`, `incarnation` that of the turn that holds it. */
export function callIdentity(group: string, incarnation: number, grant: number, job: number): CallIdentity {
  return {
    // One grant of a group is open at a time, so the group is the scope (P22).
    token: { scope: group, incarnation, revision: grant },
    // Not of the token: survives a new grant (I9).
    idempotencyKey: `${group}/${job}`,
  }
}
