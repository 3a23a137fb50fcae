/** How results are shown: aligned columns for a person, canonical JSON for a program. */
import { styleText } from 'node:util'
import stringWidth from 'string-width'
import { canonicalJson } from '../../streams/codec.ts'
import { outIsTerminal, outTakesColour, redrawLine, writeError, writeOut } from '../platform/terminal.ts'
import { textHere } from './here.ts'

type Style = Parameters<typeof styleText>[0]

export function styled(style: Style, text: string): string {
  return outTakesColour() ? styleText(style, text, { validateStream: false }) : text
}

export function print(line = ''): void {
  clearStatus()
  writeOut(`${line}\n`)
}

/** A line that names commands to go on with. */
export function hint(line: string): void {
  print(textHere(line))
}

export function complain(line: string): void {
  clearStatus()
  writeError(`${textHere(line)}\n`)
}

/** One line of RFC 8785 JSON: keys sorted, integers and text as they are. The same state has the same bytes everywhere. */
export function printJson(value: unknown): void {
  clearStatus()
  writeOut(`${canonicalJson(value)}\n`)
}

/** What others wrote may hold anything: no control character reaches the terminal. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '�')
}

export interface Column<Row> {
  readonly head: string
  readonly cell: (row: Row) => string | number
  readonly align?: 'right'
}

/** Without a frame, so that it can be cut and searched. Nothing but `empty` where there are no rows. */
export function printTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], empty: string): void {
  if (rows.length === 0) return hint(styled('dim', empty))
  const cells = rows.map((row) => columns.map((column) => plain(String(column.cell(row)))))
  for (const line of aligned([columns.map((column) => column.head.toUpperCase()), ...cells], columns).map((text, index) => (index === 0 ? styled('dim', text) : text))) print(line)
}

function aligned(lines: readonly (readonly string[])[], columns: readonly { readonly align?: 'right' }[]): string[] {
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => stringWidth(line[index]!))))
  return lines.map((line) =>
    line
      .map((cell, index) => {
        const space = ' '.repeat(widths[index]! - stringWidth(cell))
        return columns[index]!.align === 'right' ? space + cell : cell + space
      })
      .join('  ')
      .trimEnd(),
  )
}

/** Names and values of one thing, one a line. */
export function printFields(fields: readonly (readonly [name: string, value: string | number])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length))
  for (const [name, value] of fields) print(`${styled('dim', name.padEnd(width))}  ${plain(String(value))}`)
}

let statusShown = false

/** One line at the bottom of a terminal that says what is being done; nothing where nobody watches. */
export function showStatus(text: string): void {
  if (!outIsTerminal()) return
  redrawLine(styled('dim', text))
  statusShown = true
}

/** The first start of a machine takes longer for it: said where nobody watches, too. */
export function sayFetching(): void {
  if (outIsTerminal()) showStatus('fetching nats-server, once …')
  else print('fetching nats-server, once (about 15 MB) …')
}

export function clearStatus(): void {
  if (!statusShown) return
  statusShown = false
  redrawLine('')
}
