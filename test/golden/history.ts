/** A golden history: an exported log, and what every group of it was at several positions when it was recorded. */
import { fileURLToPath } from 'node:url'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { type LaneState, emptyLane, foldTurn, stopsWriter } from '../../machines/lane/state.ts'
import { readLogFile } from '../../src/log-file/read.ts'
import { canonicalJson, decodeTurn } from '../../streams/codec.ts'
import { parseEventSubject } from '../../streams/subjects.ts'

export const realmName = 'reeve'

export function fileOf(format: number, name: string, kind: 'log' | 'states'): string {
  return fileURLToPath(new URL(`format-${format}/${name}.${kind}.ndjson`, import.meta.url))
}

/** States are recorded at every so many turns, and at the end. */
const everyTurns = 3

/** A line a group and position: canonical JSON (RFC 8785). Throws what the reading of the file throws. */
export async function statesOf(file: string): Promise<readonly string[]> {
  const lanes = new Map<string, LaneState>()
  const lines: string[] = []
  let turns = 0
  let position = 0
  const say = () => {
    for (const lane of lanes.values()) {
      const stopped = stopsWriter(lane)
      if (stopped !== undefined) lines.push(canonicalJson({ position, lane: lane.lane, stopped }))
      for (const group of lane.groups.values()) lines.push(canonicalJson({ position, state: exclusiveStateOf(group) }))
    }
  }
  for await (const batch of readLogFile(file)) {
    for (const message of batch) {
      const at = parseEventSubject(realmName, message.subject)
      if (at?.kind !== 'lane') continue
      let lane = lanes.get(at.lane)
      if (lane === undefined) lanes.set(at.lane, (lane = emptyLane(at.lane)))
      foldTurn(lane, decodeTurn(message.bytes))
      turns += 1
      position = message.position
      if (turns % everyTurns === 0) say()
    }
  }
  say()
  return lines
}
