/**
 * Open grants whose executor does not answer: its group stands still until the waits of I9 are over, and whoever looks is told so.
 *
 * Owns: what was found of each instance that was asked after last, and when the leader began.
 * 1. Nothing is decided by it: only the leader gives a grant up (P18).
 * 2. A time that is told is a latest one for as long as that leader leads and is connected: another counts anew (P18).
 */
import { byCodeUnits } from '../../machines/code-units.ts'
import { type Grant, type GroupState, canGiveBack, openGrant, openGrants, runsOfGrant } from '../../machines/execution-group/state.ts'
import { expiresAtMs, waitMargin } from '../../machines/placement/expiry.ts'
import type { RealmEvent } from '../../machines/realm/realm.ts'
import { type SilentGrant, silentLimit } from '../../streams/api/group.ts'
import { fromBytes, isRecord, presenceIn, presenceKey, toBytes } from '../../streams/coordination.ts'
import type { AgentPong } from '../../streams/lane-protocol.ts'
import { type Clock, pause } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { RealmView } from '../realm/view.ts'

/** `confirmMs`: between two "no responders". `knownMs`: for how long what was found of an instance is told again. */
export const silentTimes = { answerMs: 400, confirmMs: 60, knownMs: 500 } as const

/** The server removes expired keys, and a new leader has heard all presences, within this time. */
const slackMs = 1_000
const looksKept = 1_000

export interface SilentExecutorsDeps {
  readonly coordinator: Pick<Coordinator, 'agents' | 'bus'>
  readonly subjects: Subjects
  readonly view: RealmView
  readonly clock: Clock
}

interface Look {
  readonly sinceMs: number
  readonly found: Promise<Silence | undefined>
}

interface Silence {
  readonly present: boolean
  /** By when the leader finds the instance lost, on this service's wall clock. */
  readonly lostMs: number
}

export class SilentExecutors {
  readonly #deps: SilentExecutorsDeps
  /** By instance. */
  readonly #looks = new Map<string, Look>()
  /** Time of the turn that says so; that of a leader from before an archive is long ago. */
  #electedMs = 0

  constructor(deps: SilentExecutorsDeps) {
    this.#deps = deps
    deps.view.onTurn(({ turn }) => {
      for (const { aggregate, events } of turn.commits) {
        if (aggregate === 'realm' && (events as readonly RealmEvent[]).some(({ type }) => type === 'LeaderElected')) this.#electedMs = turn.timeMs
      }
    })
  }

