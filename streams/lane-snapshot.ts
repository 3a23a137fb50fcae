/**
 * Snapshots of lanes on the wire: lines of JSON in the object store, and the pointer to them in the bucket of mappings
 * (docs/wire.md "Snapshots"). Line by line, so that writing and reading one is never late by its own work (P8).
 */
import { compacted } from '../machines/execution-group/ended.ts'
import type { JobSpec } from '../machines/execution-group/events.ts'
import type { GroupState } from '../machines/execution-group/state.ts'
import { type LaneHead, type PlainLane, laneSchema } from '../machines/lane/snapshot.ts'
import type { KnownCommand } from '../machines/lane/state.ts'
import { fromBytes } from './coordination.ts'
import { shareEqualParts } from './shared-jobs.ts'

/** Bucket `mappings`, key `snapshot.<lane>`. It has no key `lane`: other values of the bucket are told by that. */
export interface SnapshotPointer {
  readonly incarnation: number
  /** Of the last turn that is in it. */
  readonly position: number
  /** Lane number of that turn, and the digest of its stored bytes. */
  readonly number: number
  readonly turn: string
  /** `laneSchema` of who cut it. */
  readonly schema: number
  /** Name in the object store, and SHA-256 (lower-case hex) of what lies there. */
  readonly object: string
  readonly digest: string
}

export function snapshotKey(lane: string): string {
  return `snapshot.${lane}`
}

/** Undefined for what is no pointer. */
export function pointerIn(value: Uint8Array): SnapshotPointer | undefined {
  return valueIn<SnapshotPointer>(value, ['incarnation', 'position', 'number', 'schema'], ['turn', 'object', 'digest'])
}

/** Bucket `mappings`, key `archived.<lane>`: a snapshot that was made anew from the archives of a lane, for builds of another schema. */
export interface RenewedSnapshot {
  readonly incarnation: number
  /** Of the last turn that is in it: that of a `LaneArchived`. */
  readonly number: number
  readonly turn: string
  readonly schema: number
  /** Under which it lies among the texts. */
  readonly digest: string
}

export function renewedKey(lane: string): string {
  return `archived.${lane}`
}

/** Undefined for what is none. */
export function renewedIn(value: Uint8Array): RenewedSnapshot | undefined {
  return valueIn<RenewedSnapshot>(value, ['incarnation', 'number', 'schema'], ['turn', 'digest'])
}

function valueIn<T>(bytes: Uint8Array, numbers: readonly (keyof T)[], texts: readonly (keyof T)[]): T | undefined {
  let value: T
  try {
    value = fromBytes<T>(bytes)
  } catch {
    return undefined
  }
  const isWhole = numbers.every((key) => Number.isSafeInteger(value[key]) && (value[key] as number) >= 1)
  return isWhole && texts.every((key) => typeof value[key] === 'string') ? value : undefined
}

/** First line. */
export interface SnapshotHead extends LaneHead {
  readonly schema: number
  readonly incarnation: number
  readonly position: number
  readonly turn: string
  /** Position of the oldest of the last turns that a new holder says again (P9). */
  readonly again: number
}

/**
 * What a service derives from the turns of a lane beside its state: it goes with the snapshot in an archive, since those turns are gone. Positions
 * are of the incarnation that the snapshot says.
 */
export interface LaneShown {
  /** Position of the first and of the last turn that holds a commit of the group, and the sites of its jobs. */
  readonly groups: readonly (readonly [group: string, begins: number, last: number, sites: readonly string[]])[]
  /** What changes have set last, by the position of the turn that set it. */
  readonly desired: readonly (readonly [site: string, service: string, property: string, value: string | boolean | null, position: number])[]
}

/** Last line: how many there were. */
interface SnapshotEnd {
  readonly groups: number
  readonly commands: number
  /** Lines `shown`; absent where there are none. */
  readonly shown?: number
}

const commandsALine = 200
const shownALine = 200

