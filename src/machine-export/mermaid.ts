/** A machine as a Mermaid state diagram. */
import { type GraphState, type MachineGraph, anyState, arrowsOf } from './graph.ts'

export function mermaidOf(graph: MachineGraph): string {
  const lines = [`---`, `title: ${graph.id}`, `---`, 'stateDiagram-v2']
  const childrenOf = (path: string) => graph.states.filter((state) => state.path !== '' && state.parent === path)
  const declare = (state: GraphState, indent: string): void => {
    const children = childrenOf(state.path)
    const id = mermaidId(state.path)
    if (id !== state.key || children.length > 0) lines.push(`${indent}state "${state.key}" as ${id}${children.length > 0 ? ' {' : ''}`)
    else lines.push(`${indent}${id}`)
    if (children.length === 0) return
    if (state.initial !== null) lines.push(`${indent}  [*] --> ${mermaidId(state.initial)}`)
    children.forEach((child, index) => {
      if (state.type === 'parallel' && index > 0) lines.push(`${indent}  --`)
      declare(child, `${indent}  `)
    })
    lines.push(`${indent}}`)
  }
  for (const state of childrenOf('')) declare(state, '  ')
  const root = graph.states[0]!
  if (root.initial !== null) lines.push(`  [*] --> ${mermaidId(root.initial)}`)
  const arrows = arrowsOf(graph)
  if (arrows.some((arrow) => arrow.from === anyState.id)) lines.push(`  state "${anyState.text}" as ${mermaidId(anyState.id)}`)
  for (const { from, to, labels } of arrows) lines.push(`  ${mermaidId(from)} --> ${mermaidId(to)}: ${labels.map(mermaidText).join('<br/>')}`)
  for (const state of graph.states) if (state.type === 'final') lines.push(`  ${mermaidId(state.path)} --> [*]`)
  return `${lines.join('\n')}\n`
}

/** Letters, digits and "_" only; different for different paths. */
export function mermaidId(path: string): string {
  return path.replace(/[^A-Za-z0-9]/g, (character) => (character === '.' ? '__' : '_'))
}

/** A colon or a semicolon ends a label. */
function mermaidText(text: string): string {
  return text.replace(/:/g, '#58;').replace(/;(?!$)/g, (match, at: number) => (text.slice(Math.max(0, at - 3), at) === '#58' ? match : '#59;'))
}
