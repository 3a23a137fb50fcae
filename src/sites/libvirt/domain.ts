/** From what `virsh` prints about a domain to the canonical model. Pure. */
import { XMLParser } from 'fast-xml-parser'
import type { Service } from '../../../machines/service/model.ts'
import { metadataUri, readMetadata } from './metadata.ts'

export interface Domain {
  readonly service: Service
  /** Paused, or asleep by its own power management: what `start` has to do differs. */
  readonly state: 'running' | 'paused' | 'asleep' | 'off' | 'other'
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  trimValues: false,
  parseTagValue: false,
  parseAttributeValue: false,
  // Without it numeric references stay as they are. libvirt's XML has no document type, so nobody can define entities of their own.
  htmlEntities: true,
  processEntities: { enabled: true, maxTotalExpansions: Infinity, maxExpandedLength: Infinity },
})

/** `stateWord`: of `virsh domstate` untranslated. Throws when `xml` is no domain. */
export function readDomain(stateWord: string, xml: string): Domain {
  const domain = (parser.parse(xml) as { readonly domain?: Record<string, unknown> }).domain
  if (typeof domain?.['name'] !== 'string' || typeof domain['uuid'] !== 'string') throw new Error('no domain')
  const state = stateOf(stateWord)
  return {
    state,
    service: {
      id: domain['uuid'],
      name: domain['name'],
      ...readMetadata(ownElement(domain['metadata'])),
      power: state === 'running' ? 'on' : state === 'off' ? 'off' : state === 'other' ? 'unknown' : 'suspended',
      sessions: [],
    },
  }
}

function stateOf(word: string): Domain['state'] {
  switch (word) {
    case 'running':
    case 'idle':
    // Asked to shut down, and running until it has.
    case 'in shutdown':
      return 'running'
    case 'paused':
      return 'paused'
    case 'pmsuspended':
      return 'asleep'
    case 'shut off':
    case 'crashed':
      return 'off'
    default:
      return 'other'
  }
}

/** The element of our namespace, whatever its prefix, with the prefix taken off its children. */
function ownElement(metadata: unknown): Record<string, unknown> | undefined {
  if (typeof metadata !== 'object' || metadata === null) return undefined
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== 'object' || value === null) continue
    const colon = name.indexOf(':')
    const declaration = colon === -1 ? '@xmlns' : `@xmlns:${name.slice(0, colon)}`
    if ((value as Record<string, unknown>)[declaration] !== metadataUri) continue
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key.slice(colon + 1), child]))
  }
  return undefined
}
