/**
 * Presence of this process [P17, P18, P20]: its instance, renewed by a keeper, replaced when lost; and the key that says which
 * process is the agent.
 *
 * 1. An instance id is used once; a lost one is never present again.
 * 2. `mayStartCall` says yes only within 0.9 presence times of the sending of the last acknowledged renewal of that very
 *    instance, by the greater of the monotonic and the wall clock, and only while connected (I9).
 * 3. Of two processes of one agent the one whose present-instance key was written later stays; the other hears `onReplaced`.
 */
import { presenceMachine } from '../../machines/presence/machine.ts'
import type { PresenceEffects } from '../../machines/presence/machine.ts'
import { newUlid } from '../../streams/codec.ts'
import { type PresenceValue, type PresentInstanceValue, presenceKey, presentInstanceIn, presentInstanceKey, toBytes } from '../../streams/coordination.ts'
import type { BucketEntry } from '../../streams/ports/bucket.ts'
import { pause } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { ExecutorContext, Presence } from '../agent/context.ts'
import { type HostedMachine, type TransitionListener, hostMachine } from '../process/host.ts'
import type { Kept, Keeper, Stamp } from './keeper.ts'

/** Part of the presence time in which a call may be started (P18), and in which renewals come three times. */
const callPart = 0.9
const renewalsPerPresence = 3
const retryMs = 200

export interface OwnPresence extends Presence {
  readonly machine: HostedMachine<typeof presenceMachine>
  /** Resolves once the present instance's creation was acknowledged. */
  present(): Promise<void>
  /** An instance of this process, present or former. */
  isOwn(instance: string): boolean
  /** Asks the coordinator which process is the agent (P20). False also where nobody is at the moment. Throws `Unavailable`. */
  isTheAgent(): Promise<boolean>
  /** Called once when another process is this agent now (P20): this one has to exit. */
  onReplaced(listener: (instance: string) => void): void
  /** Called with the first acknowledgement of each instance. */
  onAcknowledged(listener: () => void): void
  /** Sending and revision of the last acknowledged renewal of the present instance. */
  readonly lastRenewal: { readonly revision: number; readonly sent: Stamp } | undefined
  /** Shows others that it takes nothing new. */
  announceStopping(): void
  /** Removes the key and ends. Idempotent. */
  leave(): Promise<void>
  /** Ends without a word; the key expires. */
  abandon(): void
}

export interface PresenceDeps {
  readonly context: ExecutorContext
  readonly keeper: Keeper
  readonly onTransition?: TransitionListener
}

export function startPresence(deps: PresenceDeps): OwnPresence {
  return new PresenceKeeper(deps)
}

class PresenceKeeper implements OwnPresence {
  instance: string
  lastRenewal: { readonly revision: number; readonly sent: Stamp } | undefined
  readonly machine: HostedMachine<typeof presenceMachine>
  readonly #context: ExecutorContext
  readonly #keeper: Keeper
  readonly #own = new Set<string>()
  readonly #newInstance = new Set<(instance: string, former: string) => void>()
  readonly #acknowledgedListeners: (() => void)[] = []
  readonly #waiting: (() => void)[] = []
  readonly #ending = new AbortController()
  readonly #watch: { stop(): void }
  #replaced: ((instance: string) => void) | undefined
  #replacedBy: string | undefined
  #kept: Kept | undefined
  #stopping = false
  /** Of the present-instance key: own last write that was acknowledged or read; 0: it is not there. */
  #presentRevision = 0
  /** This process has been the agent: another's value that comes later is a later process's. */
  #wasPresent = false
  #claimed: Promise<void> = Promise.resolve()
  #left: Promise<void> | undefined

