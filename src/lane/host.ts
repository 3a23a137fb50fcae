/**
 * All lanes of one agent: follows the mapping that the leader writes, and runs one `LaneProcess` for each lane that was ever
 * mapped to this agent.
 */
import type { LaneState } from '../../machines/lane/state.ts'
import { laneMappingIn } from '../../streams/coordination.ts'
import type { WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { AgentContext, LaneHosting, LocalListener, Presence } from '../agent/context.ts'
import type { TransitionListener } from '../process/host.ts'
import type { HolderFailpoint, HoldingEnded } from './holding.ts'
import { LaneProcess, type LaneTimes, defaultLaneTimes } from './lane-process.ts'

export interface LaneHostOptions {
  readonly times?: Partial<LaneTimes>
  readonly onTransition?: TransitionListener
  /** The program has to end (P11, P12). */
  readonly onFatal?: (why: HoldingEnded) => void
  readonly failpoint?: (name: HolderFailpoint) => Promise<void>
}

export interface LaneHost extends LaneHosting {
  /** Fold of a lane held now, for those who look on from the same process (I6); read only. */
  stateOf(lane: string): LaneState | undefined
}

/** How often an agent that stops looks whether a grant is still open in its lanes. */
const lookMs = 20

export function startLaneHost(context: AgentContext, presence: Presence, options: LaneHostOptions = {}): LaneHost {
  const processes = new Map<string, LaneProcess>()
  let local: LocalListener | undefined
  let trusted = true
  let released = false
  const { clock } = context

  const processOf = (lane: string): LaneProcess => {
    let process = processes.get(lane)
    if (process === undefined) {
      process = new LaneProcess({
        context,
        presence,
        lane,
        times: { ...defaultLaneTimes, ...options.times },
        local: () => local,
        trusted: () => trusted && !released,
        onTransition: options.onTransition ?? (() => {}),
        onFatal: options.onFatal ?? (() => {}),
        ...(options.failpoint === undefined ? {} : { failpoint: options.failpoint }),
      })
      processes.set(lane, process)
    }
    return process
  }

  const watch = context.coordinator.mappings.watch((change) => {
    if (released || change.kind !== 'set') return
    const mapping = laneMappingIn(change.entry.value)
    if (mapping === undefined) return
    if (mapping.agent === context.agent || processes.has(mapping.lane)) void processOf(mapping.lane).reconsider()
  })
  const link = context.coordinator.bus.onLink((state) => {
    if (state === 'connected') for (const process of processes.values()) process.verify()
  })

  return {
    get held() {
      return [...processes.values()].filter((process) => process.holder !== undefined).map((process) => process.lane)
    },
    get phases() {
      return [...processes.values()].map(({ lane, phase }) => [lane, phase] as const)
    },
    stateOf: (lane) => processes.get(lane)?.holder?.state,
    workHere(lane: string, request: WorkRequest): Promise<WorkAnswer> | undefined {
      return processes.get(lane)?.work(request)
    },
    listenHere(listener) {
      local = listener
    },
    setClockTrusted(value) {
      if (trusted === value) return
      trusted = value
      for (const process of processes.values()) {
        if (value) process.resume()
        else void process.letGo()
      }
    },
    async release(holdOnMs = 0) {
      const endMs = clock.monotonicMs() + holdOnMs
      while (!released && clock.monotonicMs() < endMs && [...processes.values()].some(({ awaited }) => awaited)) await pause(clock, lookMs)
      released = true
      watch.stop()
      await Promise.all([...processes.values()].map((process) => process.letGo()))
      for (const process of processes.values()) process.abandon()
      link.stop()
    },
    abandon() {
      released = true
      watch.stop()
      link.stop()
      for (const process of processes.values()) process.abandon()
    },
  }
}
