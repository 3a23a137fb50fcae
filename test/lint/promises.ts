/**
 * `docs/promises.md`: what Reeve promises, and what shows it. A row's second cell holds one or more of, separated by `;`:
 * `test: FILE › TITLE` (titles of the groups around it may stand before, with ` › `), `bench: ROW`, `command: COMMAND`.
 */
import { isCode, readRepositoryFile, SourceFile } from './source.ts'

export interface Promised {
  readonly promise: string
  readonly shownBy: readonly string[]
  readonly line: number
}

/** Rows of the table whose header is `| promise | shown by |`. */
export function readPromises(text: string): readonly Promised[] {
  const lines = text.split('\n')
  const header = lines.findIndex((line) => /^\|\s*promise\s*\|\s*shown by\s*\|\s*$/i.test(line))
  if (header === -1) throw new Error('docs/promises.md has no table with the header | promise | shown by |')
  const rows: Promised[] = []
  for (const [offset, line] of lines.slice(header + 2).entries()) {
    if (!line.startsWith('|')) break
    const cells = line.replace(/^\||\|\s*$/g, '').split(/(?<!\\)\|/).map((cell) => cell.replaceAll('\\|', '|').trim())
    const shownBy = (cells[1] ?? '').split(/;(?=\s*`?(?:test|bench|command):)/).map((part) => part.trim()).filter((part) => part !== '')
    rows.push({ promise: cells[0] ?? '', shownBy, line: header + 3 + offset })
  }
  return rows
}

const testFunctions = new Set(['test', 'it', 'describe', 'suite'])

/** What a reference names that is not there, as one line; undefined when all of it is. */
export function missing(reference: string, files: readonly string[]): string | undefined {
  const [, kind, what] = /^`?(test|bench|command):\s*(.+?)`?$/.exec(reference) ?? []
  if (kind === undefined || what === undefined) return `"${reference}" is neither test: FILE › TITLE, bench: ROW nor command: COMMAND`
  if (kind === 'test') return missingTest(what, files)
  if (kind === 'bench') return missingRow(what, files)
  return missingCommand(what, files)
}

function missingTest(what: string, files: readonly string[]): string | undefined {
  const [path, ...titles] = what.split(' › ').map((part) => part.trim())
  if (path === undefined || titles.length === 0) return `"${what}" names no title`
  // Conformance suites are tests too, run by the file of each adapter.
  if (!/\.test\.ts$/.test(path) && !/^test\/conformance\/.+\.ts$/.test(path)) return `${path} is no file of tests`
  if (!files.includes(path)) return `there is no ${path}`
  const found = new Set(new SourceFile(path).titledCalls(testFunctions).map((call) => call.title))
  const absent = titles.find((title) => !found.has(title))
  return absent === undefined ? undefined : `${path} has no test "${absent}"`
}

function missingRow(row: string, files: readonly string[]): string | undefined {
  const sources = files.filter((path) => isCode(path) && /^test\/bench\//.test(path))
  return sources.some((path) => new SourceFile(path).texts().has(row)) ? undefined : `no benchmark under test/bench/ has the row "${row}"`
}

function missingCommand(command: string, files: readonly string[]): string | undefined {
  const words = command.split(/\s+/)
  const scripts = (JSON.parse(readRepositoryFile('package.json')) as { scripts: Readonly<Record<string, string>> }).scripts
  if (words[0] === 'npm') {
    const script = words[1] === 'run' ? words[2] : words[1]
    return script !== undefined && script in scripts ? undefined : `package.json has no script for "${command}"`
  }
  if (words[0] === 'bash') return words[1] !== undefined && files.includes(words[1]) ? undefined : `there is no ${words[1]}`
  const verb = words[0] === 'npx' ? words[2] : words[1]
  if (words[0] !== 'reeve' && !(words[0] === 'npx' && words[1] === 'reeve')) return `"${command}" is no command of npm, bash or reeve`
  const defined = files.filter((path) => isCode(path) && path.startsWith('src/')).some((path) =>
    [...new SourceFile(path).texts()].some((text) => text === verb || text.startsWith(`${verb} `)))
  return defined ? undefined : `reeve has no command "${verb}"`
}
