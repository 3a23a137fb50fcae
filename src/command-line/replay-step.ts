/** `reeve replay --step`: a history walked forward and back with keys; with `--json`, all of its steps. */
import { onStopSignal } from '../platform/process.ts'
import { openScreen } from '../platform/screen.ts'
import { inputIsTerminal } from '../platform/terminal.ts'
import type { At } from '../replay/at.ts'
import { type Recorded, isBefore } from '../replay/recorded.ts'
import { type Folding, Walk, stepsOf, whereTo } from '../replay/walk.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { clearStatus, printJson, showStatus } from './output.ts'
import { type Shows, keysOf, panelOf } from './step-panel.ts'

/** Before anything is read: whether there are keys to walk with. Throws `CommandEnd`. */
export function demandTerminal(asJson: boolean): void {
  if (!asJson && !inputIsTerminal()) throw new CommandEnd(exitCodes.refused, '--step needs a terminal with keys: run it in one, or take all steps with --json')
}

/** One line of JSON a step, up to the given point. */
export async function printSteps<State, Shown>(history: AsyncIterable<Recorded>, folding: Folding<State, Shown>, at: At): Promise<void> {
  for await (const step of stepsOf(history, folding)) {
    if (!isBefore(at, step)) return
    printJson(step)
  }
}

/** Begins at the given point. Resolves when the person has seen enough. */
export async function walkThrough<State, Shown>(history: AsyncIterable<Recorded>, folding: Folding<State, Shown>, shows: Shows<Shown>, at: At): Promise<void> {
  const all: Recorded[] = []
  try {
    for await (const recorded of history) {
      all.push(recorded)
      if (all.length % 1_000 === 0) showStatus(`${all.length} events`)
    }
  } finally {
    clearStatus()
  }
  const walk = new Walk(all, folding)
  const beyond = all.findIndex((recorded) => !isBefore(at, recorded))
  let n = Math.max(1, at.kind === 'end' ? 1 : beyond === -1 ? walk.length : beyond)
  let asksForKeys = false
  await new Promise<void>((resolve, reject) => {
    const draw = () => {
      try {
        screen.draw(asksForKeys ? keysOf(screen.columns) : panelOf(walk.step(n), n, walk.length, shows, screen.columns))
      } catch (error) {
        end(() => reject(error))
      }
    }
    const end = (settle: () => void) => {
      signals.stop()
      screen.close()
      settle()
    }
    const signals = onStopSignal(() => end(resolve))
    const screen = openScreen((key) => {
      const to = whereTo(key, n, walk.length)
      if (to === 'end') return end(resolve)
      const asked = asksForKeys
      asksForKeys = key === '?' && !asked
      if (!asked && !asksForKeys) {
        if (to === undefined) return
        n = to
      }
      draw()
    }, draw)
    draw()
  })
}
