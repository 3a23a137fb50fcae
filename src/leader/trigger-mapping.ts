/**
 * Triggers in the mapping collection [604, 624]: which default execution groups their jobs will ask for. A trigger that nobody could
 * carry out is said once, before its time comes.
 *
 * Owns: since when each such trigger is one. Derived (I11): every leader begins anew.
 */
import type { GroupAgents } from '../../machines/execution-group/events.ts'
import { type ChangeAsks, type MappedTrigger, type MappedTriggers, type SiteAsks, type TriggerToMap, mapTriggers } from '../../machines/placement/triggers.ts'
import type { SiteState } from '../../machines/site/site.ts'
import type { TriggeredChange } from '../../machines/trigger/definition.ts'
import { type TriggerState, mayRun } from '../../machines/trigger/evolve.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import { triggeredChangeSchema } from '../../streams/api/trigger.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Logger } from '../agent/context.ts'
import { sitesNamed } from '../change/selection.ts'
import type { RealmFold } from '../realm/view.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import { UnknownSiteKind, adapterOf as registeredAdapter } from '../sites/registry.ts'
import { recordedChange } from '../trigger/plan.ts'
import type { Configured } from './configurations.ts'

/** Agents that start with the realm, or are started anew, come within that. */
export const settleMs = 20_000

export interface TriggerMappingDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly logger: Pick<Logger, 'warn'>
  readonly adapterOf?: ((kind: string) => SiteAdapter) | undefined
}

interface Parsed {
  /** Undefined: all that are managed. */
  readonly sites: readonly string[] | undefined
  readonly agents: GroupAgents | undefined
}

export class TriggerMapping {
  readonly #clock: TriggerMappingDeps['clock']
  readonly #logger: TriggerMappingDeps['logger']
  readonly #adapterOf: (kind: string) => SiteAdapter
  /** Undefined: of terms that this build does not know. What is defined is never changed in place. */
  readonly #parsed = new WeakMap<TriggeredChange, Parsed | undefined>()
  readonly #unserved = new Map<string, { readonly missing: string; readonly sinceMs: number; said: boolean }>()

  constructor({ clock, logger, adapterOf = registeredAdapter }: TriggerMappingDeps) {
    this.#clock = clock
    this.#logger = logger
    this.#adapterOf = adapterOf
  }

  /** In every round. `agents` as they are configured. */
  look(state: RealmFold, agents: readonly Configured[]): MappedTriggers {
    let everywhere: readonly SiteAsks[] | undefined
    const asksOf = (sites: Parsed['sites']) =>
      sites === undefined ? (everywhere ??= this.#asksAt([...state.sites.values()])) : this.#asksAt(sites.flatMap((site) => state.sites.get(site) ?? []))
    const triggers: TriggerToMap[] = []
    for (const trigger of state.triggers.values()) if (mayRun(trigger)) triggers.push({ trigger: trigger.trigger, changes: this.#changesOf(trigger, asksOf) })
    const candidates = agents.map(({ agent, configuration: { region, role, skills, skilledOnly } }) => ({ agent, region, role, skills, skilledOnly, leads: false, load: 0 }))
    const mapped = mapTriggers(triggers, candidates)
    this.#say(mapped.triggers)
    return mapped
  }

  #changesOf({ definition }: TriggerState, asksOf: (sites: Parsed['sites']) => readonly SiteAsks[]): readonly ChangeAsks[] {
    return [definition?.change, definition?.missed.change].flatMap((recorded) => {
      const parsed = recorded === undefined ? undefined : this.#parse(recorded)
      return parsed === undefined ? [] : [{ asks: asksOf(parsed.sites), agents: parsed.agents }]
    })
  }

  #parse(recorded: TriggeredChange): Parsed | undefined {
    if (!this.#parsed.has(recorded)) this.#parsed.set(recorded, parsedChange(recorded))
    return this.#parsed.get(recorded)
  }

  /** Each once. */
  #asksAt(sites: readonly SiteState[]): readonly SiteAsks[] {
    const asks = new Map<string, SiteAsks>()
    for (const { managed, kind, region } of sites) {
      const skill = managed ? this.#skillFor(kind) : undefined
      if (skill !== undefined) asks.set(JSON.stringify([kind, region]), skill === 'none' ? { region } : { region, skill: { name: kind, need: skill } })
    }
    return [...asks.values()]
  }

  /** Undefined of a kind that this build does not know: a plan would be refused for that, whoever is there. */
  #skillFor(kind: string): SiteAdapter['skill'] | undefined {
    try {
      return this.#adapterOf(kind).skill
    } catch (error) {
      if (error instanceof UnknownSiteKind) return undefined
      throw error
    }
  }

  #say(triggers: readonly MappedTrigger[]): void {
    const nowMs = this.#clock.monotonicMs()
    const now = new Map(triggers.flatMap(({ trigger, missing }) => (missing === undefined ? [] : [[trigger, missing.join(', ')] as const])))
    for (const trigger of [...this.#unserved.keys()]) if (!now.has(trigger)) this.#unserved.delete(trigger)
    for (const [trigger, missing] of now) {
      const before = this.#unserved.get(trigger)
      const unserved = before?.missing === missing ? before : { missing, sinceMs: nowMs, said: false }
      this.#unserved.set(trigger, unserved)
      if (unserved.said || nowMs - unserved.sinceMs < settleMs) continue
      unserved.said = true
      this.#logger.warn({ trigger, missing }, 'the jobs of a trigger would wait: no agent takes what asks for this')
    }
  }
}

function parsedChange(recorded: TriggeredChange): Parsed | undefined {
  const { data } = triggeredChangeSchema.safeParse(recordedChange(recorded))
  if (data === undefined) return undefined
  const { selector, agents } = data
  try {
    return { sites: selector.sites === undefined && selector.services === undefined ? undefined : sitesNamed(new Map(), selector), agents }
  } catch (error) {
    if (error instanceof ApiFailure) return undefined
    throw error
  }
}
