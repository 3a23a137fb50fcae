/** How far a long command is, as a bar on a terminal; nothing where nobody watches. */
import { systemClock } from '../platform/clock.ts'
import { showStatus } from './output.ts'

const width = 24
/** Drawing costs more than a turn. */
const everyMs = 100

/** `done` of `all`, both in the same unit; `count` things were dealt with, shown a second too. */
export type Progress = (step: string, done: number, all: number, count: number, unit: string) => void

export function progressBar(): Progress {
  let startMs = systemClock.monotonicMs()
  let drawnMs = -Infinity
  let before: string | undefined
  return (step, done, all, count, unit) => {
    const nowMs = systemClock.monotonicMs()
    if (before !== undefined && before !== step) startMs = nowMs
    before = step
    if (nowMs - drawnMs < everyMs) return
    drawnMs = nowMs
    showStatus(barText(step, all === 0 ? 1 : Math.min(1, done / all), count, unit, nowMs - startMs))
  }
}

export function barText(step: string, share: number, count: number, unit: string, tookMs: number): string {
  const full = Math.round(share * width)
  const rate = tookMs < 500 ? '' : `, ${thousands(Math.round((count * 1000) / tookMs))} a second`
  return `${step} [${'█'.repeat(full)}${'░'.repeat(width - full)}] ${String(Math.floor(share * 100)).padStart(3)} %  ${thousands(count)} ${unit}${rate}`
}

function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}
