/**
 * Raising the realm's format [DESIGN §3], by the leader: once everybody who is present knows the next, and nobody is in doubt.
 *
 * 1. What is present is read once more, from the bucket itself, directly before the append: who came meanwhile counts. Who comes
 *    after that reads the realm again once it is present, and ends if it does not know the format.
 */
import { raiseFormat } from '../../machines/realm/decide.ts'
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { riseTo } from '../../machines/realm/rise.ts'
import { type PresenceValue, presenceIn, presenceKey } from '../../streams/coordination.ts'
import { singletons } from '../../streams/subjects.ts'
import type { AgentContext } from '../agent/context.ts'
import { writeAggregate } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'

/** Throws `Unavailable`, `WrongIncarnation`. */
export async function riseIfAllKnow(context: AgentContext, epoch: number, signal: AbortSignal): Promise<void> {
  const { agent, coordinator, clock, random, subjects, logger } = context
  const format = riseTo(context.realm.state, await present(coordinator.agents), false)
  if (format === undefined) return
  const written = await writeAggregate<RealmState, RealmEvent>(
    { log: coordinator.log, clock, random, signal },
    {
      subject: subjects.aggregate('realm', singletons.realm),
      aggregate: 'realm',
      id: singletons.realm,
      empty: emptyRealm(),
      fold: foldRealm,
      decide: (state) => raiseFormat(state, format),
      actor: `agent:${agent}`,
      epoch,
    },
  )
  if (written.kind !== 'written') return
  logger.info({ format }, 'the format of the realm has risen: every live agent and service knows it')
  feedWritten(coordinator.bus, subjects, written)
}

export async function present(agents: AgentContext['coordinator']['agents']): Promise<readonly PresenceValue[]> {
  const prefix = presenceKey('')
  return (await agents.entries()).filter(({ key }) => key.startsWith(prefix)).flatMap(({ value }) => presenceIn(value) ?? [])
}
