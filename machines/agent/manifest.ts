/** What the log knows of one build [610], under its id on aggregate `config`. */
import { type Decision, happened, nothing } from '../decision.ts'
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

/** Once for each id: it names the very content. */
export function recordManifest(state: ManifestState, manifest: Manifest): Decision<ManifestEvent> {
  if (state.manifest !== null) return nothing(`build ${manifest.build} is on record as ${state.id}`)
  return happened<ManifestEvent>({ type: 'ManifestRecorded', data: manifest })
}
