/** A heap of places in a plain list, the lowest first: what a group's state may hold, since it goes through JSON. */

export function pushPlace(heap: number[], place: number): void {
  heap.push(place)
  rise(heap, heap.length - 1)
}

/** Removes it where it is there; at the top in O(log n), where it nearly always is. */
export function dropPlace(heap: number[], place: number): void {
  const at = heap[0] === place ? 0 : heap.indexOf(place)
  if (at < 0) return
  const last = heap.pop()!
  if (at === heap.length) return
  heap[at] = last
  sink(heap, at)
  rise(heap, at)
}

function sink(heap: number[], from: number): void {
  const place = heap[from]!
  let at = from
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child += 1
    if (heap[child]! >= place) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = place
}

function rise(heap: number[], from: number): void {
  const place = heap[from]!
  let at = from
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (heap[parent]! <= place) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = place
}
