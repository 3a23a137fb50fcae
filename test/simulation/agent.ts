/** One agent's process in a simulated world, made of the real parts. */
import { startExecutor } from '../../src/executor/executor.ts'
import type { AgentContext, LaneHosting, Logger } from '../../src/agent/context.ts'
import { type LaneHost, startLaneHost } from '../../src/lane/host.ts'
import { directKeeper } from '../../src/presence/keeper.ts'
import { startPresence } from '../../src/presence/presence.ts'
import type { WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'
import { constants } from './plan.ts'
import type { SimProcess } from './process.ts'
import type { SimSite } from './site.ts'
import type { Told } from './told.ts'

export interface SimAgentOptions {
  readonly agent: string
  readonly process: SimProcess
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly dice: Dice
  readonly sites: ReadonlyMap<string, SimSite>
  readonly logger: Logger
  readonly told: Told
  readonly end: () => number
  readonly failpoint: (name: string) => Promise<void>
  /** The program ends by itself. */
  readonly onExit: (why: string) => void
}

export interface SimAgent {
  readonly agent: string
  readonly process: SimProcess
  readonly lanes: LaneHost
}

export function startSimAgent(options: SimAgentOptions): SimAgent {
  const { agent, process, subjects, dice, sites, logger, failpoint } = options
  const coordinator = overheard(options)
  const context: AgentContext = {
    agent,
    role: 'generic',
    region: 'r',
    skills: [],
    build: 'simulated',
    coordinator,
    subjects,
    clock: process.clock,
    random: dice,
    constants,
    logger,
  }
  const keeper = directKeeper({ agents: coordinator.agents, lease: coordinator.lease }, process.clock)
  const presence = startPresence({ context, keeper })
  const lanes = startLaneHost(context, presence, { failpoint, onFatal: (why) => options.onExit(why) })
  const connections = new Map([...sites].map(([site, simulated]) => [site, simulated.connect(process)]))
  const executor = startExecutor(context, presence, { connection: (site) => connections.get(site) }, overheardHere(lanes, options), { failpoint })
  presence.onReplaced(() => {
    lanes.abandon()
    executor.abandon()
    presence.abandon()
    options.onExit('replaced')
  })
  return { agent, process, lanes }
}

/** Answers to an executor's lists over the bus. */
function overheard(options: SimAgentOptions): Coordinator {
  const { coordinator } = options
  const { bus } = coordinator
  const isWork = new RegExp(`^${options.subjects.toLane('LANE', 'work').replace('LANE', '([^.]+)')}$`)
  return {
    ...coordinator,
    bus: {
      publish: (subject, data) => bus.publish(subject, data),
      subscribe: (subject, handle, how) => bus.subscribe(subject, handle, how),
      flush: (timeoutMs) => bus.flush(timeoutMs),
      serve: (service) => bus.serve(service),
      get link() {
        return bus.link
      },
      onLink: (listener) => bus.onLink(listener),
      async ask(subject, data, how) {
        const asked = await bus.ask(subject, data, how)
        const lane = isWork.exec(subject)?.[1]
        if (lane !== undefined && asked.kind === 'answer') hear(options, lane, fromBytes(data), fromBytes(asked.data))
        return asked
      },
    },
  }
}

/** The same, where the holder is the very process. */
function overheardHere(lanes: LaneHost, options: SimAgentOptions): LaneHosting {
  return {
    get held() {
      return lanes.held
    },
    workHere(lane, request) {
      return lanes.workHere(lane, request)?.then((answer) => {
        hear(options, lane, request, answer)
        return answer
      })
    },
    listenHere: (listener) => lanes.listenHere(listener),
    setClockTrusted: (trusted) => lanes.setClockTrusted(trusted),
    release: () => lanes.release(),
    abandon: () => lanes.abandon(),
  }
}

function hear({ agent, told, end }: SimAgentOptions, lane: string, request: WorkRequest, answer: WorkAnswer): void {
  if (answer.kind !== 'taken' || (request.outcomes.length === 0 && request.stopped.length === 0)) return
  told.outcomes.push({ agent, lane, outcomes: request.outcomes, stopped: request.stopped, heardAt: end() })
}
