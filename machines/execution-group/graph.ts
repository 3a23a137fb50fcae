/**
 * Explicit predicates of an ordered group: which job waits for which, and which could be granted now.
 *
 * Every job of the plan has a place, which is its number; a retry takes the place of the job that it replaces (I3). Predicates are
 * runs of places, so waiting is counted over the nodes of a segment tree, never over single edges: sealing costs
 * O(runs · log n), settling a job O(log n), however many jobs wait for it.
 *
 * 1. `open[node]` is the number of places below the node that are not settled.
 * 2. `waits[place]` is the number of nodes that cover its predicates and are not settled yet; at 0 the place is ready.
 * 3. `ready` holds, by agent in whose queue the job is, exactly the places that are ready and not settled, but for `taken`.
 */
import type { JobSpec, Run } from './events.ts'
import { dropPlace, pushPlace } from './place-heap.ts'

export interface GraphState {
  /** Jobs of the plan. */
  places: number
  /** Leaves of the tree: a power of two. The leaf of a place is `leaves + place - 1`; node 1 is the root. */
  leaves: number
  open: number[]
  waits: number[]
  /** By node: the first entry of the list of those that wait for it, from 1; 0 for none. */
  firstWaiter: number[]
  waiterPlace: number[]
  nextWaiter: number[]
  /** By place, from index 1: the job that stands there. */
  occupants: number[]
  /** Place of job `places + 1`, `places + 2`, …: retries. */
  retried: number[]
  /** The place whose job is granted, or stopped its group; 0 for none. */
  taken: number
  /** Heaps of places, the lowest first; `agent` is "" where the job is in nobody's queue. */
  ready: { readonly agent: string; places: number[] }[]
}

/** Predicates that name the job itself, or a number that the group does not have. */
export function strayPredicate(specs: readonly Pick<JobSpec, 'after'>[], firstNumber: number, jobs: number): { readonly job: number; readonly after: Run } | undefined {
  for (let index = 0; index < specs.length; index++) {
    const job = firstNumber + index
    for (const run of specs[index]!.after ?? []) {
      const [first, last] = run
      const whole = Number.isInteger(first) && Number.isInteger(last) && first >= 1 && first <= last && last <= jobs
      if (!whole || (first <= job && job <= last)) return { job, after: run }
    }
  }
  return undefined
}

/** Jobs that wait for one another, each for the next and the last for the first; undefined where there are none. */
export function cycleOf(specs: readonly Pick<JobSpec, 'after'>[]): readonly number[] | undefined {
  // Where everybody waits only for lower numbers there is none.
  if (specs.every((spec, index) => (spec.after ?? []).every(([, last]) => last <= index))) return undefined
  const graph = graphOf(specs)
  const ready: number[] = []
  for (let place = 1; place <= graph.places; place++) if (graph.waits[place] === 0) ready.push(place)
  let settled = 0
  for (const place of ready) {
    settlePlace(graph, place, (freed) => ready.push(freed))
    settled += 1
  }
  if (settled === graph.places) return undefined
  const path: number[] = []
  const at = new Map<number, number>()
  for (let place = firstOpen(graph, 1, graph.places)!; ; ) {
    const seen = at.get(place)
    if (seen !== undefined) return path.slice(seen)
    at.set(place, path.length)
    path.push(place)
    place = (specs[place - 1]!.after ?? []).map(([first, last]) => firstOpen(graph, first, last)).find((found) => found !== undefined)!
  }
}

/** Nothing is settled, nothing is in `ready` yet. The predicates are of places that there are. */
export function graphOf(specs: readonly Pick<JobSpec, 'after'>[]): GraphState {
  const places = specs.length
  let leaves = 1
  while (leaves < places) leaves *= 2
  const open = new Array<number>(2 * leaves).fill(0)
  for (let place = 1; place <= places; place++) open[leaves + place - 1] = 1
  for (let node = leaves - 1; node >= 1; node--) open[node] = open[2 * node]! + open[2 * node + 1]!
  const graph: GraphState = {
    places,
    leaves,
    open,
    waits: new Array<number>(places + 1).fill(0),
    firstWaiter: new Array<number>(2 * leaves).fill(0),
    waiterPlace: [0],
    nextWaiter: [0],
    occupants: Array.from({ length: places + 1 }, (_, place) => place),
    retried: [],
    taken: 0,
    ready: [],
  }
  for (let place = 1; place <= places; place++) {
    for (const [first, last] of specs[place - 1]!.after ?? []) waitFor(graph, place, first, last)
  }
  return graph
}

