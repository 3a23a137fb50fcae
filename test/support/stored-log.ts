/** A log that is a list: what a reader is to find in it, and nothing else. Not a port that anybody writes to. */
import type { EventLog, ReadOptions, StoredMessage } from '../../streams/ports/event-log.ts'
import { subjectTest } from '../../streams/subject-match.ts'

/** `end`: last position, where it is not that of the last message. */
export function storedLog(messages: readonly StoredMessage[], incarnation = 1, end = messages.at(-1)?.position ?? 0): EventLog {
  const find = (found: StoredMessage | undefined) => Promise.resolve(found)
  return {
    incarnation,
    append: () => Promise.reject(new Error('this log is only read')),
    purge: () => Promise.reject(new Error('this log is only read')),
    first: (subject) => find(messages.find((message) => message.subject === subject)),
    last: (subject) => find(messages.findLast((message) => message.subject === subject)),
    at: (position) => find(messages.find((message) => message.position === position)),
    end: () => Promise.resolve(end),
    async *read({ subjects, from, until = end }: ReadOptions) {
      const wanted = subjectTest(subjects)
      const found = messages.filter((message) => message.position >= from && message.position <= until && wanted(message.subject))
      for (let at = 0; at < found.length; at += 100) yield found.slice(at, at + 100)
    },
  }
}

/** As they would stand in a stream that somebody filled anew. */
export function renumbered(messages: readonly StoredMessage[]): StoredMessage[] {
  return messages.map((message, index) => ({ ...message, position: index + 1 }))
}

export async function allOf(log: EventLog): Promise<StoredMessage[]> {
  const all: StoredMessage[] = []
  for await (const batch of log.read({ subjects: [], from: 1, until: await log.end() })) all.push(...batch)
  return all
}
