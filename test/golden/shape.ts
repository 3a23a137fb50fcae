/** The shape of a lane's state: which keys it has, with values of which kind, as the golden histories fill it. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { plainLane } from '../../machines/lane/snapshot.ts'
import { emptyLane, foldTurn } from '../../machines/lane/state.ts'
import { readLogFile } from '../../src/log-file/read.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { parseEventSubject } from '../../streams/subjects.ts'
import { fileOf, realmName } from './history.ts'
import { scenes } from './scenes.ts'

export const shapeFile = fileURLToPath(new URL('state-shape.json', import.meta.url))

export interface RecordedShape {
  readonly schema: number
  readonly shape: readonly string[]
}

export async function recordedShape(): Promise<RecordedShape | undefined> {
  return readFile(shapeFile, 'utf8').then((text) => JSON.parse(text) as RecordedShape, () => undefined)
}

/** Sorted lines `path: kind`. */
export async function shapeOfStates(): Promise<readonly string[]> {
  const found = new Set<string>()
  for (const { name, format } of scenes) {
    const lanes = new Map<string, ReturnType<typeof emptyLane>>()
    for await (const batch of readLogFile(fileOf(format, name, 'log'))) {
      for (const message of batch) {
        const at = parseEventSubject(realmName, message.subject)
        if (at?.kind !== 'lane') continue
        const state = lanes.get(at.lane) ?? emptyLane(at.lane)
        lanes.set(at.lane, state)
        foldTurn(state, decodeTurn(message.bytes))
        const { head, groups, commands } = plainLane(state)
        note(found, 'lane', head)
        for (const group of groups) note(found, 'group', group)
        for (const [, known] of commands) note(found, 'command', known)
      }
    }
  }
  return [...found].sort()
}

function note(found: Set<string>, path: string, value: unknown): void {
  if (Array.isArray(value)) for (const item of value) note(found, `${path}[]`, item)
  else if (typeof value === 'object' && value !== null) {
    const prototype: unknown = Object.getPrototypeOf(value)
    // A map or a set would be written down as nothing.
    if (prototype !== Object.prototype) throw new Error(`${path} is no plain data: a snapshot would lose it`)
    for (const [key, inner] of Object.entries(value)) note(found, `${path}.${key}`, inner)
  } else if (value === undefined) throw new Error(`${path} is undefined: leave the key out, or say null`)
  else found.add(`${path}: ${value === null ? 'null' : typeof value}`)
  if (Array.isArray(value)) found.add(`${path}: list`)
}
