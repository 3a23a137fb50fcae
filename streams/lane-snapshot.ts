/**
 * Snapshots of lanes on the wire: lines of JSON in the object store, and the pointer to them in the bucket of mappings
 * (docs/wire.md "Snapshots"). Line by line, so that writing and reading one is never late by its own work (P8).
 */
import type { GroupState } from '../machines/execution-group/state.ts'
import { type LaneHead, type PlainLane, laneSchema } from '../machines/lane/snapshot.ts'
import type { KnownCommand } from '../machines/lane/state.ts'
import { fromBytes } from './coordination.ts'

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
  let pointer: SnapshotPointer
  try {
    pointer = fromBytes<SnapshotPointer>(value)
  } catch {
    return undefined
  }
  const { incarnation, position, number, turn, schema, object, digest } = pointer
  const isWhole = [incarnation, position, number, schema].every((value) => Number.isSafeInteger(value) && value >= 1)
  return isWhole && [turn, object, digest].every((value) => typeof value === 'string') ? pointer : undefined
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

/** Last line: how many there were. */
interface SnapshotEnd {
  readonly groups: number
  readonly commands: number
}

const commandsALine = 200

/** Without their newlines. */
export function* snapshotLines(plain: PlainLane, about: Omit<SnapshotHead, keyof LaneHead | 'schema'>): Generator<string> {
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
  yield JSON.stringify({ end: { groups, commands } satisfies SnapshotEnd })
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

  /** Throws `MalformedSnapshot`. */
  take(line: string): void {
    let value: { readonly group?: GroupState; readonly commands?: readonly (readonly [string, KnownCommand])[]; readonly end?: SnapshotEnd }
    try {
      value = JSON.parse(line) as typeof value
    } catch (cause) {
      throw new MalformedSnapshot('a line of a snapshot is not JSON', { cause })
    }
    if (this.#head === undefined) this.#head = value as unknown as SnapshotHead
    else if (this.#end !== undefined) throw new MalformedSnapshot('a snapshot goes on behind its end')
    else if (value.group !== undefined) this.#groups.push(value.group)
    else if (value.commands !== undefined) this.#commands.push(...value.commands)
    else if (value.end !== undefined) this.#end = value.end
    else throw new MalformedSnapshot('a line of a snapshot is of no known kind')
  }

  /** Throws `MalformedSnapshot` where lines are missing. */
  finish(): { readonly head: SnapshotHead; readonly plain: PlainLane } {
    const head = this.#head
    if (head === undefined || this.#end === undefined) throw new MalformedSnapshot('a snapshot without its end')
    if (this.#end.groups !== this.#groups.length || this.#end.commands !== this.#commands.length) throw new MalformedSnapshot('a snapshot that lacks lines')
    const { lane, phase, revision, holder, number, timeMs, epoch } = head
    return { head, plain: { head: { lane, phase, revision, holder, number, timeMs, epoch }, groups: this.#groups, commands: this.#commands } }
  }
}
