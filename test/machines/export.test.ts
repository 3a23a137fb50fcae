/** Machines as exported against the definitions that run: nothing is missing in a diagram, nothing is added. */
import { type AnyStateMachine, createMachine, getNextTransitions } from 'xstate'
import { describe, expect, test } from 'vitest'
import { registeredMachines } from '../../machines/registry.ts'
import { type MachineGraph, arrowsOf, graphOf } from '../../src/machine-export/graph.ts'
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
    const arrows = arrowsOf(graph).filter((arrow) => arrow.from !== '')
    expect(drawn.sort()).toEqual(arrows.map((arrow) => `${arrow.from} ${arrow.to}`).sort())
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map((match) => match[1]!.replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&'))
    for (const label of arrows.flatMap((arrow) => arrow.labels)) expect(texts).toContain(label)
    for (const { labels } of arrowsOf(graph).filter((arrow) => arrow.from === '')) for (const label of labels) expect(texts.some((text) => text.startsWith(`from every state: ${label}`))).toBe(true)
  })
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
  const top = graph.states.filter((state) => state.path !== '' && state.parent === '' && state.type !== 'final').map((state) => state.path)
  const arrows = arrowsOf(graph).flatMap((arrow) =>
    (arrow.from === '' ? top : [arrow.from]).flatMap((from) => arrow.labels.map((label) => `${mermaidId(from)} ${mermaidId(arrow.to === '' ? from : arrow.to)} ${label}`)),
  )
  return { states: graph.states.filter((state) => state.path !== '').map((state) => mermaidId(state.path)).sort(), arrows: arrows.sort() }
}
