/** The bus as an agent sees it that is of a build before the short form (docs/wire.md): it says nothing of it, passes over what it does not know, and drops what it takes for malformed. */
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import type { SentWorkRequest } from '../../streams/lane-protocol.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Subjects } from '../../streams/subjects.ts'

export function busBeforeShortForm(bus: Bus, subjects: Subjects, agent: string): Bus {
  const isWork = new RegExp(`^${subjects.toLane('LANE', 'work').replace('LANE', '[^.]+')}$`)
  return {
    publish: (subject, data) => bus.publish(subject, data),
    publishHeard: (messages, timeoutMs) => bus.publishHeard(messages, timeoutMs),
    flush: (timeoutMs) => bus.flush(timeoutMs),
    serve: (service) => bus.serve(service),
    get link() {
      return bus.link
    },
    onLink: (listener) => bus.onLink(listener),
    subscribe(subject, handle, how) {
      if (isWork.test(subject)) return bus.subscribe(subject, (message) => fromBytes<SentWorkRequest>(message.data).outcomes.some(Array.isArray) || handle({ ...message, data: unknowing(message.data) }), how)
      if (subject === subjects.toAgent(agent, 'grants')) return bus.subscribe(subject, (message) => handle({ ...message, data: unknowing(message.data) }), how)
      return bus.subscribe(subject, handle, how)
    },
    async ask(subject, data, how) {
      if (!isWork.test(subject)) return bus.ask(subject, data, how)
      const { accept } = how
      const asked = await bus.ask(subject, unknowing(data), { ...how, ...(accept && { accept: (answer) => accept(unknowing(answer)) }) })
      return asked.kind === 'answer' ? { ...asked, data: unknowing(asked.data) } : asked
    },
  }
}

function unknowing(data: Uint8Array | string): Uint8Array {
  const { readsShort: _readsShort, short: _short, former: _former, ...known } = fromBytes<Record<string, unknown>>(typeof data === 'string' ? Buffer.from(data) : data)
  return toBytes(known)
}
