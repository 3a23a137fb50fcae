/** Mutants: Appending and the stream. */
import type { Mutant } from './mutant.ts'

export const logMutants: readonly Mutant[] = [
  {
    name: 'append-takes-a-conflict-for-success',
    breaks: ['I5'],
    patches: [
      {
        file: 'streams/append.ts',
        find: `return signal?.aborted ? { kind: 'stopped' } : { kind: 'conflict', last }`,
        replace: `return signal?.aborted ? { kind: 'stopped' } : { kind: 'landed', position: last.position }`,
      },
    ],
  },
  {
    name: 'append-repeats-behind-whatever-is-last',
    breaks: ['I5'],
    namedBy: 'I5',
    patches: [
      {
        file: 'streams/append.ts',
        find: 'const outcome = await log.append({ subject, bytes, expectedLast })',
        replace: `let expected = expectedLast
    try { expected = (await log.last(subject))?.position ?? 0 } catch {}
    const outcome = await log.append({ subject, bytes, expectedLast: expected })`,
      },
      {
        file: 'streams/append.ts',
        find: `      case 'indeterminate': {`,
        replace: `      case 'indeterminate': {
        if (outcome.kind === 'indeterminate') {
          await waitLonger()
          break
        }`,
      },
    ],
  },
  {
    name: 'append-takes-silence-for-success',
    breaks: ['I8'],
    patches: [
      {
        file: 'streams/append.ts',
        find: `      case 'indeterminate': {`,
        replace: `      case 'indeterminate': {
        if (outcome.kind === 'indeterminate') return { kind: 'landed', position: expectedLast + 1 }`,
      },
    ],
  },
  {
    name: 'appends-expect-no-stream',
    breaks: ['P12'],
    focus: 'restored',
    patches: [
      { file: 'streams/memory/event-log.ts', find: `if (incarnation !== this.incarnation) return { kind: 'wrong-incarnation' }`, replace: '' },
    ],
  },
  {
    name: 'archive-purges-before-it-records',
    breaks: ['I6'],
    focus: 'archived',
    patches: [
      {
        file: 'src/archive/archive.ts',
        find: `    await this.#record(survey, data)
    await this.#reached('recorded')
    await this.#purge(data, verified)`,
        replace: `    await this.#purge(data, verified)
    await this.#record(survey, data)
    await this.#reached('recorded')`,
      },
    ],
  },
  {
    name: 'lane-begins-with-any-archive',
    breaks: ['I6'],
    focus: 'archived',
    patches: [{ file: 'src/lane/beginning.ts', find: 'find(({ number }) => number >= missing)', replace: 'at(0)' }],
  },
  {
    name: 'what-was-archived-is-folded-from-nothing',
    breaks: ['I6'],
    focus: 'archived',
    patches: [{ file: 'src/lane/lane-process.ts', find: ', signal, beginningOf(this.#options.context, this.lane))', replace: ', signal)' }],
  },
]
