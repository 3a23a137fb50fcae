/** Mutants: Triggers. */
import type { Mutant } from './mutant.ts'

export const triggerMutants: readonly Mutant[] = [
  {
    name: 'a-nominal-time-is-passed-over-by-a-new-leader',
    breaks: ['I3'],
    namedBy: 'I3',
    focus: 'triggers',
    patches: [
      {
        file: 'src/trigger/scheduler.ts',
        find: '    if (await decideDueTimes(writing, trigger, clock.nowMs(), decisionsInARow)) this.#again = true',
        replace: `    const dueMs = dueAfter(now())
    const fresh = dueMs !== undefined && dueMs < clock.nowMs() - 4_000
    const only = fresh ? now().decidedMs : undefined
    if (only !== undefined) (now() as { decidedMs: number }).decidedMs = Math.max(now().decidedMs, dueMs!)
    if (await decideDueTimes(writing, trigger, clock.nowMs(), decisionsInARow)) this.#again = true`,
      },
    ],
  },
  {
    name: 'the-alarm-is-trusted-instead-of-the-definition',
    breaks: ['I3'],
    namedBy: 'I3',
    focus: 'triggers',
    patches: [
      {
        file: 'src/trigger/scheduler.ts',
        find: 'const watch = coordinator.alarms.watch(() => this.look())',
        replace: 'const watch = coordinator.alarms.watch(({ trigger, atMs }) => {\n      alarmedAt.set(trigger, atMs)\n      this.look()\n    })',
      },
      { file: 'src/trigger/scheduler.ts', find: 'import { type TriggerWriting, commandOrdinal,', replace: 'import { alarmedAt, type TriggerWriting, commandOrdinal,' },
      { file: 'src/trigger/due.ts', find: 'export const commandOrdinal', replace: 'export const alarmedAt = new Map<string, number>()\nexport const commandOrdinal' },
      {
        file: 'src/trigger/due.ts',
        find: '    const atMs = state === undefined ? undefined : dueAfter(state)\n',
        replace: '    const atMs = state === undefined ? undefined : (alarmedAt.get(trigger) ?? dueAfter(state))\n    alarmedAt.delete(trigger)\n',
      },
      { file: 'src/trigger/due.ts', find: '      if (dueAfter(now) !== atMs) return nothing(`trigger ${trigger} has another next nominal time`)\n', replace: '' },
    ],
  },
  {
    name: 'a-run-of-a-trigger-is-started-twice',
    breaks: ['P15'],
    focus: 'triggers',
    patches: [
      {
        file: 'src/trigger/run-starter.ts',
        find: "        command: run.command,\n        mode: 'jobs',",
        replace: "        command: newUlid(writing.clock.nowMs(), writing.random),\n        mode: 'jobs',",
      },
      {
        file: 'src/trigger/run-starter.ts',
        find: "import { Unavailable } from '../../streams/ports/event-log.ts'",
        replace: "import { Unavailable } from '../../streams/ports/event-log.ts'\nimport { newUlid } from '../../streams/codec.ts'",
      },
    ],
  },
  {
    name: 'overlapping-runs-are-not-looked-for',
    breaks: ['I1'],
    namedBy: 'I1',
    focus: 'triggers',
    patches: [{ file: 'src/trigger/due.ts', find: 'going: isGoing(fold, now), command', replace: 'going: isGoing(fold, now) && trigger === \'\', command' }],
  },
]
