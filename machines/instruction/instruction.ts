/**
 * An instruction whose command id came from outside: it fixes lane and plan before the first attempt (P13). A refused one is
 * recorded too (agents.md [330]). What came first stands.
 */
import { type Decision, happened, nothing, refused } from '../decision.ts'
import type { FailurePolicy, GroupAgents, GroupMode } from '../execution-group/events.ts'
import { cutText, sizeBytes, textLimitBytes } from '../execution-group/limits.ts'

/** Of the group that is opened for it, so that whatever service goes on opens the very same one (P13). */
export interface InstructionTerms {
  /** Absent: the text. */
  readonly name?: string
  /** Absent: 1. */
  readonly window?: number
  /** Absent: 100. */
  readonly distributionFactor?: number
  /** Absent: `jobs`. */
  readonly mode?: GroupMode
  /** Since format 2. Absent: 0. */
  readonly priority?: number
  /** Since format 2. Absent: strict. */
  readonly order?: 'graph' | 'none'
  /** Since format 2. Absent: any. */
  readonly agents?: GroupAgents
  /** Since format 2. Absent: stop. */
  readonly onFailure?: Exclude<FailurePolicy, 'stop'>
  /** Since format 2: the nominal time that asked. */
  readonly trigger?: { readonly trigger: string; readonly atMs: number }
}

export type InstructionEvent =
  | {
      readonly type: 'InstructionTaken'
      readonly data: {
        readonly lane: string
        /** SHA-256 of the plan's bytes, which lie in `<realm>_texts` under it. */
        readonly plan: string
        /** What was asked for, in words of the asker, at most 2 KiB (P16): the index of instructions [136] is made from it. */
        readonly text: string
      } & InstructionTerms
    }
  | { readonly type: 'InstructionRefused'; readonly data: { readonly text: string; readonly code: string; readonly why: string } }

type Taken = Extract<InstructionEvent, { type: 'InstructionTaken' }>['data']
type Refused = Extract<InstructionEvent, { type: 'InstructionRefused' }>['data']

export interface InstructionState {
  readonly command: string
  revision: number
  taken: Taken | null
  refused: Refused | null
  /** Type of an event that this build does not know; it must not write then. */
  unknownType: string | null
}

export function absentInstruction(command: string): InstructionState {
  return { command, revision: 0, taken: null, refused: null, unknownType: null }
}

export function foldInstruction(state: InstructionState, event: InstructionEvent): void {
  state.revision += 1
  const settled = state.taken !== null || state.refused !== null
  switch (event.type) {
    case 'InstructionTaken':
      if (!settled) state.taken = event.data
      return
    case 'InstructionRefused':
      if (!settled) state.refused = event.data
      return
    default: {
      const unknown: never = event
      state.unknownType ??= (unknown as { type: string }).type
    }
  }
}

/** `nothing`: it was taken before; follow `state.taken`, whatever this attempt would have planned (P13). */
export function takeInstruction(state: InstructionState, lane: string, plan: string, text: string, terms: InstructionTerms = {}): Decision<InstructionEvent> {
  const no = settledAs(state)
  if (no !== undefined) return no
  if (sizeBytes(text) > textLimitBytes) return refused('too-large', `an instruction's text takes at most ${textLimitBytes} bytes; give a shorter one`)
  if (sizeBytes(terms.name ?? '') > textLimitBytes) return refused('too-large', `a group's name takes at most ${textLimitBytes} bytes; give a shorter one`)
  return happened({ type: 'InstructionTaken', data: { lane, plan, text, ...terms } })
}

export function refuseInstruction(state: InstructionState, text: string, code: string, why: string): Decision<InstructionEvent> {
  const no = settledAs(state)
  if (no !== undefined) return no
  return happened({
    type: 'InstructionRefused',
    data: { text: cutText(text, textLimitBytes), code, why: cutText(why, textLimitBytes) },
  })
}

function settledAs(state: InstructionState): Decision<InstructionEvent> | undefined {
  if (state.unknownType !== null) {
    return refused('wrong-state', `instruction ${state.command} holds an event ${state.unknownType}, which this build does not know: use a newer build`)
  }
  if (state.refused !== null) return refused('wrong-state', `command ${state.command} was refused before: ${state.refused.why}; ask again with a new id`)
  return state.taken === null ? undefined : nothing('taken before')
}
