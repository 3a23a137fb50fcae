/** Pages: as many items as were asked for and fit into one message. */
import { pageLimitBytes } from '../../streams/api/catalogue.ts'

const encoder = new TextEncoder()

export function sizeOf(item: unknown): number {
  return encoder.encode(JSON.stringify(item)).length + 1
}

export interface Page<T> {
  readonly items: T[]
  /** Where there is more: the last item of this page. */
  readonly last: T | undefined
}

/** The first item always fits, whatever its size. */
export function pageOf<T>(all: Iterable<T>, limit: number): Page<T> {
  const items: T[] = []
  let bytes = 0
  for (const item of all) {
    bytes += sizeOf(item)
    if (items.length === limit || (items.length > 0 && bytes > pageLimitBytes)) return { items, last: items[items.length - 1] }
    items.push(item)
  }
  return { items, last: undefined }
}
