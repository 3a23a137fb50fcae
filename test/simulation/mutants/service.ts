/** Mutants: Services, and what is asked for through them. */
import type { Mutant } from './mutant.ts'

export const serviceMutants: readonly Mutant[] = [
  {
    name: 'a-repeat-chooses-its-lane-anew',
    breaks: ['P13'],
    namedBy: 'P13',
    focus: 'asked',
    patches: [
      { file: 'src/service/handle-changes.ts', find: 'if (known !== undefined) return goOn(', replace: 'if (known !== undefined && known.revision < 0) return goOn(' },
      {
        file: 'src/change/take.ts',
        find: "  return { state: written.state, known: written.kind === 'nothing' }",
        replace: '  return { state: { ...written.state, taken: { ...written.state.taken!, lane, plan: plan.digest } }, known: false }',
      },
    ],
  },
  {
    name: 'nobody-goes-on-with-what-a-dead-service-left',
    breaks: ['P13', 'P14', 'I3'],
    focus: 'asked',
    patches: [{ file: 'src/change/group-opener.ts', find: '      if (moved || this.#inHand.has(command)) continue', replace: '      if (pending !== undefined) continue' }],
  },
  {
    name: 'openings-follow-the-feed',
    breaks: ['P9'],
    focus: 'asked',
    patches: [
      { file: 'src/service/service.ts', find: "    if (at?.kind === 'instruction') opener.taken(at.id)", replace: '    void at' },
      {
        file: 'src/service/service.ts',
        find: '    opener.start()\n',
        replace: `    opener.start()
    coordinator.bus.subscribe(subjects.allFeeds, ({ subject }) => {
      const [, , aggregate, id] = subject.split('.')
      if (aggregate === 'instruction') opener.taken(id!)
    })
`,
      },
    ],
  },
  {
    name: 'a-lost-direct-job-is-granted-anew',
    breaks: ['P26'],
    namedBy: 'P26',
    focus: 'asked',
    patches: [
      { file: 'machines/execution-group/decide/locks.ts', find: "  // P26: never granted anew.\n  if (state.mode === 'direct') {", replace: '  if (grant < 0) {' },
      { file: 'machines/execution-group/decide/locks.ts', find: "is not open`)\n  if (state.mode === 'direct') {", replace: 'is not open`)\n  if (grant < 0) {' },
    ],
  },
  {
    name: 'changes-are-answered-before-they-are-whole',
    breaks: ['P14', 'I8'],
    namedBy: 'I8',
    focus: 'asked',
    patches: [
      {
        file: 'src/change/group-opener.ts',
        find: "    const sealed = await send({ kind: 'seal', plan }, false)\n    return sealed.kind === 'done' ? { kind: 'sealed', group, position: sealed.position } : sealed",
        replace: "    void send({ kind: 'seal', plan }, false)\n    return { kind: 'sealed', group, position: revision - revision }",
      },
    ],
  },
]
