/** Mutants: what holds for the whole realm: quarantine, format, and lanes without a leader. */
import type { Mutant } from './mutant.ts'

export const realmMutants: readonly Mutant[] = [
  {
    name: 'who-meets-another-incarnation-goes-on',
    breaks: ['P12', 'I3'],
    focus: 'restored-in-peace',
    patches: [
      { file: 'src/agent/incarnation-watch.ts', find: `if (kind === 'wrong-incarnation') onFatal(kind)`, replace: 'void onFatal' },
      { file: 'src/agent/parts.ts', find: 'followRealm(coordinator.log, subjects, joined, fail)', replace: 'followRealm(coordinator.log, subjects, joined, () => {})' },
      { file: 'src/agent/parts.ts', find: 'followSites(coordinator.log, subjects, fail, within.adapterOf)', replace: 'followSites(coordinator.log, subjects, () => {}, within.adapterOf)' },
    ],
  },
  {
    name: 'nobody-minds-a-quarantine',
    breaks: ['quarantine'],
    namedBy: 'quarantine',
    focus: 'quarantine',
    patches: [
      { file: 'src/lane/turn-builder.ts', find: '    if (this.#realm.quarantine !== null) return\n', replace: '' },
      { file: 'src/executor/executor.ts', find: '    return this.#context.realm.state.quarantine !== null', replace: '    return false' },
    ],
  },
  {
    name: 'newer-shapes-before-the-realm-has-risen',
    breaks: ['format'],
    namedBy: 'format',
    focus: 'upgraded',
    patches: [
      { file: 'machines/realm/shapes.ts', find: '  if (format >= formatVersion) return undefined', replace: '  if (format >= 0) return undefined' },
      { file: 'machines/realm/realm.ts', find: '  return state.format >= format\n', replace: '  return format >= 0\n' },
    ],
  },
  {
    name: 'nothing-is-executed-while-nobody-leads',
    breaks: ['I7'],
    namedBy: 'I7',
    focus: 'leaderless',
    patches: [
      {
        file: 'src/executor/executor.ts',
        find: '    return this.#context.realm.state.quarantine !== null',
        replace: `    const self = this as unknown as { led?: boolean }
    if (self.led === undefined) {
      self.led = true
      this.#context.coordinator.lease.watch((change) => {
        if (change.kind !== 'current') self.led = change.kind === 'set'
      })
    }
    return !self.led`,
      },
    ],
  },
]
