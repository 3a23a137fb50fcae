/** The two simulated sites that `reeve up --demo` adds, and the one sample change of the first start. */
import { join } from 'node:path'
import { ApiFailure } from '../../streams/api/errors.ts'
import { newUlid } from '../../streams/codec.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { SiteState } from '../../machines/site/site.ts'
import type { Session } from '../command-line/session.ts'
import type { GroupShown } from '../command-line/follow.ts'
import { readTextFile, replaceTextFile } from '../platform/folders.ts'

export interface DemoSite {
  readonly site: string
  readonly name: string
  readonly services: number
  readonly seed: string
}

export const demoSites: readonly DemoSite[] = [
  { site: 'north', name: 'North desktops', services: 12, seed: 'north' },
  { site: 'south', name: 'South desktops', services: 12, seed: 'south' },
]

export const demoKind = 'simulated'
/** Of each site. */
const sampleServices = 4
const sampleText = 'Sample: maintenance mode for four services of each site'

/**
 * Which of them `up` starts: all for a demonstration; otherwise those that an earlier one added and whose data lie here (`held`),
 * for they belong to this data folder and nobody else starts them.
 */
export function sitesToStart(demo: boolean, known: ReadonlyMap<string, SiteState>, held: ReadonlySet<string>): readonly DemoSite[] {
  return demoSites.filter(({ site }) => {
    const state = known.get(site)
    return demo || (state?.managed === true && state.kind === demoKind && held.has(site))
  })
}

/** The port that a site had when it was added: the log names it for ever. 0, any free one, for a new site. */
export function portOf(known: SiteState | undefined): number {
  if (known === undefined || !known.managed || known.kind !== demoKind) return 0
  const port = /^https?:\/\/[^/]+:(\d+)/.exec(known.address)?.[1]
  return port === undefined ? 0 : Number(port)
}

interface SampleRecord {
  readonly command: string
  readonly services: readonly string[]
  group: string | null
}

export type Sample =
  /** Of an earlier start. */
  | { readonly kind: 'before'; readonly shown: GroupShown }
  | { readonly kind: 'submitted'; readonly group: string; readonly jobs: number; readonly position: number }
  | { readonly kind: 'nothing'; readonly why: string }

/**
 * Submits the sample change, once in the life of a data folder: its command id and services are written down before the
 * first attempt, so that a start that was interrupted goes on with the same command (P15). Throws `ApiFailure`.
 */
export async function submitSample(ask: Session['ask'], dataFolder: string, clock: Clock, random: Random): Promise<Sample> {
  const file = join(dataFolder, 'sample.json')
  let record = await readRecord(file)
  if (record?.group !== undefined && record.group !== null) return { kind: 'before', shown: await ask('group', 'show', { group: record.group }) }
  if (record === undefined) {
    const services = await chooseServices(ask)
    if (services.length === 0) return { kind: 'nothing', why: 'the demo sites hold no services that are not in maintenance mode already' }
    record = { command: newUlid(clock.nowMs(), random), services, group: null }
    await replaceTextFile(file, `${JSON.stringify(record)}\n`)
  }
  const applied = await ask('change', 'apply', {
    selector: { services: [...record.services] },
    operation: { name: 'maintenance-on' },
    // Agents are to be seen at work, also where one service is left to change.
    mode: 'jobs',
    distributionFactor: 100,
    name: 'Sample change',
    text: sampleText,
    confirmed: true,
    actor: 'program:reeve-up',
    command: record.command,
  })
  if (applied.group === null) return { kind: 'nothing', why: 'everything is so already' }
  record.group = applied.group
  await replaceTextFile(file, `${JSON.stringify(record)}\n`)
  return { kind: 'submitted', group: applied.group, jobs: applied.jobs, position: applied.position }
}

async function chooseServices(ask: Session['ask']): Promise<readonly string[]> {
  const chosen: string[] = []
  for (const { site } of demoSites) {
    const { services, unreachable } = await ask('service', 'list', { site, limit: 100 })
    if (unreachable.length > 0) throw new ApiFailure('site-unreachable', `site ${site} did not answer: ${unreachable[0]!.reason}`)
    chosen.push(...services.filter(({ actual }) => !actual.maintenance).slice(0, sampleServices).map(({ actual }) => `${site}/${actual.id}`))
  }
  return chosen
}

async function readRecord(file: string): Promise<SampleRecord | undefined> {
  const text = await readTextFile(file)
  return text === undefined ? undefined : (JSON.parse(text) as SampleRecord)
}