  constructor({ context, keeper, onTransition }: PresenceDeps) {
    this.#context = context
    this.#keeper = keeper
    this.instance = this.#nextInstance()
    this.machine = hostMachine<typeof presenceMachine, PresenceEffects>({
      machine: presenceMachine,
      input: { presenceMs: context.constants.presenceMs },
      clock: context.clock,
      effects: {
        claim: () => this.#claim(),
        acknowledged: () => this.#acknowledged(),
        replaceInstance: () => this.#replaceInstance(),
        leave: () => void this.#leave(),
      },
      ...(onTransition === undefined ? {} : { onTransition }),
    })
    this.#watch = context.coordinator.agents.watch((change) => {
      if (change.kind === 'set') this.#seePresent(change.entry)
      // It has no time to live: somebody deleted it (I11), or the whole bucket was made anew (P18).
      else if (change.kind === 'gone') this.#presentRevision = 0
    }, presentInstanceKey(context.agent))
  }

  get acknowledged(): boolean {
    return this.lastRenewal !== undefined
  }

  mayStartCall(instance: string): boolean {
    const { clock, constants, coordinator } = this.#context
    const renewal = this.lastRenewal
    if (instance !== this.instance || renewal === undefined || coordinator.bus.link === 'disconnected') return false
    const sinceMs = Math.max(clock.monotonicMs() - renewal.sent.monotonicMs, clock.nowMs() - renewal.sent.nowMs)
    return sinceMs < callPart * constants.presenceMs
  }

  onNewInstance(listener: (instance: string, former: string) => void): () => void {
    this.#newInstance.add(listener)
    return () => this.#newInstance.delete(listener)
  }

  isOwn(instance: string): boolean {
    return this.#own.has(instance)
  }

  async isTheAgent(): Promise<boolean> {
    const entry = await this.#context.coordinator.agents.get(presentInstanceKey(this.#context.agent))
    return entry !== undefined && this.#isOwn(entry)
  }

  onReplaced(listener: (instance: string) => void): void {
    this.#replaced = listener
    if (this.#replacedBy !== undefined) listener(this.#replacedBy)
  }

  onAcknowledged(listener: () => void): void {
    this.#acknowledgedListeners.push(listener)
  }

  present(): Promise<void> {
    return this.acknowledged ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  announceStopping(): void {
    this.#stopping = true
    this.#kept?.replace(this.#value())
  }

  leave(): Promise<void> {
    this.#left ??= new Promise<void>((resolve) => {
      this.#resolveLeft = resolve
      this.machine.send({ type: 'Leave' })
    })
    return this.#left
  }
  #resolveLeft: () => void = () => {}

  abandon(): void {
    this.#end()
    this.#kept?.drop()
  }

  #end(): void {
    this.#ending.abort()
    this.#watch.stop()
    this.lastRenewal = undefined
    this.machine.stop()
    this.#resolveLeft()
  }

  async #leave(): Promise<void> {
    await this.#kept?.remove()
    this.machine.send({ type: 'Left' })
    this.#end()
  }

  #nextInstance(): string {
    const { clock, random } = this.#context
    const instance = newUlid(clock.nowMs(), random)
    this.#own.add(instance)
    return instance
  }

  #value(): PresenceValue {
    const { agent, role, region, skills, build, newestFormat } = this.#context
    return { agent, instance: this.instance, role, region, skills, build, formats: newestFormat, stopping: this.#stopping }
  }

  #claim(): void {
    const { presenceMs } = this.#context.constants
    const instance = this.instance
    // P20 first: who is not the agent any more claims nothing.
    this.#claimed = this.#claimed.then(async () => {
      if (!(await this.#becomePresent(instance)) || this.#ending.signal.aborted || instance !== this.instance) return
      this.#kept = this.#keeper.keep(
        {
          bucket: 'agents',
          key: presenceKey(instance),
          value: this.#value(),
          revision: 0,
          ttlMs: presenceMs,
          periodMs: Math.floor(presenceMs / renewalsPerPresence),
        },
        {
          onRenewed: (revision, sent) => {
            if (instance !== this.instance) return
            this.lastRenewal = { revision, sent }
            this.machine.send({ type: 'Renewed' })
          },
          onUnsettled: () => instance === this.instance && this.machine.send({ type: 'Unsettled' }),
          onGone: () => instance === this.instance && this.machine.send({ type: 'Gone' }),
        },
      )
    })
  }

  #acknowledged(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
    for (const listener of this.#acknowledgedListeners) listener()
  }

  #replaceInstance(): void {
    const former = this.instance
    this.#kept?.drop()
    this.#kept = undefined
    this.lastRenewal = undefined
    this.instance = this.#nextInstance()
    this.#context.logger.warn({ agent: this.#context.agent, former, instance: this.instance }, 'presence was lost; going on as a new instance')
    for (const listener of [...this.#newInstance]) listener(this.instance, former)
    this.machine.send({ type: 'Renamed' })
  }

  /** Writes the present-instance key on what this process last wrote there. False when another process is the agent now. */
  async #becomePresent(instance: string): Promise<boolean> {
    const { agents } = this.#context.coordinator
    const key = presentInstanceKey(this.#context.agent)
    const value = toBytes({ instance } satisfies PresentInstanceValue)
    while (!this.#ending.signal.aborted) {
      try {
        // The first time, whoever stands there is a former process: the later start stays.
        const revision = this.#wasPresent ? this.#presentRevision : ((await agents.get(key))?.revision ?? 0)
        const outcome = revision === 0 ? await agents.create(key, value) : await agents.update(key, value, revision)
        if (outcome.kind === 'written') {
          this.#wasPresent = true
          this.#presentRevision = Math.max(this.#presentRevision, outcome.revision)
          return this.#replacedBy === undefined
        }
        const entry = await agents.get(key)
        if (entry !== undefined && this.#isOwn(entry)) {
          this.#wasPresent = true
          this.#presentRevision = entry.revision
          if (instanceIn(entry) === instance) return this.#replacedBy === undefined
        } else if (entry !== undefined && instanceIn(entry) === undefined) {
          // Nobody's: written over.
          this.#presentRevision = entry.revision
        } else if (this.#wasPresent) {
          // Deleted (I11): created again, which fails where another process was faster; or gone with its bucket (P18), whose revisions begin anew.
          if (entry === undefined || entry.revision < this.#presentRevision) this.#presentRevision = 0
          if (entry !== undefined) {
            this.#seePresent(entry)
            return false
          }
        }
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
      }
      await pause(this.#context.clock, retryMs, this.#ending.signal)
    }
    return false
  }

  #isOwn(entry: BucketEntry): boolean {
    const instance = instanceIn(entry)
    return instance !== undefined && this.#own.has(instance)
  }

  #seePresent(entry: BucketEntry): void {
    const instance = instanceIn(entry)
    if (instance === undefined) return
    if (this.#own.has(instance)) {
      this.#presentRevision = Math.max(this.#presentRevision, entry.revision)
      return
    }
    if (!this.#wasPresent || entry.revision < this.#presentRevision || this.#replacedBy !== undefined) return
    this.#replacedBy = instance
    this.#replaced?.(instance)
  }
}

/** Undefined where the value is damaged. */
function instanceIn(entry: BucketEntry): string | undefined {
  return presentInstanceIn(entry.value)
}
