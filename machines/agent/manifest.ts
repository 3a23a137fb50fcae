/** What the log knows of one build [610], under its id on aggregate `config`. */
import { type Decision, happened, nothing, refused } from '../decision.ts'
import { partLimitBytes, sizeBytes } from '../execution-group/limits.ts'
import type { Manifest } from './configuration.ts'

export type ManifestEvent = { readonly type: 'ManifestRecorded'; readonly data: Manifest }

export interface ManifestState {
  readonly id: string
  revision: number
  manifest: Manifest | null
  /** Type of an event that this build does not know; it must not write then. */
  unknownType: string | null
}

/** Digits of the digest that name a manifest. */
const shortDigits = 16

export function shortDigest(digest: string): string {
  return digest.slice(0, shortDigits)
}

const idPrefix = 'build-'

/** Of the aggregate `config`, from the short digest. */
export function manifestId(short: string): string {
  return `${idPrefix}${short}`
}

/** Undefined for what is configured otherwise. */
export function shortOfManifestId(id: string): string | undefined {
  return id.startsWith(idPrefix) ? id.slice(idPrefix.length) : undefined
}

export function absentManifest(id: string): ManifestState {
  return { id, revision: 0, manifest: null, unknownType: null }
}

export function foldManifest(state: ManifestState, event: ManifestEvent): void {
  state.revision += 1
  if (event.type === 'ManifestRecorded') state.manifest ??= event.data
  else state.unknownType ??= (event as { type: string }).type
}

/**
 * Once for each id: it names the very content. What an agent says of itself is judged before it stands in the log for ever; keys of
 * newer builds are kept, since they are in the digest.
 */
export function recordManifest(state: ManifestState, manifest: Manifest): Decision<ManifestEvent> {
  if (state.manifest !== null) return nothing(`build ${manifest.build} is on record as ${state.id}`)
  if (!isManifest(manifest)) return refused('malformed', `what is said of the build under ${state.id} is no manifest: nothing is recorded`)
  return happened<ManifestEvent>({ type: 'ManifestRecorded', data: manifest })
}

function isManifest(manifest: Partial<Manifest>): boolean {
  const { build, role, adapters, skills, defaults, formats } = manifest
  const texts = (list: unknown) => Array.isArray(list) && list.every((one) => typeof one === 'string')
  const wholes = (list: unknown) => Array.isArray(list) && list.every((one) => Number.isSafeInteger(one) && one >= 1)
  return (
    typeof build === 'string' &&
    (role === 'generic' || role === 'skilled') &&
    texts(adapters) &&
    texts(skills) &&
    wholes(formats) &&
    wholes([defaults?.capacity]) &&
    typeof defaults?.skilledOnly === 'boolean' &&
    typeof defaults.holdsLanes === 'boolean' &&
    sizeBytes(manifest) <= partLimitBytes
  )
}
