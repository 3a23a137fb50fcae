/** Where the turns of a group stand in the log: all of them, or what an archive left of them. */
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'

export interface GroupPlaces {
  readonly group: string
  /** First and last position; none where the log has no turn of it any more. */
  readonly stands: { readonly first: number; readonly last: number } | undefined
  /** Its first event is among them. */
  readonly whole: boolean
  /** Of the log. */
  readonly end: number
}

type ReadLog = (request: Pick<ApiRequest<'log', 'read'>, 'from' | 'limit' | 'aggregate' | 'id'>) => Promise<ApiSuccess<'log', 'read'>>

/** Throws `ApiFailure`. */
export async function placesOf(read: ReadLog, group: string): Promise<GroupPlaces> {
  let stands: GroupPlaces['stands']
  let whole = false
  for (let from = 1; ; ) {
    const { turns, next, end, complete } = await read({ from, limit: 1_000, aggregate: 'group', id: group })
    for (const { position, turn } of turns) {
      whole ||= turn.commits.some(({ id, revision }) => id === group && revision === 1)
      stands = { first: stands?.first ?? position, last: position }
    }
    if (complete) return { group, stands, whole, end }
    from = next
  }
}

export function placesText({ group, stands, whole, end }: GroupPlaces): string {
  const where = stands === undefined ? 'are in archives' : whole ? `stand at positions ${stands.first} to ${stands.last}` : `are in archives, and at positions ${stands.first} to ${stands.last}`
  const files = whole ? '' : `"reeve replay --group ${group} --step --from DIR" reads them all, DIR the folder of the archives; `
  return `Its turns ${where}; ${files}the log ends at ${end}.`
}
