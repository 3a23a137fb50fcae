/**
 * What one leader asks of the lanes: grants closed, jobs assigned. A lane judges each by revision, token and epoch (P27).
 *
 * Owns the commands under way, by what they are about: of the same thing one at a time.
 */
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { LaneCommandBody } from '../../streams/lane-protocol.ts'
import { PassingSet } from '../../streams/passing.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { AgentContext } from '../agent/context.ts'
import { type LaneClient, laneClient } from '../lane/client.ts'
import type { RealmView } from '../realm/view.ts'

export interface LaneCommandsDeps {
  readonly context: AgentContext
  readonly view: RealmView
  readonly epoch: number
  readonly signal: AbortSignal
}

export class LaneCommands {
  readonly #deps: LaneCommandsDeps
  readonly #lanes: LaneClient
  readonly #underWay = new PassingSet<string>()

  constructor(deps: LaneCommandsDeps) {
    const { coordinator, subjects } = deps.context
    this.#deps = deps
    this.#lanes = laneClient({ bus: coordinator.bus, subjects })
  }

  areUnderWay(about: string): boolean {
    return this.#underWay.has(about)
  }

  /** Not waited for: a lane without a holder must not hold up the others. What fails is tried again in a later round. */
  send(group: GroupState, body: LaneCommandBody, about: string, done: () => void = () => {}): void {
    const { context, view, epoch, signal } = this.#deps
    const { logger, agent, coordinator } = context
    const lane = laneOfGroup(group.group)
    if (lane === undefined || this.#underWay.has(about)) return
    this.#underWay.add(about)
    const send = async () => {
      const answer = await this.#lanes.send(lane, {
        builtOn: { incarnation: coordinator.log.incarnation, number: view.state.lanes.get(lane)?.number ?? 0 },
        group: group.group,
        actor: `agent:${agent}`,
        epoch,
        body,
      })
      if (answer.kind === 'done') {
        await view.reached(answer.position)
        done()
      } else if (answer.kind === 'refused') {
        logger.warn({ group: group.group, command: body.kind, code: answer.code, text: answer.text }, 'a lane refused a command of the leader')
      }
    }
    send()
      .catch((error: unknown) => {
        if (!signal.aborted) logger.warn({ err: error, group: group.group }, 'a command of the leader failed')
      })
      .finally(() => this.#underWay.delete(about))
  }
}
