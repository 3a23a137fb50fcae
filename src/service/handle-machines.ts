/** `machine`: every machine of the realm with its present state. */
import { byCodeUnits } from '../../machines/code-units.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { type GroupState, countOf } from '../../machines/execution-group/state.ts'
import type { JobPhase } from '../../machines/job/machine.ts'
import { triggerTable } from '../../machines/trigger/machine.ts'
import { type AggregateShown, aggregateMachines } from '../../streams/api/machine.ts'
import type { RealmFold } from '../realm/view.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'
import { pageOf } from './page.ts'

export function machineHandlers({ view, machines }: ServiceContext): HandlersOf<'machine'> {
  return {
    async list({ agent: only }) {
      const fold = await view.current()
      const agents = [...fold.agents.values()].filter(({ agent, phase }) => (only === undefined ? phase === 'started' : agent === only))
      return { ok: true, machines: await machines.ask(agents.map(({ agent }) => agent).sort()) }
    },

    async aggregates({ machine, ended, after, limit }) {
      const fold = await view.current()
      const counts = new Counts()
      const listed: AggregateShown[] = []
      for (const name of aggregateMachines) {
        if (machine !== undefined && machine !== name) continue
        for (const one of sources[name](fold)) {
          counts.add(name, one.state, 1)
          if ((ended || !one.final) && (after === undefined || byCodeUnits(cursorOf(name, one.id), after) > 0)) {
            listed.push({ machine: name, id: one.id, state: one.state, revision: one.revision, about: one.about })
          }
        }
      }
      if (machine === undefined || machine === 'group') for (const group of fold.groups()) countJobs(counts, group)
      listed.sort((a, b) => byCodeUnits(cursorOf(a.machine, a.id), cursorOf(b.machine, b.id)))
      const { items, last } = pageOf(listed, limit)
      return { ok: true, machines: items, counts: counts.all(), next: last === undefined ? null : cursorOf(last.machine, last.id) }
    },
  }
}

interface Folded {
  readonly id: string
  readonly state: string
  readonly final: boolean
  readonly revision: number
  readonly about: string
}

/** Another kind of aggregate with a machine is listed by adding where its states are. */
const sources: { readonly [Machine in (typeof aggregateMachines)[number]]: (fold: RealmFold) => Iterable<Folded> } = {
  *group(fold) {
    for (const { group, phase, revision, name } of fold.groups()) yield { id: group, state: phase, final: groupTable.isFinal(phase), revision, about: name }
  },
  *lane(fold) {
    for (const { lane } of fold.realm.lanes) {
      const state = fold.lanes.get(lane)
      yield { id: lane, state: state?.phase ?? 'free', final: false, revision: state?.revision ?? 0, about: state?.holder?.agent ?? '' }
    }
  },
  *trigger(fold) {
    for (const { trigger, phase, revision, definition } of fold.triggers.values()) {
      // What can be removed is there.
      yield { id: trigger, state: phase, final: !triggerTable.can(phase, 'TriggerRemoved'), revision, about: definition?.name ?? '' }
    }
  },
}

function countJobs(counts: Counts, group: GroupState): void {
  const { executed, executing, pending, cancelled, unknown, failed } = exclusiveStateOf(group)
  const add = (phase: JobPhase, count: number) => counts.add('job', phase, count)
  add('succeeded', countOf(executed))
  add('granted', countOf(executing))
  add('pending', countOf(pending))
  add('cancelled', countOf(cancelled))
  add('unknown', unknown === null ? 0 : 1)
  add('failed', failed.length)
}

class Counts {
  readonly #byState = new Map<string, { readonly machine: string; readonly state: string; count: number }>()

  add(machine: string, state: string, count: number): void {
    if (count === 0) return
    const key = `${machine} ${state}`
    const entry = this.#byState.get(key)
    if (entry === undefined) this.#byState.set(key, { machine, state, count })
    else entry.count += count
  }

  all(): { readonly machine: string; readonly state: string; readonly count: number }[] {
    return [...this.#byState.entries()].sort(([a], [b]) => byCodeUnits(a, b)).map(([, entry]) => entry)
  }
}

function cursorOf(machine: string, id: string): string {
  return `${machine} ${id}`
}
