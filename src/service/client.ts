/**
 * Typed client of the service interface: what the command line and `reeve up` ask with. It gives every command an id, so that
 * a repetition can never do it twice and an answer that never came can be settled (P15).
 */
import { type ApiAnswer, type ApiRequest, type ApiSuccess, type Noun, type Verb, api } from '../../streams/api/catalogue.ts'
import type { EndpointSpec } from '../../streams/api/endpoint.ts'
import { ApiFailure, type Failure } from '../../streams/api/errors.ts'
import { newUlid } from '../../streams/codec.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import { type Clock, type Random, pause } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'
import { systemClock } from '../platform/clock.ts'
import { systemRandom } from '../platform/random.ts'

export interface ApiClientOptions {
  readonly clock?: Clock
  readonly random?: Random
  /** `person:ID` or `program:ID`; sent with every command that names none. */
  readonly actor?: string
}

export interface CallOptions {
  /** Of the whole call with its repetitions; default 20,000 for queries and 60,000 for commands. */
  readonly timeoutMs?: number
  /** Aborted: the call is not repeated any more, and ends as one without an answer. */
  readonly signal?: AbortSignal
}

export interface ApiClient {
  /**
   * The answer, whatever it is; never throws for what a service, or the lack of one, may answer: `unreachable` nothing was
   * received; `may-still-happen` a command whose fate is open, with its id. A command that got no answer is repeated with the
   * same id while there is time.
   */
  answer<N extends Noun, V extends Verb<N>>(noun: N, verb: V, request: ApiRequest<N, V>, options?: CallOptions): Promise<ApiAnswer<N, V>>
  /** The same, where anything but success ends what the caller does. Throws `ApiFailure`. */
  call<N extends Noun, V extends Verb<N>>(noun: N, verb: V, request: ApiRequest<N, V>, options?: CallOptions): Promise<ApiSuccess<N, V>>
}

const queryTimeoutMs = 20_000
const commandTimeoutMs = 60_000
/** A service that died with the request in hand is not waited for longer; whoever repeats meets another. */
const attemptMs = { query: 10_000, command: 25_000 } as const
/** A service may just be starting. */
const noResponderWaitMs = 2_000
const pauseMs = 100

export function apiClient(bus: Bus, subjects: Subjects, options: ApiClientOptions = {}): ApiClient {
  const { clock = systemClock, random = systemRandom } = options

  const ask = async (noun: Noun, verb: string, request: Record<string, unknown>, { timeoutMs, signal }: CallOptions): Promise<unknown> => {
    const kind = (api[noun] as Record<string, EndpointSpec>)[verb]!.kind
    const command = kind === 'command' ? ((request['command'] as string | undefined) ?? newUlid(clock.nowMs(), random)) : undefined
    const body = command === undefined ? request : { ...(options.actor === undefined ? {} : { actor: options.actor }), ...request, command }
    const subject = subjects.api(noun, verb)
    const startMs = clock.monotonicMs()
    const endMs = startMs + (timeoutMs ?? (kind === 'command' ? commandTimeoutMs : queryTimeoutMs))
    let received = false
    for (;;) {
      const leftMs = endMs - clock.monotonicMs()
      if (leftMs <= 0 || signal?.aborted === true) break
      const asked = await bus.ask(subject, toBytes(body), { timeoutMs: Math.min(leftMs, attemptMs[kind]) })
      if (asked.kind === 'answer') return fromBytes(asked.data)
      if (asked.kind === 'timeout') received = true
      else if (!received && clock.monotonicMs() - startMs >= noResponderWaitMs) break
      await pause(clock, Math.min(pauseMs, Math.max(0, endMs - clock.monotonicMs())), signal)
    }
    return noAnswer(subjects.realm, received ? command : undefined)
  }

  const answer: ApiClient['answer'] = (noun, verb, request, callOptions = {}) => ask(noun, verb, request as Record<string, unknown>, callOptions) as never
  return {
    answer,
    async call(noun, verb, request, callOptions) {
      const answered = (await answer(noun, verb, request, callOptions)) as { readonly ok: true } | Failure
      if (!answered.ok) throw ApiFailure.of(answered)
      return answered as never
    },
  }
}

function noAnswer(realm: string, command: string | undefined): Failure {
  if (command === undefined) {
    return new ApiFailure('unreachable', `no service interface of realm ${realm} answered: start one ("reeve serve" or "reeve up"), or check the URL`).toAnswer()
  }
  return new ApiFailure(
    'may-still-happen',
    `no answer in time, it may still happen: ask again with command id ${command}, or settle it with "reeve command withdraw ${command}"`,
    { command },
  ).toAnswer()
}
