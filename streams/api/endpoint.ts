/** What an endpoint of the service interface is. */
import type { z } from 'zod'
import type { ErrorCode } from './errors.ts'

export interface EndpointSpec<Request extends z.ZodType = z.ZodType, Response extends z.ZodType = z.ZodType> {
  /** A command may change something; a query never does. */
  readonly kind: 'query' | 'command'
  readonly summary: string
  readonly request: Request
  /** Of `{ok: true, …}`; the other answer is the same everywhere. */
  readonly response: Response
  /** Besides those that any request may get (`commonErrors`). */
  readonly errors: readonly ErrorCode[]
}

export function endpoint<Request extends z.ZodType, Response extends z.ZodType>(
  spec: EndpointSpec<Request, Response>,
): EndpointSpec<Request, Response> {
  return spec
}

export const commonErrors = ['malformed', 'unavailable', 'busy', 'too-large', 'internal'] as const satisfies readonly ErrorCode[]
