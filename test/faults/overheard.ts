/**
 * What passed between lanes' holders and those who asked them, as the wire had it: commands and lists of work with every answer to
 * them, also answers that were lost on their way. Judged against the log at the end (I8, P3, P4, P24).
 */
import { readWorkAnswer, readWorkRequest } from '../../streams/lane-messages.ts'
import type { LaneCommand, LaneCommandAnswer, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import type { ReadLog } from '../checkers/read.ts'
import type { ToldFacts } from '../checkers/told.ts'

export interface Asked {
  /** Process that asked. */
  readonly process: string
  readonly subject: string
  readonly payload: Buffer
  readonly sentMs: number
}

/** One list of work that a holder took. */
export interface TakenWork {
  readonly process: string
  readonly lane: string
  readonly request: WorkRequest
  readonly answer: Extract<WorkAnswer, { kind: 'taken' }>
  readonly sentMs: number
  readonly heardMs: number
}

interface AnsweredCommand {
  readonly lane: string
  readonly command: LaneCommand
  readonly answer: Exclude<LaneCommandAnswer, { kind: 'not-the-holder' }>
  readonly sentMs: number
  readonly heardMs: number
}

const laneVerb = /^[^.]+\.lane\.([^.]+)\.(work|command)$/

/** What is kept of a request until it is answered. */
export function isOverheard(subject: string): boolean {
  return laneVerb.test(subject)
}

export class Overheard {
  readonly work: TakenWork[] = []
  readonly #commands: AnsweredCommand[] = []

  note({ process, subject, payload, sentMs }: Asked, answered: Buffer, heardMs: number): void {
    const [, lane, verb] = laneVerb.exec(subject)!
    if (verb === 'work') {
      const answer = readWorkAnswer(answered)
      if (answer.kind === 'taken') this.work.push({ process, lane: lane!, request: readWorkRequest(payload), answer, sentMs, heardMs })
      return
    }
    const answer = JSON.parse(answered.toString('utf8')) as LaneCommandAnswer
    if (answer.kind !== 'not-the-holder') this.#commands.push({ lane: lane!, command: JSON.parse(payload.toString('utf8')) as LaneCommand, answer, sentMs, heardMs })
  }

  /** Server and wire go by one clock, so that times say where the log was: at the least when something was sent, at the most when it was heard. */
  facts(log: ReadLog): ToldFacts {
    const times = log.turns.map(({ message }) => message.storedMs)
    const positions = log.turns.map(({ message }) => message.position)
    const positionAt = (isBefore: (storedMs: number) => boolean) => {
      let [from, to] = [0, times.length]
      while (from < to) {
        const middle = (from + to) >> 1
        if (isBefore(times[middle]!)) from = middle + 1
        else to = middle
      }
      return from === 0 ? 0 : positions[from - 1]!
    }
    const heardAt = (heardMs: number) => positionAt((storedMs) => storedMs <= heardMs)
    return {
      commands: this.#commands.map(({ lane, command, answer, sentMs, heardMs }) => ({ lane, command, answer, sentAt: positionAt((storedMs) => storedMs < sentMs), heardAt: heardAt(heardMs) })),
      outcomes: this.work.map(({ lane, request, heardMs }) => ({ agent: request.agent, lane, outcomes: request.outcomes, stopped: request.stopped, heardAt: heardAt(heardMs) })),
    }
  }
}
