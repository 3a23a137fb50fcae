/**
 * A map and a set of what comes and goes all the time, which the runtime's own are bad at. Those keep a table that they have outgrown
 * linked to the one after it. A table that lies in the old generation, because a collection of the whole heap found it in use, thus keeps
 * the next one, that one the next, and so on: everything that was ever in the map since then outlives all collections of young objects,
 * each of which copies it, until the whole heap is collected again (V8's `OrderedHashTable`; docs/performance.md, "What a job leaves
 * behind"). Here a new map is begun after some removals, which ends that chain; so keys and values die young. Whatever is walked is not
 * begun anew meanwhile: a walk sees what is put in and taken out, as it does in a `Map`.
 */

/** After so many removals, and twice as many as entries that are left, which are copied: a removal costs the same however many there are. */
const removalsLeast = 64

export class PassingMap<Key, Value> {
  #map = new Map<Key, Value>()
  #removals = 0
  #walks = 0

  get size(): number {
    return this.#map.size
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key)
  }

  has(key: Key): boolean {
    return this.#map.has(key)
  }

  set(key: Key, value: Value): void {
    this.#map.set(key, value)
  }

  delete(key: Key): boolean {
    if (!this.#map.delete(key)) return false
    this.#removals += 1
    if (this.#removals > removalsLeast + 2 * this.#map.size && this.#walks === 0) {
      this.#map = new Map(this.#map)
      this.#removals = 0
    }
    return true
  }

  [Symbol.iterator](): Generator<[Key, Value]> {
    return this.#walk((map) => map)
  }

  keys(): Generator<Key> {
    return this.#walk((map) => map.keys())
  }

  values(): Generator<Value> {
    return this.#walk((map) => map.values())
  }

  /** As `values`, for less. */
  forEach(visit: (value: Value, key: Key) => void): void {
    this.#walks += 1
    try {
      this.#map.forEach(visit)
    } finally {
      this.#walks -= 1
    }
  }

  *#walk<Item>(begin: (map: Map<Key, Value>) => Iterable<Item>): Generator<Item> {
    this.#walks += 1
    try {
      yield* begin(this.#map)
    } finally {
      this.#walks -= 1
    }
  }
}

export class PassingSet<Member> {
  readonly #members = new PassingMap<Member, true>()

  get size(): number {
    return this.#members.size
  }

  has(member: Member): boolean {
    return this.#members.has(member)
  }

  add(member: Member): void {
    this.#members.set(member, true)
  }

  delete(member: Member): boolean {
    return this.#members.delete(member)
  }

  [Symbol.iterator](): Generator<Member> {
    return this.#members.keys()
  }
}
