/** Keys and values of the buckets (DESIGN §3). All rebuildable (I11). */
import type { AgentRole } from '../machines/agent/agent.ts'
import type { AgentConfiguration, DefaultGroup, Signature } from '../machines/agent/configuration.ts'
import type { MappedTrigger } from '../machines/placement/triggers.ts'
import { idPattern } from './subjects.ts'

export const leaseKey = 'leader'

/** Bucket `lease`, key `leader`; lives for the lease duration after its last renewal. */
export interface LeaseValue {
  readonly agent: string
  readonly instance: string
}

/** `service`: a service interface, the executor of its own `direct` changes. No agent: never placed, no holder of lanes, never leader. */
export type ExecutorRole = AgentRole | 'service'

/** Bucket `agents`, key `instance.<instance>`; created once, renewed on its own last revision, never created again (P17). */
export interface PresenceValue {
  readonly agent: string
  readonly instance: string
  readonly role: ExecutorRole
  readonly region: string
  readonly skills: readonly string[]
  readonly build: string
  /** Presence time that this instance goes by (P18); absent: the realm's present one. */
  readonly presenceMs?: number
  /** Newest format of the realm that this instance knows; absent: 1. */
  readonly formats?: number
  /** True while the agent is stopping: it takes nothing new. */
  readonly stopping: boolean
}

export function presenceKey(instance: string): string {
  return `instance.${instance}`
}

/** Bucket `agents`, key `agent.<agent>`: the present instance, ordered by the key's revision (P20). */
export interface PresentInstanceValue {
  readonly instance: string
}

export function presentInstanceKey(agent: string): string {
  return `agent.${agent}`
}

/** Bucket `mappings`, key `lane.<lane>`: the agent that is to hold it, and the epoch of the leader that said so. */
export interface LaneMappingValue {
  readonly lane: string
  readonly agent: string
  readonly epoch: number
  /** Since format 2: of the leader that placed it. */
  readonly build?: string
}

export function laneMappingKey(lane: string): string {
  return `lane.${lane}`
}

/** Bucket `config`, key `agent.<agent>`: the current configuration of the agent [612], as the leader pushed it [626]. */
export interface AgentConfigurationValue {
  readonly agent: string
  readonly configuration: AgentConfiguration
  readonly signature: Signature
  readonly epoch: number
}

export function agentConfigurationKey(agent: string): string {
  return `agent.${agent}`
}

/** Bucket `mappings`, key `collection`: what is in force, together [624, 628]. */
export interface MappingCollectionValue {
  readonly epoch: number
  readonly build: string
  readonly agents: readonly { readonly agent: string; readonly signature: Signature }[]
  readonly groups: readonly DefaultGroup[]
  readonly lanes: readonly { readonly lane: string; readonly agent: string }[]
  /** Absent in what older builds wrote. */
  readonly triggers?: readonly MappedTrigger[]
  /** How many did not fit; absent: none. */
  readonly moreTriggers?: number
}

export const mappingCollectionKey = 'collection'

const decoder = new TextDecoder('utf-8', { fatal: true })

/** For messages and bucket values (turns have `streams/codec.ts`). */
export function toBytes(value: unknown): Uint8Array {
  return Buffer.from(toText(value))
}

/** The same, for what is only sent: together with what goes out beside it, it becomes bytes once. */
export function toText(value: unknown): string {
  return JSON.stringify(value)
}

export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
  readonly retryable = false
}

/**
 * Values of buckets that are damaged, or that somebody else wrote: undefined, and nobody goes by them (I11). What is judged is that
 * whoever reads the value finds what it goes by.
 */
export function presenceIn(value: Uint8Array): PresenceValue | undefined {
  return valueIn<PresenceValue>(
    value,
    ({ agent, instance, role, region, skills, build }) => [agent, instance, role, region, build].every(isText) && Array.isArray(skills) && skills.every(isText),
  )
}

export function presentInstanceIn(value: Uint8Array): string | undefined {
  return valueIn<PresentInstanceValue>(value, ({ instance }) => isText(instance))?.instance
}

export function leaseIn(value: Uint8Array): LeaseValue | undefined {
  return valueIn<LeaseValue>(value, ({ agent, instance }) => isText(agent) && idPattern.test(agent as string) && isText(instance))
}

export function laneMappingIn(value: Uint8Array): LaneMappingValue | undefined {
  return valueIn<LaneMappingValue>(value, ({ lane, agent, epoch }) => isText(lane) && isText(agent) && Number.isSafeInteger(epoch))
}

export function agentConfigurationIn(value: Uint8Array): AgentConfigurationValue | undefined {
  return valueIn<AgentConfigurationValue>(
    value,
    ({ agent, configuration, signature, epoch }) =>
      isText(agent) &&
      Number.isSafeInteger(epoch) &&
      isObject(configuration) &&
      [configuration.role, configuration.region].every(isText) &&
      [configuration.adapters, configuration.skills].every((list) => Array.isArray(list) && list.every(isText)) &&
      [configuration.skilledOnly, configuration.holdsLanes].every((flag) => typeof flag === 'boolean') &&
      Number.isSafeInteger(configuration.capacity) &&
      isSignature(signature),
  )
}

export function mappingCollectionIn(value: Uint8Array): MappingCollectionValue | undefined {
  return valueIn<MappingCollectionValue>(
    value,
    ({ epoch, build, agents, groups, lanes, triggers, moreTriggers }) =>
      Number.isSafeInteger(epoch) &&
      isText(build) &&
      isListOf(agents, ({ agent, signature }) => isText(agent) && isSignature(signature)) &&
      isListOf(groups, ({ region, skill, agents: members }) => isText(region) && (skill === null || isText(skill)) && Array.isArray(members) && members.every(isText)) &&
      isListOf(lanes, ({ lane, agent }) => isText(lane) && isText(agent)) &&
      (triggers === undefined || isListOf(triggers, isMappedTrigger)) &&
      (moreTriggers === undefined || Number.isSafeInteger(moreTriggers)),
  )
}

function isMappedTrigger({ trigger, groups, missing }: Partial<MappedTrigger>): boolean {
  return (
    isText(trigger) &&
    isListOf(groups, ({ region, skill }) => isText(region) && (skill === null || isText(skill))) &&
    (missing === undefined || (Array.isArray(missing) && missing.every(isText)))
  )
}

function valueIn<T>(bytes: Uint8Array, isWhole: (value: Partial<T>) => boolean): T | undefined {
  try {
    const value = fromBytes<Partial<T> | null>(bytes)
    return isObject(value) && isWhole(value) ? (value as T) : undefined
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return undefined
  }
}

function isListOf<T>(list: readonly T[] | undefined, isWhole: (item: Partial<T>) => boolean): boolean {
  return Array.isArray(list) && list.every((item) => isObject(item) && isWhole(item))
}

function isSignature(value: Partial<Signature> | undefined): boolean {
  return isObject(value) && [value.digest, value.build, value.leader].every(isText) && Number.isSafeInteger(value.revision)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isObject<T>(value: T): value is T & object {
  return typeof value === 'object' && value !== null
}

/** For askers: an answer that is none is passed over (`accept` of the bus). */
export function isRecord(data: Uint8Array): boolean {
  return isObject(fromBytes<unknown>(data))
}

/** Throws `MalformedMessage`. The caller says what shape it expects; outside input is checked by schemas before. */
export function fromBytes<T>(bytes: Uint8Array): T {
  try {
    return JSON.parse(decoder.decode(bytes)) as T
  } catch (cause) {
    throw new MalformedMessage('a message that is not JSON', { cause })
  }
}
