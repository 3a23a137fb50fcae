/** What the events of a group of order `graph` do to its predicates (I2) and to what could be granted. In place. */
import type { Run } from './events.ts'
import { cycleOf, graphOf, isOpenPlace, isRunnable, placeOf, putReady, settlePlace, strayPredicate, takeReady } from './graph.ts'
import { type Fault, type GroupState, assigneeOf } from './state.ts'

export function sealGraph(state: GroupState): Fault['type'] | undefined {
  if (strayPredicate(state.specs, 1, state.specs.length) !== undefined || cycleOf(state.specs) !== undefined) return 'broken-order'
  state.graph = graphOf(state.specs)
  reassignReady(state)
  return undefined
}

/** False when it is no single job whose predicates are all settled (I1, I2). The job stands at the head from here on. */
export function graphGrant(state: GroupState, jobs: readonly Run[]): boolean {
  const graph = state.graph!
  const [run] = jobs
  if (jobs.length !== 1 || run![0] !== run![1]) return false
  const job = run![0]
  if (!isRunnable(graph, job)) return false
  graph.taken = placeOf(graph, job)!
  takeReady(graph, assigneeOf(state, job) ?? '', graph.taken)
  state.head = job
  state.headLast = job
  return true
}

/** The job at the head is pending again. */
export function graphReturned(state: GroupState): void {
  const graph = state.graph!
  putReady(graph, assigneeOf(state, state.head) ?? '', graph.taken)
  graph.taken = 0
}

/** The group stops at the job at the head, which waits to be retried; where it had been given back before, it waited again (P24). */
export function graphStopped(state: GroupState): void {
  const graph = state.graph!
  const place = placeOf(graph, state.head)!
  if (graph.taken !== place) takeReady(graph, assigneeOf(state, state.head) ?? '', place)
  graph.taken = place
}

/** The job at the head is settled, and what waited for nothing else could be granted. */
export function foldPlaceSettled(state: GroupState): void {
  const graph = state.graph!
  const place = placeOf(graph, state.head)!
  // It waits again where its grant was given back before its outcome came (P24).
  if (graph.taken !== place) takeReady(graph, assigneeOf(state, state.head) ?? '', place)
  graph.taken = 0
  settlePlace(graph, place, (freed) => putReady(graph, assigneeOf(state, graph.occupants[freed]!) ?? '', freed))
  state.head = 0
  state.headLast = 0
}

/** The retry stands where the failed job stood, also for those that wait for it (I3). */
export function graphRetried(state: GroupState, job: number, retryOf: number): undefined {
  const graph = state.graph!
  const place = placeOf(graph, retryOf)!
  graph.occupants[place] = job
  graph.retried.push(place)
  graph.taken = 0
  putReady(graph, assigneeOf(state, job) ?? '', place)
  state.head = 0
  state.headLast = 0
}

/** The queues changed. */
export function reassignReady(state: GroupState): void {
  const graph = state.graph!
  graph.ready = []
  for (let place = 1; place <= graph.places; place++) {
    if (place !== graph.taken && graph.waits[place] === 0 && isOpenPlace(graph, place)) putReady(graph, assigneeOf(state, graph.occupants[place]!) ?? '', place)
  }
}
