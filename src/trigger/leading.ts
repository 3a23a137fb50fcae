/** Triggers of the agent that leads, with everything that their runs need; ends with its term. */
import { adapterOf as registeredAdapter } from '../sites/registry.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import type { AgentContext } from '../agent/context.ts'
import { GroupOpener } from '../change/group-opener.ts'
import { LaneLoads } from '../change/lane-loads.ts'
import { LaneSender } from '../change/lane-sender.ts'
import { laneClient } from '../lane/client.ts'
import type { RealmView } from '../realm/view.ts'
import { defaultTimings } from '../service/context.ts'
import { Sites } from '../service/sites.ts'
import { RunStarter } from './run-starter.ts'
import { TriggerScheduler } from './scheduler.ts'

export interface LeadingTriggers {
  /** Idempotent. What is in hand ends without a word. */
  stop(): void
}

export interface LeadTriggersOptions {
  readonly context: AgentContext
  readonly view: RealmView
  readonly epoch: number
  /** Default: those of `src/sites/registry.ts`. */
  readonly adapterOf?: (kind: string) => SiteAdapter
}

export function leadTriggers({ context, view, epoch, adapterOf = registeredAdapter }: LeadTriggersOptions): LeadingTriggers {
  const { coordinator, subjects, clock, random, logger, agent } = context
  const { laneAnswerMs, continueMs, siteReadMs } = defaultTimings
  const ending = new AbortController()
  const { signal } = ending
  const actor = `agent:${agent}`
  const sender = new LaneSender({ lanes: laneClient({ bus: coordinator.bus, subjects }), view, incarnation: coordinator.log.incarnation, clock, answerMs: laneAnswerMs, signal })
  const opener = new GroupOpener({ view, texts: coordinator.texts, sender, clock, logger, actorOf: () => actor, continueMs })
  const sites = new Sites({ clock, readMs: siteReadMs, adapterOf })
  const loads = new LaneLoads(view, context)
  const writing = { coordinator, subjects, clock, random, view, loads, signal, actor, epoch }
  const starter = new RunStarter({ writing, opener, sites, adapterOf, logger })
  const scheduler = new TriggerScheduler({ writing, starter, sender, logger })
  return {
    stop() {
      if (signal.aborted) return
      ending.abort()
      scheduler.stop()
      loads.stop()
      void opener.stop()
      sites.close().catch((error: unknown) => logger.warn({ err: error }, 'connections to sites did not close'))
    },
  }
}
