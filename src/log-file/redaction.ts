/**
 * A turn without what people and sites have written (docs/wire.md "Exported file"): for whoever is to look into a log and may not
 * know whose it is. Equal texts stay equal, so that one sees that it is the same service. Not for import: bytes and digests are others.
 */
import { createHmac } from 'node:crypto'
import type { Turn } from '../../streams/envelope.ts'

/** Keys of `data` (at any depth) whose texts are words of docs/wire.md or ids. Any other text is redacted: also of events that come later. */
const kept: ReadonlySet<string> = new Set([
  'agent', 'instance', 'site', 'group', 'command', 'lane', 'lanes', 'region', 'regions', 'realm', 'trigger', 'manifest', 'build', 'order', 'mode', 'agents', 'onFailure', 'as', 'code',
  'role', 'level', 'how', 'verdict', 'what', 'action', 'report', 'fencing', 'need', 'zone', 'pattern', 'adapters', 'kind',
])
/** Under these stands SHA-256 of what is hidden: kept, it would confirm whoever guesses that. */
const digests: ReadonlySet<string> = new Set(['plan', 'digest', 'full', 'turn', 'file', 'snapshot'])
const digestForm = /^[0-9a-f]{64}$/
/** What a person chose services by: nothing in it is kept. */
const selectorKey = 'selector'
/** Words under a key that elsewhere holds a person's text. */
const words: ReadonlySet<string> = new Set(['handed-back', 'lost', 'missed', 'overlap', 'full', 'deadline', 'cancelled', 'withdrawn'])

/** The JSON of the turn; it may be longer than a turn may be. */
export type Redact = (turn: Turn) => string

/** `key`: random bytes that nobody keeps. */
export function redactionBy(key: Uint8Array): Redact {
  const known = new Map<string, string>()
  const hide = (text: string): string => {
    const before = known.get(text)
    if (before !== undefined) return before
    const hidden = `~${createHmac('sha256', key).update(text, 'utf8').digest('hex').slice(0, 16)}`
    if (known.size >= knownLimit) known.clear()
    known.set(text, hidden)
    return hidden
  }
  const keyed = (digest: string): string => createHmac('sha256', key).update(digest, 'utf8').digest('hex')
  const redacted = (value: unknown, name: string): unknown => {
    if (typeof value === 'string' && digests.has(name) && digestForm.test(value)) return keyed(value)
    if (typeof value === 'string') return name !== selectorKey && (kept.has(name) || words.has(value)) ? value : hide(value)
    if (Array.isArray(value)) return value.map((item) => redacted(item, name))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, redacted(item, name === selectorKey ? name : inner)]))
  }
  const actor = (text: string) => (text.startsWith('person:') ? `person:${hide(text.slice('person:'.length))}` : text)
  return (turn) =>
    JSON.stringify({
      ...turn,
      previous: keyed(turn.previous),
      commits: turn.commits.map((commit) => ({ ...commit, actor: actor(commit.actor), events: commit.events.map(({ type, data }) => ({ type, data: redacted(data, '') })) })),
    })
}

const knownLimit = 10_000
