/** Mutants: Executors, their presence, and sites. */
import type { Mutant } from './mutant.ts'

export const executorMutants: readonly Mutant[] = [
  {
    name: 'executor-ignores-marks',
    breaks: ['P21', 'I9'],
    patches: [{ file: 'src/executor/executor.ts', find: 'if (message.grant <= mark || atHand || link.givesBack(message)) {', replace: 'if (message.grant <= mark && false) {' }],
  },
  {
    name: 'tokens-of-the-group-without-order',
    breaks: ['P22', 'I9'],
    focus: 'unordered',
    patches: [{ file: 'src/executor/held-grant.ts', find: 'message.unordered === true ? chain : undefined', replace: 'undefined' }],
  },
  {
    name: 'window-runs-in-reverse',
    breaks: ['I2'],
    namedBy: 'I2',
    patches: [
      { file: 'src/executor/held-grant.ts', find: 'const { jobs } = message', replace: 'const jobs = [...message.jobs].reverse()' },
    ],
  },
  {
    name: 'an-outcome-is-lost-with-the-holder',
    breaks: ['I3'],
    patches: [
      {
        file: 'src/executor/lane-link.ts',
        find: `outcomes: this.#outcomes.slice(0, fitting),`,
        replace: `outcomes: this.#outcomes.splice(0, fitting),`,
      },
      { file: 'src/executor/executor.ts', find: `if (isOwn && message.grant === mark && !atHand) link.report`, replace: `if (false) link.report` },
      // The leader would close the grant and have the job done again (I9).
      { file: 'src/leader/grant-watch.ts', find: 'void this.#ask(watched).finally(() => end(watched))', replace: 'void end' },
    ],
  },
  {
    name: 'lists-are-said-once',
    breaks: ['P6', 'I3'],
    patches: [
      { file: 'src/executor/lane-link.ts', find: 'if (this.#outstanding && sinceMs >= givenUpMs) this.holderChanged()', replace: 'if (false) this.holderChanged()' },
      { file: 'src/executor/lane-link.ts', find: 'else if (!rests || sinceMs >= leastRestMs) this.nudge()', replace: 'void rests' },
    ],
  },
  {
    name: 'stopped-is-said-while-a-call-runs',
    breaks: ['P19', 'I9'],
    focus: 'stopping',
    patches: [
      {
        file: 'src/executor/executor.ts',
        find: 'for (const grant of this.#held.values()) grant.stop()\n    for (const link of this.#links.values()) link.nudge()\n  }\n\n  #settled',
        replace: `for (const grant of this.#held.values()) {
      grant.stop()
      this.#link(grant.lane).report([], { group: grant.message.group, grant: grant.message.grant })
    }
  }

  #settled`,
      },
      {
        file: 'src/executor/executor.ts',
        find: 'for (const grant of this.#held.values()) grant.stop()\n    for (const link of this.#links.values()) link.nudge()\n    while',
        replace: `for (const grant of this.#held.values()) {
      grant.stop()
      this.#link(grant.lane).report([], { group: grant.message.group, grant: grant.message.grant })
    }
    while`,
      },
    ],
  },
  {
    name: 'stopped-is-said-for-another-process',
    breaks: ['P19', 'P20', 'I9'],
    focus: 'frozen',
    patches: [{ file: 'src/executor/executor.ts', find: 'const isOwn = this.#isOwn(message.instance)', replace: 'const isOwn = true' }],
  },
  {
    name: 'a-read-settles-a-call-at-once',
    breaks: ['P23', 'I2'],
    focus: 'bad-sites',
    patches: [
      { file: 'src/executor/held-grant.ts', find: 'await (spec.repeatable ? (this.#callTime ??= new Wait()) : (this.#waits ??= new Wait())).pause(clock, overMs - clock.monotonicMs())', replace: 'void overMs' },
    ],
  },
  {
    name: 'presence-gate-ignored',
    breaks: ['P18', 'I9'],
    focus: 'cut-off',
    patches: [
      { file: 'src/executor/held-grant.ts', find: 'if (presence.instance !== instance || quarantined()) return false', replace: 'void quarantined' },
      { file: 'src/executor/held-grant.ts', find: 'if (presence.acknowledged && presence.mayStartCall(instance)) return true', replace: 'return true' },
      {
        file: 'src/executor/executor.ts',
        find: 'for (const grant of this.#held.values()) grant.stop()\n    for (const link of this.#links.values()) link.nudge()\n  }\n\n  #settled',
        replace: 'for (const link of this.#links.values()) link.nudge()\n  }\n\n  #settled',
      },
    ],
  },
  {
    name: 'a-lost-instance-goes-on-recording-its-start',
    breaks: ['I11'],
    namedBy: 'I11',
    // Of an agent that is cut off from the log alone: it repeats its append until that is conditional on the start of its next instance.
    focus: 'sick',
    patches: [{ file: 'src/agent/agent.ts', find: '(isLost() ? nothing<AgentEvent>(`instance ${instance} was lost`) : decide(state))', replace: 'decide(state)' }],
  },
  {
    name: 'lost-presence-is-created-again',
    breaks: ['P17', 'I9'],
    focus: 'back-in-time',
    patches: [
      { file: 'machines/presence/machine.ts', find: `on: { Renewed: { target: 'present', reenter: true }, Unsettled: '.unsure', Gone: 'lost' },
      after: { presenceMs: 'lost' },`, replace: `on: { Renewed: { target: 'present', reenter: true }, Unsettled: '.unsure', Gone: 'lost' },` },
      { file: 'src/presence/keeper.ts', find: `return this.#revision === 0 && after === 'indeterminate'`, replace: `this.#revision = 0
          void after
          return true` },
      { file: 'src/presence/keeper.ts', find: 'this.#bucket.createOnce(key', replace: 'this.#bucket.create(key' },
    ],
  },
  {
    name: 'a-replaced-process-goes-on',
    breaks: ['P20', 'I9'],
    focus: 'frozen',
    patches: [
      { file: 'src/presence/presence.ts', find: `    this.#replacedBy = instance
    this.#replaced?.(instance)`, replace: '' },
    ],
  },
  {
    name: 'a-deleted-agent-key-is-not-written-again',
    breaks: ['I11'],
    namedBy: 'I11',
    focus: 'wiped',
    patches: [
      { file: 'src/presence/presence.ts', find: `else if (change.kind === 'gone') this.#presentRevision = 0`, replace: '' },
      { file: 'src/presence/presence.ts', find: 'if (entry === undefined || entry.revision < this.#presentRevision) this.#presentRevision = 0', replace: '' },
    ],
  },
]