function waitFor(graph: GraphState, place: number, first: number, last: number): void {
  let left = graph.leaves + first - 1
  let right = graph.leaves + last
  while (left < right) {
    if (left % 2 === 1) wait(graph, place, left++)
    if (right % 2 === 1) wait(graph, place, --right)
    left /= 2
    right /= 2
  }
}

function wait(graph: GraphState, place: number, node: number): void {
  graph.waiterPlace.push(place)
  graph.nextWaiter.push(graph.firstWaiter[node]!)
  graph.firstWaiter[node] = graph.waiterPlace.length - 1
  graph.waits[place] = graph.waits[place]! + 1
}

/** `freed` is called for each place that waits for nothing any more. */
export function settlePlace(graph: GraphState, place: number, freed: (place: number) => void): void {
  for (let node = graph.leaves + place - 1; node >= 1; node = node >> 1) {
    graph.open[node] = graph.open[node]! - 1
    if (graph.open[node] !== 0) continue
    for (let entry = graph.firstWaiter[node]!; entry !== 0; entry = graph.nextWaiter[entry]!) {
      const waiter = graph.waiterPlace[entry]!
      graph.waits[waiter] = graph.waits[waiter]! - 1
      if (graph.waits[waiter] === 0) freed(waiter)
    }
    graph.firstWaiter[node] = 0
  }
}

export function placeOf(graph: GraphState, job: number): number | undefined {
  return job >= 1 && job <= graph.places ? job : graph.retried[job - graph.places - 1]
}

export function isOpenPlace(graph: GraphState, place: number): boolean {
  return graph.open[graph.leaves + place - 1] === 1
}

/** The job could be granted, as far as its predicates go; false also for one that was replaced. */
export function isRunnable(graph: GraphState, job: number): boolean {
  const place = placeOf(graph, job)
  return place !== undefined && graph.occupants[place] === job && isOpenPlace(graph, place) && graph.waits[place] === 0
}

/** The lowest place from `first` to `last` that is not settled. */
export function firstOpen(graph: GraphState, first: number, last: number): number | undefined {
  let node = graph.leaves + first - 1
  const end = graph.leaves + last - 1
  // Up and to the right until a node holds something open, then down to its first leaf.
  while (graph.open[node] === 0) {
    while (node % 2 === 1) node = node >> 1
    if (node <= 1) return undefined
    node += 1
  }
  while (node < graph.leaves) node = graph.open[2 * node]! > 0 ? 2 * node : 2 * node + 1
  return node <= end ? node - graph.leaves + 1 : undefined
}

/** Places that are not settled, in order; one of them left out where `but` says so. */
export function openPlaces(graph: GraphState, but?: number): number[] {
  const places: number[] = []
  for (let place = 1; place <= graph.places; place++) if (place !== but && isOpenPlace(graph, place)) places.push(place)
  return places
}

export function settledPlaces(graph: GraphState): number[] {
  const places: number[] = []
  for (let place = 1; place <= graph.places; place++) if (!isOpenPlace(graph, place)) places.push(place)
  return places
}

/** The jobs that stand in these places, in their order, as runs. */
export function occupantRuns(graph: GraphState, places: readonly number[]): Run[] {
  const runs: [number, number][] = []
  for (const place of places) {
    const job = graph.occupants[place]!
    const open = runs[runs.length - 1]
    if (open !== undefined && open[1] === job - 1) open[1] = job
    else runs.push([job, job])
  }
  return runs
}

export function putReady(graph: GraphState, agent: string, place: number): void {
  let queue = graph.ready.find((one) => one.agent === agent)
  if (queue === undefined) {
    graph.ready.push({ agent, places: [] })
    queue = graph.ready[graph.ready.length - 1]!
  }
  pushPlace(queue.places, place)
}

export function takeReady(graph: GraphState, agent: string, place: number): void {
  const queue = graph.ready.find((one) => one.agent === agent)
  if (queue !== undefined) dropPlace(queue.places, place)
}

/** The job of the lowest ready place in this agent's queue. */
export function nextReady(graph: GraphState, agent: string): number | undefined {
  const place = graph.ready.find((one) => one.agent === agent)?.places[0]
  return place === undefined ? undefined : graph.occupants[place]
}

/** Agents in whose queues a job could be granted; undefined where there are none. */
export function agentsWithReady(graph: GraphState): readonly string[] | undefined {
  const agents = graph.ready.filter(({ agent, places }) => agent !== '' && places.length > 0).map(({ agent }) => agent)
  return agents.length === 0 ? undefined : agents
}
