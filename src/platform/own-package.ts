/** What our own package says of itself. */
import { readFileSync } from 'node:fs'

let version: string | undefined

/** The version in package.json, of the clone or of the published package. */
export function ownVersion(): string {
  if (version === undefined) {
    const inClone = import.meta.url.endsWith('.ts')
    const file = new URL(inClone ? '../../package.json' : '../../../package.json', import.meta.url)
    version = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  }
  return version
}
