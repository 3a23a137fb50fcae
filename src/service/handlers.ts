/** What answers the requests of one noun: parsed requests in, the answer with `ok: true` out, `ApiFailure` thrown for the other. */
import type { ApiParsedRequest, ApiSuccess, Noun, Verb } from '../../streams/api/catalogue.ts'

export type HandlersOf<N extends Noun> = {
  readonly [V in Verb<N>]: (request: ApiParsedRequest<N, V>) => Promise<ApiSuccess<N, V>>
}

export type Handlers = { readonly [N in Noun]: HandlersOf<N> }
