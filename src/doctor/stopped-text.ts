/** What is said of a group that nothing more happens to until a person decides: why, and the command that leads on. */
import type { ExclusiveState } from '../../machines/execution-group/exclusive-state.ts'

/** Phases of such groups. */
export const stoppedPhases = ['blocked', 'compensation-blocked', 'faulted'] as const

type Stopped = Pick<ExclusiveState, 'group' | 'phase' | 'unknown' | 'failed' | 'fault'>

export interface StoppedText {
  readonly text: string
  readonly todo: string
}

/** Undefined for one that goes on, or has ended. */
export function stoppedText({ group, phase, unknown, failed, fault }: Stopped): StoppedText | undefined {
  switch (phase) {
    case 'blocked':
    case 'compensation-blocked': {
      const text = `group ${group} is ${phase}`
      if (unknown !== null) return { text: `${text}: the outcome of job ${unknown.job} is not known (${unknown.reason.text})`, todo: `look at the site, then "reeve group resolve ${group} ${unknown.job} succeeded|failed"` }
      const last = failed.at(-1)
      return { text: `${text}: job ${last?.job} failed (${last?.reason.text ?? 'no reason'})`, todo: `"reeve group retry ${group}" or "reeve group cancel ${group}"` }
    }
    case 'faulted':
      return { text: `group ${group} is faulted: ${fault?.type} at revision ${fault?.revision} (${fault?.event})`, todo: `only "reeve group cancel ${group}" leads on` }
    default:
      return undefined
  }
}
