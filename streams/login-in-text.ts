/** I10: a user and a password in front of a host, as URLs may hold them, in texts that people and sites give. */

/** `scheme://user:password@`. */
const password = /[a-z][a-z0-9+.-]*:\/\/[^\s@/:]*:[^\s@]+@/i

export function holdsPassword(text: string): boolean {
  return password.test(text)
}

/** What stands before an "@" of a URL or of a bare `user:password@host` may be a password: left out, for a line that names the rest. */
export function withoutLogin(text: string): string {
  return text.replace(/\/\/\S*@/g, '//…@').replace(/(^|[\s"'(,])[^\s"'(,/@]+:(?!\/\/)\S*@/g, '$1…@')
}

/** Path of the first text in a value that holds one; undefined where none does. */
export function pathOfPassword(value: unknown, path = ''): string | undefined {
  if (typeof value === 'string') return holdsPassword(value) ? path : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const found = holdsPassword(key) ? path : pathOfPassword(inner, path === '' ? key : `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
