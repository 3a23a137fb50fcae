/** One line of the table: what Reeve does, beside the raw limit measured in the same run on the same server. */
export interface Row {
  readonly row: string
  readonly what: string
  readonly value: number
  readonly unit: string
  /** The raw limit in the same unit; null where there is none to compare with. */
  readonly raw: number | null
  /** value / raw for rates; for times too, where less is better. */
  readonly ratio: number | null
  readonly note?: string
}

export function rate(row: string, what: string, unit: string, value: number, raw: number, note?: string): Row {
  return { row, what, unit, value: round(value), raw: round(raw), ratio: Math.round((value / raw) * 100) / 100, ...(note === undefined ? {} : { note }) }
}

/** A time beside the raw one: less is better, and so is a ratio near 1. */
export function compared(row: string, what: string, unit: string, value: number, raw: number, note?: string): Row {
  return rate(row, what, unit, value, raw, note)
}

export function figure(row: string, what: string, unit: string, value: number, note?: string): Row {
  return { row, what, unit, value: round(value), raw: null, ratio: null, ...(note === undefined ? {} : { note }) }
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100
}

/** The value below which a share of the sorted values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export function table(rows: readonly Row[]): string {
  const head = ['row', 'what', 'value', 'unit', 'raw', 'ratio']
  const body = rows.map((row) => [row.row, row.what, String(row.value), row.unit, row.raw === null ? '–' : String(row.raw), row.ratio === null ? '–' : String(row.ratio)])
  const widths = head.map((name, column) => Math.max(name.length, ...body.map((cells) => cells[column]!.length)))
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column === 2 || column >= 4 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ')
  const notes = rows.filter((row) => row.note !== undefined).map((row) => `  ${row.row}: ${row.note}`)
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line), ...notes].join('\n')
}
