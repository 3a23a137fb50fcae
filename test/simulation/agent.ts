/** One agent's process in a simulated world, the real one. */
import { type AgentEnd, type RunningAgent, startAgent } from '../../src/agent/agent.ts'
import type { LaneHosting, Logger } from '../../src/agent/context.ts'
import { electionTimes } from '../../src/election/election.ts'
import type { BalanceTimes } from '../../src/leader/lane-placing.ts'
import type { LaneHost } from '../../src/lane/host.ts'
import type { AgentRole } from '../../machines/agent/agent.ts'
import type { SiteAdapter } from '../../src/sites/adapter.ts'
import type { WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { fromBytes } from '../../streams/coordination.ts'
import { readWorkRequest } from '../../streams/lane-messages.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'
import type { Failpoint } from './failpoints.ts'
import { constants } from './plan.ts'
import type { SimProcess } from './process.ts'
import { simulatedKind } from './site.ts'
import type { Told } from './told.ts'

export interface SimAgentOptions {
  readonly agent: string
  /** Of an older build: the newest format that it knows. */
  readonly newestFormat: number | undefined
  readonly role: AgentRole
  readonly process: SimProcess
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly dice: Dice
  readonly adapter: SiteAdapter
  readonly logger: Logger
  readonly balance: BalanceTimes | undefined
  readonly told: Told
  readonly end: () => number
  readonly failpoint: (name: Failpoint) => Promise<void>
  /** The program ends by itself. */
  readonly onExit: (end: AgentEnd) => void
}

export interface SimAgent {
  readonly agent: string
  readonly process: SimProcess
  readonly running: RunningAgent
  stop(): Promise<unknown>
  /** Once the realm was joined. */
  readonly lanes: () => LaneHost | undefined
}

export function startSimAgent(options: SimAgentOptions): SimAgent {
  const { agent, role, process, dice, adapter, logger, failpoint } = options
  let lanes: LaneHost | undefined
  const running = startAgent({
    agent,
    role,
    region: 'r',
    skills: role === 'skilled' ? [simulatedKind] : [],
    build: 'simulated',
    realmName: options.subjects.realm,
    coordinator: overheard(options),
    clock: process.clock,
    random: dice,
    logger,
    acceptWeakDurability: false,
    ...(options.newestFormat === undefined ? {} : { newestFormat: options.newestFormat }),
    constants,
    // Often, so that lanes are taken from snapshots too.
    snapshotTimes: { turns: 40, restMs: 2_000 },
    ...(options.balance === undefined ? {} : { balanceTimes: options.balance }),
    electionTimes: { ...electionTimes, leaseMs: 3_000, pingMs: 500 },
    within: {
      adapterOf: () => adapter,
      lanes: (host) => overheardHere((lanes = host), options),
      failpoint,
    },
  })
  void running.ended.then((end) => options.onExit(end))
  return { agent, process, running, stop: () => running.stop(), lanes: () => lanes }
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
      publishHeard: (messages, timeoutMs) => bus.publishHeard(messages, timeoutMs),
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
        if (lane !== undefined && asked.kind === 'answer') hear(options, lane, readWorkRequest(typeof data === 'string' ? Buffer.from(data) : data), fromBytes(asked.data))
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
    get phases() {
      return lanes.phases
    },
    workHere(lane, request) {
      return lanes.workHere(lane, request)?.then((answer) => {
        hear(options, lane, request, answer)
        return answer
      })
    },
    listenHere: (listener) => lanes.listenHere(listener),
    setClockTrusted: (trusted) => lanes.setClockTrusted(trusted),
    release: (holdOnMs) => lanes.release(holdOnMs),
    abandon: () => lanes.abandon(),
  }
}

function hear({ agent, told, end }: SimAgentOptions, lane: string, request: WorkRequest, answer: WorkAnswer): void {
  if (answer.kind !== 'taken' || (request.outcomes.length === 0 && request.stopped.length === 0)) return
  told.outcomes.push({ agent, lane, outcomes: request.outcomes, stopped: request.stopped, heardAt: end() })
}
