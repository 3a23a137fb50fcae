/** The long texts that turns name (P16), fetched several at a time. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'

const atOnce = 32

/** The plan of an instruction that was taken, whose group may not be opened yet, that of a group that is, and what a reason says at length. */
export function textsNamedBy(message: StoredMessage): readonly string[] {
  const { buffer, byteOffset, byteLength } = message.bytes
  const stored = Buffer.from(buffer, byteOffset, byteLength)
  if (!stored.includes('"GroupOpened"') && !stored.includes('"InstructionTaken"') && !stored.includes('"full":')) return []
  return decodeTurn(message.bytes).commits.flatMap(({ aggregate, events }) => {
    if (aggregate === 'instruction') return (events as readonly InstructionEvent[]).flatMap((event) => (event.type === 'InstructionTaken' ? [event.data.plan] : []))
    return aggregate === 'group' ? (events as readonly GroupEvent[]).flatMap(textsOfEvent) : []
  })
}

function textsOfEvent(event: GroupEvent): readonly string[] {
  if (event.type === 'GroupOpened') return [event.data.plan]
  if ((event.type === 'JobFailed' || event.type === 'JobUnknown') && event.data.reason.full !== undefined) return [event.data.reason.full]
  return []
}

/** Runs `perform` over all of `items`, some at once. Rejects with the first error, after those under way have ended. */
async function severalAtOnce<T>(items: readonly T[], perform: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  let failure: { readonly error: unknown } | undefined
  const work = async () => {
    while (next < items.length && failure === undefined) {
      const item = items[next++]!
      try {
        await perform(item)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  if (failure !== undefined) throw failure.error
}

/** The texts of these digests that there are. Throws `Unavailable`, `Damaged`. */
export async function fetchTexts(texts: TextStore, digests: Iterable<string>): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  await severalAtOnce([...new Set(digests)], async (digest) => {
    const bytes = await texts.get(digest)
    if (bytes !== undefined) found.set(digest, bytes)
  })
  return found
}
