/** Machines as exported against the definitions that run: nothing is missing in a diagram, nothing is added. */
import { type AnyStateMachine, createMachine, getNextTransitions } from 'xstate'
import { describe, expect, test } from 'vitest'
import { lifeCycleMachine } from '../../machines/agent/life-cycle.ts'
import { groupMachine } from '../../machines/execution-group/machine.ts'
import { registeredMachines } from '../../machines/registry.ts'
import { type MachineGraph, anyState, arrowsOf, graphOf } from '../../src/machine-export/graph.ts'
import { mermaidId, mermaidOf } from '../../src/machine-export/mermaid.ts'
import { statelyJsonOf } from '../../src/machine-export/stately-json.ts'
import { svgOf } from '../../src/machine-export/svg.ts'

const cases = registeredMachines.map((registered) => [registered.name, registered.machine] as const)

/** From XState's own description of the machine, without our walk over it. */
function statesOf(machine: AnyStateMachine): readonly string[] {
  const { idMap } = machine as unknown as { idMap: Map<string, AnyStateMachine['root']> }
  return [...idMap.values()].map((node) => node.path.join('.')).sort()
}

describe.each(cases)('machine %s', (_name, machine) => {
  const graph = graphOf(machine)

  test('the graph holds every state of the definition', () => {
    expect(graph.states.map((state) => state.path).sort()).toEqual(statesOf(machine))
  })

  test('the graph holds every transition of the definition', () => {
    for (const state of graph.states) {
      if (state.type !== 'atomic') continue
      const snapshot = machine.resolveState({ value: valueOf(machine, state.path), context: {} as never })
      const theirs = getNextTransitions(snapshot).filter((transition) => transition.source.path.join('.') === state.path)
      const ours = graph.transitions.filter((transition) => transition.from === state.path)
      expect(new Set(ours.map((one) => `${one.event} ${one.to}`)), state.path).toEqual(
        new Set(theirs.map((one) => `${one.eventType} ${one.target?.[0]?.path.join('.') ?? null}`)),
      )
    }
  })

  test('the JSON makes the same machine again', () => {
    const again = graphOf(createMachine(JSON.parse(statelyJsonOf(machine))))
    expect(again).toEqual(graph)
  })

  test('Mermaid shows every state and every transition', () => {
    expect(mermaidFacts(mermaidOf(graph))).toEqual(expectedMermaid(graph))
  })

  test('SVG shows every state and every arrow with its labels', async () => {
    const svg = await svgOf(graph)
    const shown = (attribute: string) => [...svg.matchAll(new RegExp(`${attribute}="([^"]*)"`, 'g'))].map((match) => match[1])
    expect(shown('data-state').sort()).toEqual(graph.states.map((state) => state.path).filter((path) => path !== '').sort())
    const drawn = [...svg.matchAll(/data-from="([^"]*)" data-to="([^"]*)"/g)].map(([, from, to]) => `${from} ${to}`).filter((arrow) => !arrow.startsWith('·start·'))
    const arrows = arrowsOf(graph)
    expect(drawn.sort()).toEqual(arrows.map((arrow) => `${arrow.from} ${arrow.to}`).sort())
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map((match) => match[1]!.replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&'))
    for (const label of arrows.flatMap((arrow) => arrow.labels)) expect(texts).toContain(label)
    expect(svg.includes('data-any')).toBe(arrows.some((arrow) => arrow.from === anyState.id))
    const [, x, y, width, height] = /data-any=""><rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/.exec(svg)?.map(Number) ?? []
    for (const [, startX, startY] of svg.matchAll(/data-from="·any·"[^>]*><polyline points="([\d.]+),([\d.]+)/g)) {
      expect(Number(startX)).toSatisfy((at: number) => at >= x! - 1 && at <= x! + width! + 1)
      expect(Number(startY)).toSatisfy((at: number) => at >= y! - 1 && at <= y! + height! + 1)
    }
  })

  test('every state has an arrow that leads to it, unless it is the first one', () => {
    const arrows = arrowsOf(graph)
    const entered = new Set([...graph.states.flatMap((state) => state.initial ?? []), ...arrows.filter(({ from, to }) => from !== to).map(({ to }) => to)])
    // Regions of a parallel state are entered with it; a compound state also by its inner states.
    const isEntered = (path: string): boolean =>
      entered.has(path) || [...entered].some((other) => other.startsWith(`${path}.`)) || graph.states.some((state) => state.type === 'parallel' && graph.states.some((child) => child.path === path && child.parent === state.path))
    expect(graph.states.filter(({ path }) => path !== '' && !isEntered(path)).map(({ path }) => path)).toEqual([])
  })
})

test('what holds in every state comes from a node of its own; a state that only a fault enters has its arrow', () => {
  const agent = arrowsOf(graphOf(lifeCycleMachine)).filter(({ from }) => from === anyState.id)
  expect(agent).toEqual(expect.arrayContaining([
    { from: anyState.id, to: 'disconnected', labels: ['Disconnected'] },
    { from: anyState.id, to: 'stopping', labels: ['Stop'] },
  ]))
  expect(arrowsOf(graphOf(groupMachine)).filter(({ to }) => to === 'faulted').map(({ from }) => from)).toEqual([anyState.id])
})

test('a transition taken out of a definition disappears from every form', () => {
  const machine = createMachine({ id: 'small', initial: 'a', states: { a: { on: { Go: 'b', Stay: 'a' } }, b: { type: 'final' } } })
  const without = createMachine({ id: 'small', initial: 'a', states: { a: { on: { Stay: 'a' } }, b: { type: 'final' } } })
  expect(mermaidOf(graphOf(machine))).toContain('a --> b: Go')
  expect(mermaidOf(graphOf(without))).not.toContain('Go')
  expect(statelyJsonOf(without)).not.toContain('Go')
})

/** The state value in which the state at `path` is active, with the first states of everything beside it. */
function valueOf(machine: AnyStateMachine, path: string): never {
  const keys = path.split('.')
  const build = (node: AnyStateMachine['root'], rest: readonly string[]): unknown => {
    const children = Object.values(node.states) as AnyStateMachine['root'][]
    if (children.length === 0) return undefined
    if (node.type === 'parallel') return Object.fromEntries(children.map((child) => [child.key, build(child, child.key === rest[0] ? rest.slice(1) : []) ?? {}]))
    const child = node.states[rest[0] ?? (node.initial.target?.[0] as AnyStateMachine['root']).key] as AnyStateMachine['root']
    const below = build(child, rest.slice(1))
    return below === undefined ? child.key : { [child.key]: below }
  }
  return build(machine.root, keys) as never
}

interface MermaidFacts {
  readonly states: readonly string[]
  readonly arrows: readonly string[]
}

function mermaidFacts(text: string): MermaidFacts {
  const states = new Set<string>()
  const arrows: string[] = []
  for (const line of text.split('\n').map((one) => one.trim())) {
    const declared = /^state ".*" as (\w+)/.exec(line)?.[1] ?? /^(\w+)$/.exec(line)?.[1]
    const arrow = /^(\w+) --> (\w+): (.*)$/.exec(line)
    if (arrow !== null) arrows.push(...arrow[3]!.split('<br/>').map((label) => `${arrow[1]} ${arrow[2]} ${label}`))
    else if (declared !== undefined && declared !== 'title' && line !== 'stateDiagram-v2') states.add(declared)
  }
  return { states: [...states].sort(), arrows: arrows.sort() }
}

function expectedMermaid(graph: MachineGraph): MermaidFacts {
  const arrows = arrowsOf(graph)
  const states = graph.states.filter((state) => state.path !== '').map((state) => mermaidId(state.path))
  const any = arrows.some((arrow) => arrow.from === anyState.id) ? [mermaidId(anyState.id)] : []
  return {
    states: [...states, ...any].sort(),
    arrows: arrows.flatMap(({ from, to, labels }) => labels.map((label) => `${mermaidId(from)} ${mermaidId(to)} ${label}`)).sort(),
  }
}
