/** An instruction whose command id came from outside: it fixes lane and plan before the first attempt (P13). */

export type InstructionEvent = {
  readonly type: 'InstructionTaken'
  readonly data: {
    readonly lane: string
    /** SHA-256 of the plan's bytes, which lie in `<realm>_texts` under it. */
    readonly plan: string
    /** What was asked for, in words of the asker: the index of instructions [136] is made from it. */
    readonly text: string
  }
}

export interface InstructionState {
  readonly command: string
  revision: number
  taken: InstructionEvent['data'] | null
}

export function absentInstruction(command: string): InstructionState {
  return { command, revision: 0, taken: null }
}

export function foldInstruction(state: InstructionState, event: InstructionEvent): void {
  state.revision += 1
  state.taken = event.data
}
