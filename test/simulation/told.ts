/** What the world overheard: what each process was told, and when, in positions of the log. Judged against the log at the end. */
import type { ToldChange } from '../checkers/instructions.ts'
import type { GrantRef, LaneCommand, LaneCommandAnswer, OutcomeReport } from '../../streams/lane-protocol.ts'

export interface ToldCommand {
  readonly lane: string
  readonly command: LaneCommand
  readonly answer: Exclude<LaneCommandAnswer, { kind: 'not-the-holder' }>
  /** Last position of the log when this attempt was sent, and when its answer was heard. */
  readonly sentAt: number
  readonly heardAt: number
}

/** An executor was told that what it said is settled; it forgets it then. */
export interface ToldOutcomes {
  readonly agent: string
  readonly lane: string
  readonly outcomes: readonly OutcomeReport[]
  readonly stopped: readonly GrantRef[]
  readonly heardAt: number
}

export class Told {
  /** Answers of services to changes. */
  readonly changes: ToldChange[] = []
  readonly commands: ToldCommand[] = []
  readonly outcomes: ToldOutcomes[] = []
}
