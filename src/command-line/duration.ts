/** Durations as people give and read them. */
import { InvalidArgumentError } from 'commander'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** In its largest unit that keeps it whole, as it can be given. */
export function durationText(durationMs: number): string {
  const [unit, ms] = Object.entries(unitMs).findLast(([, each]) => durationMs >= each && durationMs % each === 0) ?? ['ms', 1]
  return `${durationMs / ms}${unit}`
}

/** Milliseconds. */
export function durationArgument(text: string): number {
  const [, number, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? []
  if (number === undefined) throw new InvalidArgumentError('give a whole number with its unit: 500ms, 30s, 5m, 2h, 1d.')
  return Number(number) * unitMs[unit!]!
}
