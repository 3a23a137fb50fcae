/** A machine as plain states and transitions, taken from the definition that runs: what every exported form is made from. */
import type { AnyStateMachine, AnyStateNode } from 'xstate'

export interface GraphState {
  /** Keys from the root down, joined by "."; the root itself is "". */
  readonly path: string
  readonly key: string
  readonly parent: string
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history'
  /** Path of the child that is entered first, of a compound state. */
  readonly initial: string | null
  /** What leads here from any state and is no event of the machine (`meta.enteredBy`), as a label; a fault is such a thing. */
  readonly enteredBy: string | null
}

export interface GraphTransition {
  readonly from: string
  /** As the machine names it: an event, "" for one that is always taken, `xstate.…` for delays and ends. */
  readonly event: string
  /** Null where it only acts and stays. */
  readonly to: string | null
  readonly guard: string | null
  readonly actions: readonly string[]
}

export interface MachineGraph {
  readonly id: string
  /** The root first, then each state before its children. */
  readonly states: readonly GraphState[]
  readonly transitions: readonly GraphTransition[]
}

export function graphOf(machine: AnyStateMachine): MachineGraph {
  const states: GraphState[] = []
  const transitions: GraphTransition[] = []
  const visit = (node: AnyStateNode): void => {
    const path = pathOf(node)
    states.push({
      path,
      key: node.key,
      parent: node.parent === undefined ? '' : pathOf(node.parent),
      type: node.type,
      initial: node.type === 'compound' ? pathOf(node.initial.target[0] as AnyStateNode) : null,
      enteredBy: enteredBy(node),
    })
    const own = [...(node.always ?? []), ...[...node.transitions.values()].flat()]
    for (const transition of own) {
      const targets: readonly AnyStateNode[] = transition.target ?? []
      for (const to of targets.length === 0 ? [null] : targets.map(pathOf)) {
        transitions.push({
          from: path,
          event: transition.eventType,
          to,
          guard: transition.guard === undefined ? null : nameOf(transition.guard),
          actions: transition.actions.map(nameOf),
        })
      }
    }
    for (const child of Object.values(node.states as Record<string, AnyStateNode>)) visit(child)
  }
  visit(machine.root)
  return { id: machine.id, states, transitions }
}

function enteredBy({ meta }: AnyStateNode): string | null {
  const label: unknown = (meta as { readonly enteredBy?: unknown } | undefined)?.enteredBy
  return typeof label === 'string' ? label : null
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.')
}

/** Of an action, a guard or a logic, however it was written down. */
export function nameOf(part: unknown): string {
  if (typeof part === 'string') return part
  if (typeof part === 'function') {
    const type = (part as { type?: unknown }).type
    return typeof type === 'string' ? type : part.name || 'inline'
  }
  if (typeof part === 'object' && part !== null) {
    const { type, id } = part as { type?: unknown; id?: unknown }
    if (typeof type === 'string') return type
    if (typeof id === 'string') return id
  }
  return 'inline'
}

/** What a person reads for an event. */
export function eventLabel(event: string): string {
  if (event === '') return 'always'
  const delayed = /^xstate\.after\.(.+?)\.[^.]*(?:\..*)?$/.exec(event)
  if (delayed !== null) return /^\d+$/.test(delayed[1]!) ? `after ${delayed[1]} ms` : `after ${delayed[1]}`
  if (event.startsWith('xstate.done.state.')) return 'done'
  const actor = /^xstate\.(done|error|snapshot)\.actor\.(.+)$/.exec(event)
  return actor === null ? event : `${actor[1]} ${actor[2]!.replace(/^\d+\./, '')}`
}

/** Where arrows begin that hold in every state; drawn as a node of its own. */
export const anyState = { id: '·any·', text: 'any state' } as const

export interface Arrow {
  /** A state's path, or `anyState.id`. */
  readonly from: string
  readonly to: string
  /** In the order of the definition. */
  readonly labels: readonly string[]
}

/**
 * Transitions between the same two states as one arrow; one that stays where it is leads to its own state. What the whole machine
 * takes, and what enters a state without any event, comes from `anyState`.
 */
export function arrowsOf(graph: MachineGraph): readonly Arrow[] {
  const arrows = new Map<string, { from: string; to: string; labels: string[] }>()
  const add = (from: string, to: string, label: string) => {
    const key = `${from} ${to}`
    const arrow = arrows.get(key)
    if (arrow === undefined) arrows.set(key, { from, to, labels: [label] })
    else if (!arrow.labels.includes(label)) arrow.labels.push(label)
  }
  const node = (path: string) => (path === '' ? anyState.id : path)
  for (const transition of graph.transitions) {
    const label = eventLabel(transition.event) + (transition.guard === null ? '' : ` [${transition.guard}]`)
    add(node(transition.from), node(transition.to ?? transition.from), label)
  }
  for (const state of graph.states) if (state.enteredBy !== null) add(anyState.id, state.path, state.enteredBy)
  return [...arrows.values()]
}
