/** Asking for a change as a program of a customer does while something goes wrong: with one command id until the answer says that it stays so (P15). */
import type { ApiClient } from '../../src/service/client.ts'
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import { eventually } from '../support/eventually.ts'

export interface Applying {
  /** Of one attempt, milliseconds; default: as the client has it. */
  readonly attemptMs?: number
  readonly withinMs?: number
}

/** Throws at once where the answer is a no that no repeat changes. */
export async function apply(api: ApiClient, request: ApiRequest<'change', 'apply'> & { readonly command: string }, { attemptMs, withinMs = 120_000 }: Applying = {}): Promise<ApiSuccess<'change', 'apply'>> {
  const answer = await eventually(
    async () => {
      const answered = await api.answer('change', 'apply', request, attemptMs === undefined ? {} : { timeoutMs: attemptMs })
      return answered.ok || !answered.error.retryable ? answered : undefined
    },
    { what: `an answer to command ${request.command}`, withinMs, everyMs: 100 },
  )
  if (!answer.ok) throw new Error(`command ${request.command}: ${answer.error.code}: ${answer.error.text}`)
  return answer
}
