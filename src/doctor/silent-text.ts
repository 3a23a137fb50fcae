/** What is said of a job whose executor does not answer (I9), in one line. */
import { type SilentGrant, silentLimit } from '../../streams/api/group.ts'

const becomes: Readonly<Record<SilentGrant['then'], readonly [one: string, several: string]>> = {
  'granted-anew': ['it is granted anew', 'they are granted anew'],
  unknown: ['it is for a person to settle, since it may not be repeated', 'they are for a person to settle, since they may not be repeated'],
  failed: ['it counts as failed', 'they count as failed'],
}

/** A line for each executor that does not answer, with the jobs that it was granted, in their order. */
export function silentTexts(silent: readonly SilentGrant[]): readonly string[] {
  const alike = new Map<string, SilentGrant[]>()
  for (const one of silent) {
    const key = `${one.instance} ${one.then}`
    alike.set(key, [...(alike.get(key) ?? []), one])
  }
  // More than that many are not told.
  const more = silent.length >= silentLimit ? ' and perhaps more' : ''
  return [...alike.values()].map((ones) => {
    if (ones.length === 1) return silentText(ones[0]!)
    const { agent, present, then } = ones[0]!
    const withinMs = Math.max(...ones.map((one) => one.withinMs))
    return `jobs ${ones.map(({ job }) => job).join(', ')}${more} stand still: ${silence(agent, present)}; ${withinText(withinMs)} ${becomes[then][1]} (later where the leader changes)`
  })
}

export function silentText({ job, agent, present, withinMs, then }: SilentGrant): string {
  return `job ${job} stands still: ${silence(agent, present)}; ${withinText(withinMs)} ${becomes[then][0]} (later where the leader changes)`
}

function silence(agent: string, present: boolean): string {
  return `agent ${agent} does not answer${present ? '' : ' and has no presence any more'}`
}

export function withinText(withinMs: number): string {
  return withinMs <= 0 ? 'any moment now' : `in ${Math.ceil(withinMs / 1_000)} s at the latest`
}