/** Without their newlines. */
export function* snapshotLines(plain: PlainLane, about: Omit<SnapshotHead, keyof LaneHead | 'schema'>, shown?: LaneShown): Generator<string> {
  const head: SnapshotHead = { schema: laneSchema, ...about, ...plain.head }
  yield JSON.stringify(head)
  let groups = 0
  for (const group of plain.groups) {
    groups += 1
    yield JSON.stringify({ group })
  }
  let commands = 0
  let line: (readonly [string, KnownCommand])[] = []
  for (const known of plain.commands) {
    commands += 1
    line.push(known)
    if (line.length < commandsALine) continue
    yield JSON.stringify({ commands: line })
    line = []
  }
  if (line.length > 0) yield JSON.stringify({ commands: line })
  let shownLines = 0
  for (const part of partsOf(shown)) {
    shownLines += 1
    yield JSON.stringify({ shown: part })
  }
  yield JSON.stringify({ end: { groups, commands, ...(shown === undefined ? {} : { shown: shownLines }) } satisfies SnapshotEnd })
}

function* partsOf(shown: LaneShown | undefined): Generator<Partial<LaneShown>> {
  const { groups = [], desired = [] } = shown ?? {}
  for (let at = 0; at < groups.length; at += shownALine) yield { groups: groups.slice(at, at + shownALine) }
  for (let at = 0; at < desired.length; at += shownALine) yield { desired: desired.slice(at, at + shownALine) }
}

/** What claims to be a snapshot is none. */
export class MalformedSnapshot extends Error {
  override readonly name = 'MalformedSnapshot'
  readonly retryable = false
}

/** Collects the lines of one snapshot. What it is given has the digest that its pointer names, so that only lengths are checked. */
export class SnapshotReader {
  #head: SnapshotHead | undefined
  #end: SnapshotEnd | undefined
  readonly #groups: GroupState[] = []
  readonly #commands: (readonly [string, KnownCommand])[] = []
  readonly #shown: { readonly groups: LaneShown['groups'][number][]; readonly desired: LaneShown['desired'][number][] } = { groups: [], desired: [] }
  #shownLines = 0

  /** `specs`: those of the group of this line, which are left out of it. Throws `MalformedSnapshot`. */
  take(line: string, specs?: JobSpec[]): void {
    let value: { readonly group?: GroupState; readonly commands?: readonly (readonly [string, KnownCommand])[]; readonly shown?: Partial<LaneShown>; readonly end?: SnapshotEnd }
    try {
      value = JSON.parse(line) as typeof value
    } catch (cause) {
      throw new MalformedSnapshot('a line of a snapshot is not JSON', { cause })
    }
    if (this.#head === undefined) this.#head = value as unknown as SnapshotHead
    else if (this.#end !== undefined) throw new MalformedSnapshot('a snapshot goes on behind its end')
    else if (value.group !== undefined) this.#takeGroup(specs === undefined ? value.group : Object.assign(value.group, { specs }), specs !== undefined)
    else if (value.commands !== undefined) this.#commands.push(...value.commands)
    else if (value.shown !== undefined) {
      this.#shownLines += 1
      for (const group of value.shown.groups ?? []) this.#shown.groups.push(group)
      for (const set of value.shown.desired ?? []) this.#shown.desired.push(set)
    } else if (value.end !== undefined) this.#end = value.end
    else throw new MalformedSnapshot('a line of a snapshot is of no known kind')
  }

  #takeGroup(group: GroupState, shared: boolean): void {
    if (!shared) shareEqualParts(group.specs)
    this.#groups.push(compacted(group))
  }

  /** Throws `MalformedSnapshot` where lines are missing. */
  finish(): { readonly head: SnapshotHead; readonly plain: PlainLane; readonly shown: LaneShown } {
    const head = this.#head
    if (head === undefined || this.#end === undefined) throw new MalformedSnapshot('a snapshot without its end')
    if (this.#end.groups !== this.#groups.length || this.#end.commands !== this.#commands.length || (this.#end.shown ?? 0) !== this.#shownLines) throw new MalformedSnapshot('a snapshot that lacks lines')
    const { lane, phase, revision, holder, number, timeMs, epoch, archived } = head
    return { head, plain: { head: { lane, phase, revision, holder, number, timeMs, epoch, archived }, groups: this.#groups, commands: this.#commands }, shown: this.#shown }
  }
}
