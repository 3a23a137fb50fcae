/**
 * What Reeve keeps of a service in the domain's own metadata, under a namespace of its own: everything of the canonical model that
 * libvirt itself has no place for. Pure. The shape lasts as long as the domains do: only elements may be added.
 */
import { XMLBuilder } from 'fast-xml-parser'
import type { Service } from '../../../machines/service/model.ts'
import type { FencingToken } from '../adapter.ts'

export const metadataUri = 'urn:reeve:service:1'
export const metadataKey = 'reeve'

export type KeptProperties = Pick<Service, 'kind' | 'delivery' | 'folder' | 'group' | 'maintenance' | 'assignment' | 'users' | 'userGroups'>

const kinds = ['machine', 'desktop', 'application'] as const
const deliveries = ['hosted', 'streamed', 'local'] as const
const assignments = ['fixed', 'first-access', 'pooled'] as const

/** `element` as parsed, its names without prefix; undefined where the domain has none. What is not understood has its default. */
export function readMetadata(element: unknown): KeptProperties {
  const given = typeof element === 'object' && element !== null ? (element as Record<string, unknown>) : {}
  return {
    kind: oneOf(kinds, given['kind']),
    delivery: oneOf(deliveries, given['delivery']),
    folder: texts(given['folder'])[0] ?? '',
    group: texts(given['group'])[0] ?? null,
    maintenance: given['maintenance'] === 'on',
    assignment: oneOf(assignments, given['assignment']),
    users: [...new Set(texts(given['user']))].sort(),
    userGroups: [...new Set(texts(given['userGroup']))].sort(),
  }
}

/** `token` is noted for people, not compared. */
export function writeMetadata(kept: KeptProperties, token: FencingToken): string {
  const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@', processEntities: true, suppressEmptyNode: true })
  return builder.build({
    service: {
      kind: kept.kind,
      delivery: kept.delivery,
      folder: kept.folder,
      ...(kept.group === null ? {} : { group: kept.group }),
      maintenance: kept.maintenance ? 'on' : 'off',
      assignment: kept.assignment,
      user: [...kept.users],
      userGroup: [...kept.userGroups],
      changed: { '@scope': token.scope, '@incarnation': String(token.incarnation), '@revision': String(token.revision) },
    },
  })
}

/** Characters that XML cannot carry. */
export function isXmlText(text: string): boolean {
  return text.isWellFormed() && !/[\u0000-\u001f\u007f\ufffe\uffff]/.test(text)
}

function oneOf<T extends string>(known: readonly [T, ...T[]], value: unknown): T {
  return known.find((candidate) => candidate === value) ?? known[0]
}

function texts(value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value : value === undefined ? [] : [value]
  return list.map((entry) => (typeof entry === 'object' && entry !== null ? String((entry as Record<string, unknown>)['#text'] ?? '') : String(entry)))
}
