/** When the grant of a lost instance may be closed (I9, P18). Pure: times are the leader's monotonic clock, milliseconds. */
import type { AgentState } from '../agent/agent.ts'
import { type Grant, type GroupState, runsOfGrant } from '../execution-group/state.ts'

/** Added to waits, for clocks that do not run alike. */
export const waitMargin = 1.1

/** P18, as a leader found it: its presence has ended for good (P17). Of an agent's last instance only. */
export function isRecordedLost(agents: Iterable<AgentState>, instance: string): boolean {
  for (const agent of agents) if (agent.instance === instance) return agent.phase === 'lost'
  return false
}

/** P18: `lastSeenMs` is when the leader, connected ever since, last saw a new revision, or began to watch. */
export function lostAtMs(lastSeenMs: number, presenceMs: number): number {
  return lastSeenMs + waitMargin * presenceMs
}

/** Where every site of the grant enforces the token, at once; else when a call begun in the last moment has ended. */
export function expiresAtMs(group: GroupState, grant: Grant, lostMs: number, enforces: (site: string) => boolean): number {
  for (const [first, last] of runsOfGrant(group, grant)) {
    for (let job = first; job <= last; job++) {
      const site = group.specs[job - 1]?.site
      if (site === undefined || !enforces(site)) return lostMs + waitMargin * grant.callDeadlineMs
    }
  }
  return lostMs
}
