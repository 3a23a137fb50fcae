/** How long a simulated world may take for what, milliseconds of virtual time unless said otherwise, and how often something may happen in it. */

/**
 * A world that has not ended its groups so long after its faults stopped is stuck. A group whose asker died is abandoned after 60 s, looked for every
 * 15 s, or 60 jobs go one after another for 750 ms each and are undone again (90 s), both behind agents that are passed over for 60 s. The longest of
 * 1,440 worlds of all kinds took 123 s.
 */
export const settleMs = 240_000
/** Lease, presence and mappings have so long to come back once nothing goes wrong any more. */
export const derivedMs = 60_000
export const lookMs = 200
/** One that goes on and on without an end. Most come to 100,000; five agents and two services with triggers take some 3,000 a second for as long as there are faults. */
export const mostSteps = (faultsUntilMs: number) => 600_000 + 10 * faultsUntilMs
/** The last lease has expired by then. */
export const leaseMs = 4_000
/** Longest that a lane with work stands still while nobody leads: some calls at their slowest, beside those of a grant of several jobs. */
export const leaderlessMs = 8_000
/**
 * More is a quarrel that nobody wins. Worlds come to some dozens; the longest with faults, those of triggers, may have their lease wiped every second,
 * and as often again who leads is killed, stopped, paused or without a server.
 */
export const mostElections = (faultsUntilMs: number) => 200 + faultsUntilMs / 500
/** After the last group has ended: late messages arrive, holders and executors agree. */
export const quietMs = 4_000
