/** What a reader of the log is not shown, since it was archived: said in one line, so that nobody takes what is left for everything. */
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { ArchivedLane } from '../log-file/format.ts'

export type LaneNotHere = Pick<ArchivedLane, 'lane' | 'number'>
type ReadLog = (request: Pick<ApiRequest<'log', 'read'>, 'from' | 'until' | 'limit' | 'aggregate' | 'id'>) => Promise<ApiSuccess<'log', 'read'>>

/** `group`: of whom it is, where it is of one. */
export function notHereText(lanes: readonly LaneNotHere[], group = 'GROUP'): string {
  const turns = lanes.map(({ lane, number }) => `1 to ${number} of lane ${lane}`).join(', ')
  return `turns ${turns} are in archives and not in this: "reeve replay --group ${group} --step --from DIR" reads them too, DIR the folder of the archives`
}

/** Lanes that have archived turns which may stand at `from` or behind it. */
export async function lanesNotHere(read: ReadLog, lanes: readonly string[], from: number): Promise<readonly LaneNotHere[]> {
  const found: LaneNotHere[] = []
  for (const lane of lanes) {
    const { archived } = await read({ from, until: from, limit: 1, aggregate: 'lane', id: lane })
    if (archived !== undefined) found.push({ lane, number: archived })
  }
  return found
}

/** The lane of a group, where turns of it from `from` on may be archived; none where its first event still stands there. */
export async function groupNotHere(read: ReadLog, group: string, from: number): Promise<readonly LaneNotHere[]> {
  for (let next = from; ; ) {
    const page = await read({ from: next, limit: 1, aggregate: 'group', id: group })
    if (page.archived === undefined && next === from) return []
    const [turn] = page.turns
    if (turn?.turn.commits.some(({ id, revision }) => id === group && revision === 1) === true) return []
    if (turn !== undefined || page.complete) return lanesNotHere(read, [laneOfGroup(group)!], from)
    next = page.next
  }
}
