/** What makes a call at a site this very call: its fencing token, and the key under which it is done once. */
import type { FencingToken } from '../sites/adapter.ts'

export interface CallIdentity {
  readonly token: FencingToken
  readonly idempotencyKey: string
}

/**
 * `grant` is the revision of the group's `LockGranted`, `incarnation` that of the turn that holds it. `chain`: of a group without order, the
 * job that the job goes back to over its retries, itself where it is none.
 */
export function callIdentity(group: string, incarnation: number, grant: number, job: number, chain?: number): CallIdentity {
  return {
    // Where one grant of a group is open at a time the group is the scope, else the chain of the job (P22).
    token: { scope: chain === undefined ? group : `${group}/${chain}`, incarnation, revision: grant },
    // Not of the token: survives a new grant (I9).
    idempotencyKey: `${group}/${job}`,
  }
}
