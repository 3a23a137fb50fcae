/** An event of the log in one line for a person: the same words in `log tail`, `replay --step` and `replay --why`. Pure. */
import { counted } from '../../machines/counted.ts'
import type { GroupEvent, JobSpec, Run } from '../../machines/execution-group/events.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { timeText } from '../platform/time-text.ts'
import { operationText } from './operation-text.ts'

interface Said {
  readonly type: string
  readonly data: unknown
}

const textLimit = 160
const jobsNamed = 3
const runsNamed = 6

/** `job`: the one that is looked at, where only that one of several is in the event. What cannot be read as its type says is shown as it stands. */
export function eventText(aggregate: string, event: Said, job: number | null = null): string {
  try {
    if (aggregate === 'group') return groupText(event as GroupEvent, job)
    if (aggregate === 'instruction') return instructionText(event as InstructionEvent)
    return fieldsText(event.data)
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return cut(JSON.stringify(event.data) ?? '')
    throw error
  }
}

function instructionText(event: InstructionEvent): string {
  switch (event.type) {
    case 'InstructionTaken':
      return `${cut(event.data.text)}, in lane ${event.data.lane}`
    case 'InstructionRefused':
      return `${cut(event.data.text)}: ${event.data.why}`
    default:
      return fieldsText((event as Said).data)
  }
}

function groupText({ type, data }: GroupEvent, job: number | null): string {
  switch (type) {
    case 'GroupOpened':
      return `${data.name} (${counted(data.jobs, 'job')}, ${data.order}, ${data.mode})`
    case 'JobsAdded':
      return job === null ? addedText(data.part, data.jobs) : data.jobs.map((spec) => `job ${job}: ${specText(spec)}`).join(', ')
    case 'JobsAssigned':
      return listText(data.assignments.map(({ first, last, agent }) => `${runText([first, last])} to ${agent}`))
    case 'LockGranted':
      return `${listText(data.jobs.map(runText))} to ${data.agent} (${data.instance})`
    case 'LockReturned':
      return `lock ${data.grant} ${data.why}`
    case 'JobSucceeded':
      return `job ${data.job}, lock ${data.grant}${data.already === true ? ', it was so already' : ''}`
    case 'JobFailed':
    case 'JobUnknown':
      return `job ${data.job}, lock ${data.grant}: ${data.reason.text}`
    case 'JobResolved':
      return `job ${data.job} as ${data.as}`
    case 'JobRetried':
      return `job ${data.job} for job ${data.retryOf}`
    case 'JobsCancelled':
      return listText(data.jobs.map(runText))
    case 'CompensationBegun':
      return `job ${data.job} failed: ${data.of.length === 0 ? 'nothing is undone' : `${listText(data.of.map(([high, low]) => runText([low, high])))} ${isOne(data.of) ? 'is' : 'are'} undone`}`
    case 'GroupBlocked':
      return `at job ${data.job}`
    case 'GroupPrioritized':
      return `priority ${data.priority}`
    default:
      return fieldsText(data)
  }
}

function addedText(part: number, jobs: readonly JobSpec[]): string {
  const more = jobs.length - jobsNamed
  return `part ${part}, ${counted(jobs.length, 'job')}: ${jobs.slice(0, jobsNamed).map(specText).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function specText({ site, service, operation }: JobSpec): string {
  return `${site}/${service} ${operationText(operation)}`
}

function listText(items: readonly string[]): string {
  const more = items.length - runsNamed
  return `${items.slice(0, runsNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function isOne(runs: readonly Run[]): boolean {
  return runs.length === 1 && runs[0]![0] === runs[0]![1]
}

function runText([first, last]: Run): string {
  return first === last ? `job ${first}` : `jobs ${first}-${last}`
}

/** Names and values; what is a structure itself as JSON. */
function fieldsText(data: unknown): string {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return cut(JSON.stringify(data) ?? '')
  return cut(Object.entries(data).map(([name, value]) => `${name} ${valueText(name, value)}`).join(', '))
}

function valueText(name: string, value: unknown): string {
  if (typeof value === 'string') return value === '' ? '-' : value
  if (name === 'atMs' && typeof value === 'number') return timeText(value)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(' ') || '-'
  return JSON.stringify(value) ?? '-'
}

function cut(text: string): string {
  return text === '{}' ? '' : text.length > textLimit ? `${text.slice(0, textLimit - 3)}…` : text
}
