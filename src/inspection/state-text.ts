/** A machine's state in words. Pure. */
import type { MachineState } from '../../streams/agent-messages.ts'

/** `leading`, `elected.leading`; of several regions at once `(a.on b.off)`. */
export function stateText(state: MachineState): string {
  if (typeof state === 'string') return state
  const regions = Object.entries(state).map(([region, inner]) => {
    const text = stateText(inner)
    return text === '' ? region : `${region}.${text}`
  })
  return regions.length === 1 ? regions[0]! : regions.length === 0 ? '' : `(${regions.join(' ')})`
}
