/** Writes to instructions, by whoever takes, refuses or withdraws one; their views know what stands there afterwards. */
import type { Decision } from '../../machines/decision.ts'
import { type InstructionEvent, type InstructionState, absentInstruction, foldInstruction } from '../../machines/instruction/instruction.ts'
import type { Cause } from '../../streams/envelope.ts'
import { type AggregateWritten, writeAggregate } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'
import type { ViewWriterContext } from '../realm/view-writer.ts'

export interface InstructionWrite {
  /** Its id. */
  readonly instruction: string
  /** Of the write itself: a known one is not carried out again (P15). */
  readonly command?: string
  readonly decide: (state: InstructionState) => Decision<InstructionEvent>
  readonly actor: string
  readonly cause?: Cause | undefined
  readonly epoch?: number | undefined
}

/** The writer's view holds what was written, or what stood there, when it resolves. Throws as `writeAggregate`, and what ends the view. */
export async function writeInstruction(
  { coordinator, subjects, clock, random, view, signal }: ViewWriterContext,
  { instruction, ...write }: InstructionWrite,
): Promise<AggregateWritten<InstructionState>> {
  const written = await writeAggregate<InstructionState, InstructionEvent>(
    { log: coordinator.log, clock, random, signal },
    {
      ...write,
      subject: subjects.aggregate('instruction', instruction),
      aggregate: 'instruction',
      id: instruction,
      empty: absentInstruction(instruction),
      fold: foldInstruction,
      correlation: instruction,
      format: view.state.realm.format,
    },
  )
  feedWritten(coordinator.bus, subjects, written)
  if (written.kind === 'written') await view.reached(written.position)
  else if (written.kind !== 'stopped') await view.current()
  return written
}
