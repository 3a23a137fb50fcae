/** What former builds left behind on the disk when they read objects through the client (`objects.ts`). */
import { Unavailable } from '../ports/event-log.ts'
import type { Link } from './link.ts'
import { objectStream } from './objects.ts'

interface ConsumerList {
  readonly total: number
  readonly limit: number
  readonly consumers: readonly { readonly name: string; readonly push_bound?: boolean; readonly config: { readonly deliver_subject?: string; readonly durable_name?: string } }[]
}

/**
 * Removes the readers of an object store that nobody hears. For who has started the server and is its first user: it drops them itself after 5 min,
 * but from some hundreds on its end takes longer than it is given. Where it does not answer they stay.
 */
export async function removeLeftReaders(link: Link, bucket: string): Promise<void> {
  const stream = objectStream(bucket)
  try {
    const left: string[] = []
    for (let offset = 0, total = 1; offset < total; ) {
      const listed = await link.api<ConsumerList>(`CONSUMER.LIST.${stream}`, { offset })
      if (!listed.ok) return
      for (const { name, push_bound, config } of listed.value.consumers) if (push_bound !== true && config.deliver_subject !== undefined && config.durable_name === undefined) left.push(name)
      total = listed.value.total
      offset += listed.value.limit
    }
    // One by one: the server writes each to its disk, and of hundreds at once the last would be waited for too short a time.
    for (const name of left) await link.api(`CONSUMER.DELETE.${stream}.${name}`)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
  }
}