  /** Of one group, the first 20 by job. */
  async ofGroup(group: string): Promise<readonly SilentGrant[]> {
    const state = this.#deps.view.state.group(group)
    return state === undefined ? [] : (await this.#of([state])).slice(0, silentLimit).map(({ silent }) => silent)
  }

  /** Of all groups: how many stand still so, the first 20 by id with the first such job of each, and when the last of them goes on. */
  async ofAll(): Promise<{ readonly count: number; readonly first: readonly (SilentGrant & { readonly group: string })[]; readonly withinMs: number }> {
    const found = await this.#of(this.#deps.view.state.groups())
    const byGroup = new Map<string, SilentGrant & { readonly group: string }>()
    for (const { group, silent } of found) if (!byGroup.has(group)) byGroup.set(group, { group, ...silent })
    const first = [...byGroup.values()].sort((a, b) => byCodeUnits(a.group, b.group)).slice(0, silentLimit)
    return { count: byGroup.size, first, withinMs: found.reduce((most, { silent }) => Math.max(most, silent.withinMs), 0) }
  }

  async #of(groups: Iterable<GroupState>): Promise<readonly { readonly group: string; readonly silent: SilentGrant }[]> {
    const { view, clock } = this.#deps
    const open = [...groups].filter(canGiveBack).flatMap((state) => openGrants(state).map(({ revision, agent, instance }) => ({ group: state.group, mode: state.mode, revision, agent, instance })))
    const silences = await Promise.all(open.map(({ agent, instance, mode }) => this.#look(agent, instance, mode === 'direct')))
    const nowMs = clock.nowMs()
    return open
      .flatMap(({ group, revision }, index) => {
        const silent = silences[index]
        // What was said meanwhile of the grant counts.
        const state = view.state.group(group)
        const grant = state === undefined ? undefined : openGrant(state, revision)
        if (silent === undefined || state === undefined || grant === undefined || !canGiveBack(state)) return []
        return [{ group, silent: this.#said(state, grant, silent, nowMs) }]
      })
      .sort((one, other) => one.silent.job - other.silent.job)
  }

  #said(state: GroupState, grant: Grant, { present, lostMs }: Silence, nowMs: number): SilentGrant {
    const { sites } = this.#deps.view.state
    const atMs = expiresAtMs(state, grant, lostMs, (site) => sites.get(site)?.fencing === 'enforced')
    const job = runsOfGrant(state, grant)[0]?.[0] ?? 0
    const then = state.specs[job - 1]?.repeatable === false ? 'unknown' : state.mode === 'direct' ? 'failed' : 'granted-anew'
    return { job, grant: grant.revision, agent: grant.agent, instance: grant.instance, present, withinMs: Math.max(0, Math.ceil(atMs - nowMs)), then }
  }

  #look(agent: string, instance: string, ofService: boolean): Promise<Silence | undefined> {
    const nowMs = this.#deps.clock.monotonicMs()
    const known = this.#looks.get(instance)
    if (known !== undefined && nowMs - known.sinceMs < silentTimes.knownMs) return known.found
    const found = this.#find(agent, instance, ofService).catch(nothingKnown)
    // The latest stands last.
    this.#looks.delete(instance)
    this.#looks.set(instance, { sinceMs: nowMs, found })
    if (this.#looks.size > looksKept) this.#looks.delete(this.#looks.keys().next().value!)
    return found
  }

  async #find(agent: string, instance: string, ofService: boolean): Promise<Silence | undefined> {
    const { coordinator, view, clock } = this.#deps
    const { constants, leader } = view.state.realm
    const key = presenceKey(instance)
    const entry = await coordinator.agents.get(key)
    // A leader that is yet to come begins its own wait then.
    const leaderMs = leader === null || leader.instance === instance ? clock.nowMs() : this.#electedMs
    const lostAfter = (seenMs: number, goneMs: number, presenceMs: number) => Math.max(goneMs, seenMs + waitMargin * presenceMs, leaderMs + waitMargin * presenceMs + slackMs)
    if (entry === undefined) {
      const gone = await coordinator.agents.goneBy(key)
      const { presenceMs } = constants
      // Of one that nothing tells of, the leader counts from when it first looks for it.
      const goneMs = gone?.goneMs ?? clock.nowMs()
      return { present: false, lostMs: lostAfter(gone?.how === 'expired' ? goneMs - ttlOf(presenceMs) : goneMs, goneMs, presenceMs) }
    }
    // A service is not asked: it is present for its own `direct` changes only.
    if (ofService) return undefined
    const { presenceMs = constants.presenceMs } = presenceIn(entry.value) ?? {}
    const said = await this.#ask(agent, instance)
    // A time-out is no death while the presence goes on being renewed.
    if (said === 'here' || (said === 'late' && clock.nowMs() - entry.storedMs < presenceMs / 2)) return undefined
    return { present: true, lostMs: lostAfter(entry.storedMs, entry.storedMs + ttlOf(presenceMs) + slackMs, presenceMs) }
  }

  async #ask(agent: string, instance: string, again = false): Promise<'here' | 'gone' | 'late'> {
    const { coordinator, subjects, clock } = this.#deps
    const asked = await coordinator.bus.ask(subjects.toAgent(agent, 'ping'), toBytes({}), { timeoutMs: silentTimes.answerMs, accept: isRecord })
    if (asked.kind === 'answer') return fromBytes<Partial<AgentPong>>(asked.data).instance === instance ? 'here' : 'gone'
    if (asked.kind !== 'no-responders') return 'late'
    if (again) return 'gone'
    await pause(clock, silentTimes.confirmMs)
    return this.#ask(agent, instance, true)
  }
}

/** Where the coordinator does not tell, nothing is said: what the log holds is shown all the same. */
function nothingKnown(error: unknown): undefined {
  if (!(error instanceof Unavailable)) throw error
}

/** The server counts whole seconds and rounds up. */
function ttlOf(presenceMs: number): number {
  return Math.ceil(presenceMs / 1_000) * 1_000
}
