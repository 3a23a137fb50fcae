/**
 * Every endpoint `<realm>.api.v1.<noun>.<verb>` of the service interface. The endpoints' metadata, `docs/api.md` and the typed
 * client are made from it.
 */
import { z } from 'zod'
import { agentApi } from './agent.ts'
import { changeApi } from './change.ts'
import { commandApi } from './command.ts'
import { commonErrors, type EndpointSpec } from './endpoint.ts'
import { type ErrorCode, type Failure, failureSchema } from './errors.ts'
import { groupApi } from './group.ts'
import { laneApi } from './lane.ts'
import { logApi } from './log.ts'
import { machineApi } from './machine.ts'
import { realmApi } from './realm.ts'
import { serviceApi } from './service.ts'
import { siteApi } from './site.ts'
import { triggerApi } from './trigger.ts'

export const api = {
  site: siteApi,
  service: serviceApi,
  change: changeApi,
  group: groupApi,
  trigger: triggerApi,
  command: commandApi,
  agent: agentApi,
  lane: laneApi,
  log: logApi,
  machine: machineApi,
  realm: realmApi,
} as const

export type Api = typeof api
export type Noun = keyof Api
export type Verb<N extends Noun> = keyof Api[N] & string

type Spec<N extends Noun, V extends Verb<N>> = Api[N][V] extends EndpointSpec<infer Request, infer Response>
  ? { readonly request: Request; readonly response: Response }
  : never
/** As who asks may write it: what has a default may be left out. */
export type ApiRequest<N extends Noun, V extends Verb<N>> = z.input<Spec<N, V>['request']>
/** As who answers gets it. */
export type ApiParsedRequest<N extends Noun, V extends Verb<N>> = z.output<Spec<N, V>['request']>
export type ApiSuccess<N extends Noun, V extends Verb<N>> = z.output<Spec<N, V>['response']>
export type ApiAnswer<N extends Noun, V extends Verb<N>> = ApiSuccess<N, V> | Failure

export interface CatalogueEntry extends EndpointSpec {
  readonly noun: Noun
  readonly verb: string
  /** All that this endpoint may answer with. */
  readonly allErrors: readonly ErrorCode[]
}

export const apiCatalogue: readonly CatalogueEntry[] = (Object.keys(api) as Noun[]).flatMap((noun) =>
  Object.entries(api[noun] as Record<string, EndpointSpec>).map(([verb, spec]) => ({
    noun,
    verb,
    ...spec,
    allErrors: [...new Set<ErrorCode>([...spec.errors, ...commonErrors])],
  })),
)

export function requestJsonSchema(entry: CatalogueEntry): object {
  return z.toJSONSchema(entry.request, { io: 'input' })
}

export function answerJsonSchema(entry: CatalogueEntry): object {
  return z.toJSONSchema(z.union([entry.response, failureSchema]), { io: 'output' })
}

/** Most bytes of one answer: below the smallest `max_payload` in use (1 MiB), with room for headers. */
export const answerLimitBytes = 960 * 1024
/** Pages end here, so that one item more never exceeds the limit (a turn has at most 256 KiB). */
export const pageLimitBytes = 512 * 1024
