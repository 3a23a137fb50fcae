/** What this agent answers on its own subjects: ping, describe [610], stop. Subscribed before it takes part in an election. */
import type { AgentDescription, StopAnswer, StopRequest } from '../../streams/agent-messages.ts'
import { MalformedMessage, fromBytes, toBytes } from '../../streams/coordination.ts'
import type { AgentPong, FollowerPing } from '../../streams/lane-protocol.ts'
import type { Bus, BusMessage } from '../../streams/ports/bus.ts'
import type { Subjects } from '../../streams/subjects.ts'

export interface Answerer {
  /** `follower`: the agent that asks, where it would take the leader's place. */
  pong(follower: string | undefined): AgentPong
  describe(): AgentDescription
  stop(request: StopRequest): StopAnswer
}

/** Returns how to stop answering. */
export function answerOn(bus: Bus, subjects: Subjects, agent: string, answerer: Answerer): () => void {
  const answering = (verb: 'ping' | 'describe' | 'stop', answer: (message: BusMessage) => unknown) =>
    bus.subscribe(subjects.toAgent(agent, verb), (message) => message.answer(toBytes(answer(message))))
  const subscriptions = [
    answering('ping', (message) => answerer.pong(followerIn(message.data))),
    answering('describe', () => answerer.describe()),
    answering('stop', (message) => stopAsAsked(message, answerer)),
  ]
  return () => {
    for (const subscription of subscriptions) subscription.stop()
  }
}

/** Whatever else it is, a ping is answered. */
function followerIn(data: Uint8Array): string | undefined {
  try {
    const { follower } = fromBytes<Partial<FollowerPing> | null>(data) ?? {}
    return typeof follower === 'string' ? follower : undefined
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
}

function stopAsAsked(message: BusMessage, answerer: Answerer): StopAnswer {
  try {
    const request = fromBytes<Partial<StopRequest> | null>(message.data)
    if (request?.mode !== 'graceful' && request?.mode !== 'forced') {
      return { kind: 'refused', text: 'a stop needs a mode: "graceful" or "forced"' }
    }
    return answerer.stop(request as StopRequest)
  } catch (error) {
    if (error instanceof MalformedMessage) return { kind: 'refused', text: 'a stop that is not JSON; send {"mode":"graceful"}' }
    throw error
  }
}
