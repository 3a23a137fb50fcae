/** What this agent answers on its own subjects: ping, describe [610], stop. Subscribed before it takes part in an election. */
import type { AgentDescription, StopAnswer, StopRequest } from '../../streams/agent-messages.ts'
import { MalformedMessage, fromBytes, toBytes } from '../../streams/coordination.ts'
import type { AgentPong } from '../../streams/lane-protocol.ts'
import type { Bus, BusMessage } from '../../streams/ports/bus.ts'
import type { Subjects } from '../../streams/subjects.ts'

export interface Answerer {
  pong(): AgentPong
  describe(): AgentDescription
  stop(request: StopRequest): StopAnswer
}

/** Returns how to stop answering. */
export function answerOn(bus: Bus, subjects: Subjects, agent: string, answerer: Answerer): () => void {
  const answering = (verb: 'ping' | 'describe' | 'stop', answer: (message: BusMessage) => unknown) =>
    bus.subscribe(subjects.toAgent(agent, verb), (message) => message.answer(toBytes(answer(message))))
  const subscriptions = [
    answering('ping', () => answerer.pong()),
    answering('describe', () => answerer.describe()),
    answering('stop', (message) => stopAsAsked(message, answerer)),
  ]
  return () => {
    for (const subscription of subscriptions) subscription.stop()
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
