/** A machine as a picture: laid out in layers by ELK, drawn as plain SVG that needs no fonts, scripts or styles from elsewhere. */
import ElkConstructor, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js'
import { type Arrow, type GraphState, type MachineGraph, anyState, arrowsOf } from './graph.ts'

const fontPx = 13
const labelPx = 11
const linePx = 15
const marginPx = 16
const startId = '·start·'

/** Readable on white and on dark pages, since it brings its own ground. */
const colour = {
  ground: '#ffffff', frame: '#94a3b8', state: '#eef2ff', edge: '#475569', text: '#0f172a', label: '#334155', final: '#dcfce7', compound: '#f8fafc',
}

export async function svgOf(graph: MachineGraph): Promise<string> {
  const arrows = arrowsOf(graph)
  const elk = new (ElkConstructor as unknown as new () => { layout(node: ElkNode): Promise<ElkNode> })()
  const laid = await elk.layout({
    id: 'root',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'DOWN',
      'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
      'elk.edgeRouting': 'ORTHOGONAL',
      'elk.spacing.nodeNode': '44',
      'elk.spacing.edgeNode': '20',
      'elk.spacing.edgeEdge': '14',
      'elk.spacing.edgeLabel': '4',
      'elk.spacing.labelNode': '8',
      'elk.layered.spacing.nodeNodeBetweenLayers': '44',
      'elk.layered.spacing.edgeNodeBetweenLayers': '18',
      'elk.edgeLabels.inline': 'false',
      'org.eclipse.elk.json.shapeCoords': 'ROOT',
      'org.eclipse.elk.json.edgeCoords': 'ROOT',
      'elk.padding': `[top=${marginPx},left=${marginPx},bottom=${marginPx},right=${marginPx}]`,
    },
    children: [...childrenOf(graph, ''), ...(arrows.some((arrow) => arrow.from === anyState.id) ? [anyNode()] : [])],
    edges: edgesOf(graph, arrows),
  })
  return draw(graph, laid)
}

/** A frame that stands for every state. Made anew each time: the layout writes into what it is given. */
function anyNode(): ElkNode {
  return { id: anyState.id, width: textPx(anyState.text, fontPx) + 28, height: 36 }
}

function childrenOf(graph: MachineGraph, path: string): ElkNode[] {
  const parent = graph.states.find((state) => state.path === path)!
  const own = graph.states.filter((state) => state.path !== '' && state.parent === path)
  const nodes = own.map((state): ElkNode => {
    const children = childrenOf(graph, state.path)
    if (children.length === 0) return { id: state.path, width: Math.max(70, textPx(state.key, fontPx) + 28), height: 36 }
    return { id: state.path, children, layoutOptions: { 'elk.padding': '[top=36,left=16,bottom=16,right=16]' } }
  })
  return parent.initial === null ? nodes : [{ id: startId + path, width: 12, height: 12 }, ...nodes]
}

function edgesOf(graph: MachineGraph, arrows: readonly Arrow[]): ElkExtendedEdge[] {
  const starts = graph.states
    .filter((state) => state.initial !== null)
    .map((state): ElkExtendedEdge => ({ id: `start ${state.path}`, sources: [startId + state.path], targets: [state.initial!] }))
  return [
    ...starts,
    ...arrows.map((arrow, index) => ({
      id: `arrow ${index}`,
      sources: [arrow.from],
      targets: [arrow.to],
      labels: [{ text: arrow.labels.join('\n'), width: Math.max(...arrow.labels.map((label) => textPx(label, labelPx))) + 6, height: arrow.labels.length * linePx }],
    })),
  ]
}

function draw(graph: MachineGraph, laid: ElkNode): string {
  const title = `Machine ${graph.id}`
  const width = Math.ceil(laid.width ?? 0)
  const height = Math.ceil(laid.height ?? 0)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">`,
    `<title>${escaped(title)}</title>`,
    `<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="${colour.edge}"/></marker></defs>`,
    `<rect width="${width}" height="${height}" fill="${colour.ground}"/>`,
    ...nodesOf(graph, laid.children ?? []),
    ...(laid.edges ?? []).map(drawEdge),
    ...(laid.edges ?? []).flatMap(drawLabels),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function nodesOf(graph: MachineGraph, nodes: readonly ElkNode[]): string[] {
  return nodes.flatMap((node) => {
    const { x = 0, y = 0, width = 0, height = 0 } = node
    if (node.id.startsWith(startId)) return [`<circle cx="${n(x + width / 2)}" cy="${n(y + height / 2)}" r="6" fill="${colour.text}"/>`]
    if (node.id === anyState.id) {
      const frame = `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" rx="8" fill="none" stroke="${colour.edge}" stroke-dasharray="5 4"/>`
      return [`<g data-any="">${frame}${text(x + width / 2, y + height / 2 + fontPx * 0.35, anyState.text, fontPx, colour.label, 'middle')}</g>`]
    }
    const state = graph.states.find((one) => one.path === node.id) as GraphState
    const box = (inset: number, fill: string) =>
      `<rect x="${n(x + inset)}" y="${n(y + inset)}" width="${n(width - 2 * inset)}" height="${n(height - 2 * inset)}" rx="${8 - inset}" fill="${fill}" stroke="${colour.frame}"/>`
    if (node.children !== undefined && node.children.length > 0) {
      return [`<g data-state="${escaped(state.path)}">${box(0, colour.compound)}${text(x + 14, y + 22, state.key, fontPx, colour.text, 'start', true)}</g>`, ...nodesOf(graph, node.children)]
    }
    const final = state.type === 'final'
    const boxes = final ? box(0, colour.ground) + box(3, colour.final) : box(0, colour.state)
    return [`<g data-state="${escaped(state.path)}">${boxes}${text(x + width / 2, y + height / 2 + fontPx * 0.35, state.key, fontPx, colour.text, 'middle', true)}</g>`]
  })
}

function drawEdge(edge: ElkExtendedEdge): string {
  const lines = (edge.sections ?? []).map((section) => {
    const points = [section.startPoint, ...(section.bendPoints ?? []), section.endPoint]
    return `<polyline points="${points.map(({ x, y }) => `${n(x)},${n(y)}`).join(' ')}" fill="none" stroke="${colour.edge}" stroke-linejoin="round" marker-end="url(#head)"/>`
  })
  return `<g data-from="${escaped(edge.sources[0]!)}" data-to="${escaped(edge.targets[0]!)}">${lines.join('')}</g>`
}

function drawLabels(edge: ElkExtendedEdge): string[] {
  return (edge.labels ?? []).flatMap((label) => {
    const { x = 0, y = 0, width = 0, height = 0 } = label
    const rows = (label.text ?? '').split('\n')
    return [
      `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" fill="${colour.ground}" fill-opacity="0.85"/>`,
      ...rows.map((row, index) => text(x + width / 2, y + (index + 0.75) * linePx, row, labelPx, colour.label, 'middle')),
    ]
  })
}

function text(x: number, y: number, content: string, sizePx: number, fill: string, anchor: 'start' | 'middle', bold = false): string {
  return `<text x="${n(x)}" y="${n(y)}" font-size="${sizePx}" fill="${fill}" text-anchor="${anchor}"${bold ? ' font-weight="600"' : ''}>${escaped(content)}</text>`
}

/** Generous: whoever looks at it may have a wider font. */
function textPx(content: string, sizePx: number): number {
  return Math.ceil(content.length * sizePx * 0.6)
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]!)
}
