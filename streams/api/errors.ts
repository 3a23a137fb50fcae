/**
 * Codes of the errors that the service interface answers with. Stable; what programs branch on. `docs/api.md` is generated
 * from this, and the exit codes of the command line follow from the class (DESIGN §6).
 */
import { z } from 'zod'
import type { RefusalCode } from '../../machines/decision.ts'

export const errorClasses = {
  failed: { exitCode: 1, meaning: 'it was tried and did not succeed' },
  usage: { exitCode: 2, meaning: 'the request itself is wrong' },
  refused: { exitCode: 3, meaning: 'a precondition does not hold; nothing was changed' },
  unreachable: { exitCode: 4, meaning: 'somebody who is needed did not answer' },
} as const
export type ErrorClass = keyof typeof errorClasses

interface ErrorCodeDefinition {
  readonly class: ErrorClass
  /** The very same request may succeed later. */
  readonly retryable: boolean
  readonly meaning: string
}

const refusals = {
  'unknown-group': { class: 'refused', retryable: false, meaning: 'there is no such execution group' },
  'wrong-state': { class: 'refused', retryable: false, meaning: 'the state that it is in does not allow this' },
  'other-plan': { class: 'refused', retryable: false, meaning: 'the command id belongs to another plan: use a new one' },
  'part-out-of-order': { class: 'refused', retryable: true, meaning: 'another service adds parts of the same group at this time' },
  'too-large': { class: 'refused', retryable: false, meaning: 'more than one message or one turn of the log may hold' },
  'too-early': { class: 'refused', retryable: true, meaning: 'something else has to come first' },
  'not-assigned': { class: 'refused', retryable: false, meaning: 'the job is not assigned to who asks' },
  'not-the-grant': { class: 'refused', retryable: false, meaning: 'the grant that is named is not the open one' },
  stale: { class: 'refused', retryable: true, meaning: 'it was decided on a state that has changed since' },
  malformed: { class: 'usage', retryable: false, meaning: 'the request does not have the documented form' },
  exists: { class: 'refused', retryable: false, meaning: 'it is there already' },
  'unknown-site': { class: 'refused', retryable: false, meaning: 'no such site is managed' },
  'unknown-trigger': { class: 'refused', retryable: false, meaning: 'there is no such trigger' },
  withdrawn: { class: 'refused', retryable: false, meaning: 'the command was withdrawn and will never be carried out' },
  'too-old': { class: 'refused', retryable: false, meaning: 'the command id is older than lanes remember (P15): use a new one' },
  'too-far-ahead': { class: 'refused', retryable: false, meaning: 'the command id lies in the future (P15): check the clock of who made it' },
  'format-too-old': { class: 'refused', retryable: true, meaning: 'the realm is of an older format, which rises when every live agent and service knows the next' },
  quarantined: { class: 'refused', retryable: true, meaning: 'the realm is in quarantine and executes nothing until it is released' },
} as const satisfies Record<RefusalCode, ErrorCodeDefinition>

export const errorCodes = {
  ...refusals,
  'unknown-service': { class: 'refused', retryable: false, meaning: 'the site has no such service' },
  'unknown-kind': { class: 'refused', retryable: false, meaning: 'there is no adapter for this kind of site' },
  'unknown-agent': { class: 'refused', retryable: false, meaning: 'the log knows no such agent' },
  'bad-address': { class: 'usage', retryable: false, meaning: 'the address does not fit the kind of site' },
  'nothing-selected': { class: 'refused', retryable: false, meaning: 'the selector matches no service' },
  archived: { class: 'refused', retryable: false, meaning: 'it lies in the archives of its lane, not in the log: a replay with those files shows it' },
  unsupported: { class: 'refused', retryable: false, meaning: 'the adapter of a site cannot carry out this operation' },
  'mode-unavailable': { class: 'refused', retryable: false, meaning: 'this mode of change cannot be used here; the text names the one to use' },
  'not-confirmed': { class: 'refused', retryable: false, meaning: 'a destructive command that was not confirmed; the text repeats what it would do (I12)' },
  'plan-changed': { class: 'refused', retryable: false, meaning: 'the plan is not the one that was seen any more: plan again' },
  refused: { class: 'refused', retryable: false, meaning: 'refused for a reason that this version has no code for; the text says it' },
  'site-unreachable': { class: 'unreachable', retryable: true, meaning: 'the site did not answer' },
  'no-lane-yet': { class: 'unreachable', retryable: true, meaning: 'no agent holds a lane that could take it; nothing was written' },
  'may-still-happen': { class: 'unreachable', retryable: true, meaning: 'no answer in time: repeat it with the same command id, or settle it with command.withdraw' },
  unavailable: { class: 'unreachable', retryable: true, meaning: 'the NATS server or the log did not answer the service' },
  unreachable: { class: 'unreachable', retryable: true, meaning: 'no service interface answered (said by clients only)' },
  busy: { class: 'unreachable', retryable: true, meaning: 'the service has too many requests in hand' },
  internal: { class: 'failed', retryable: false, meaning: 'a fault of the service; its log says more' },
} as const satisfies Record<string, ErrorCodeDefinition>

export type ErrorCode = keyof typeof errorCodes

export const errorCodeNames = Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]

/** Codes of lanes and later versions that this one does not list become `refused`; their text says the reason. */
export function errorCodeOf(code: string): ErrorCode {
  return code in errorCodes ? (code as ErrorCode) : 'refused'
}

export function exitCodeOf(code: ErrorCode): number {
  return errorClasses[errorCodes[code].class].exitCode
}

const problem = {
  code: z.enum(errorCodeNames).describe('what programs branch on'),
  text: z.string().describe('one line for a person: what, which, what to do'),
}

export const apiErrorSchema = z.object({
  ...problem,
  retryable: z.boolean().describe('the very same request may succeed later'),
  command: z.string().optional().describe('id of the command, where its fate is open'),
  more: z.array(z.object(problem)).optional().describe('every single problem, where there are several; the first 100'),
})
export type ApiError = z.infer<typeof apiErrorSchema>

export const failureSchema = z.object({ ok: z.literal(false), error: apiErrorSchema })
export type Failure = z.infer<typeof failureSchema>

/** Thrown by what answers requests; becomes the answer `{ok: false, error}`. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure'
  readonly code: ErrorCode
  readonly more: NonNullable<ApiError['more']>
  readonly command: string | undefined
  constructor(code: ErrorCode, text: string, details: { readonly more?: ApiError['more']; readonly command?: string } = {}) {
    super(text)
    this.code = code
    this.more = details.more ?? []
    this.command = details.command
  }

  /** What a service answered. A code of a later version becomes `refused`. */
  static of({ error }: Failure): ApiFailure {
    return new ApiFailure(errorCodeOf(error.code), error.text, {
      ...(error.more === undefined ? {} : { more: error.more }),
      ...(error.command === undefined ? {} : { command: error.command }),
    })
  }

  get exitCode(): number {
    return exitCodeOf(this.code)
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable
  }

  toAnswer(): Failure {
    return {
      ok: false,
      error: {
        code: this.code,
        text: this.message,
        retryable: this.retryable,
        ...(this.command === undefined ? {} : { command: this.command }),
        ...(this.more.length === 0 ? {} : { more: this.more.slice(0, 100) }),
      },
    }
  }
}
