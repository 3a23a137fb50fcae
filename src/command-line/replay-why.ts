/** `reeve replay --why`: the chain of causes of one job, a line a link. */
import { counted } from '../../machines/counted.ts'
import type { Assignment, GroupEvent, JobSpec, Run } from '../../machines/execution-group/events.ts'
import type { InstructionEvent } from '../../machines/instruction/instruction.ts'
import { timeText } from '../platform/time-text.ts'
import type { EventLink, Why } from '../replay/why.ts'
import { operationText } from './follow.ts'
import { plain, print, styled } from './output.ts'

type InstructionTaken = Extract<InstructionEvent, { type: 'InstructionTaken' }>

export function printWhy({ group, job, chain, undoes, retriedAs, links, missing }: Why): void {
  print(styled('bold', `job ${job} of group ${group}`))
  if (chain.length > 1) print(`it stands in the place of job ${chain.slice(0, -1).join(', then ')}`)
  if (undoes !== null) print(`${chain.length > 1 ? `job ${chain[0]}` : 'it'} undoes job ${undoes}`)
  for (const cause of missing) print(styled('yellow', `${cause.aggregate} ${plain(cause.id)} r${cause.revision}, which led to it, is not in this file`))
  for (const link of links) {
    if (link.kind === 'call') {
      const { site, service, operation, token, idempotencyKey, endedBy } = link
      print(`${' '.repeat(22)}${styled('cyan', 'site write')}  ${plain(site)}/${plain(service)}  ${plain(operationText(operation))}${ending[endedBy ?? ''] ?? ''}`)
      print(styled('dim', `${' '.repeat(24)}token ${token.scope} ${token.incarnation}/${token.revision}, key ${idempotencyKey}`))
      continue
    }
    const time = timeText(link.timeMs).slice(11, 23)
    print(`${String(link.position).padStart(6)}  ${styled('dim', time)}  ${styled('bold', plain(link.event.type))}  ${plain(detail(link))}`)
    print(styled('dim', `${' '.repeat(24)}${plain(origin(link))}`))
  }
  if (retriedAs !== null) print(`job ${retriedAs} has taken its place since: "reeve replay --group ${group} --why ${retriedAs}"`)
}

/** What is known of a call, by what ended its grant. */
const ending: Readonly<Record<string, string>> = {
  '': '  (its lock is open)',
  LockReturned: '  (given back or lost: whether it was made is not in the log)',
  JobUnknown: '  (its outcome is not known)',
}

function origin({ aggregate, id, revision, actor, command, epoch, cause, enabledBy }: EventLink): string {
  return [
    `${aggregate} ${id} r${revision}`,
    `by ${actor}`,
    ...(epoch === undefined ? [] : [`leader of epoch ${epoch}`]),
    ...(command === undefined ? [] : [`command ${command}`]),
    ...(cause === undefined ? [] : [`caused by ${cause.aggregate} ${cause.id} r${cause.revision}`]),
    ...(enabledBy === undefined ? [] : [`after job ${enabledBy.job} at position ${enabledBy.position}`]),
  ].join(' · ')
}

function detail({ aggregate, job, event }: EventLink): string {
  if (aggregate === 'instruction' && event.type === 'InstructionTaken') return (event as InstructionTaken).data.text
  if (aggregate !== 'group') return shortened(event.data)
  const { type, data } = event as GroupEvent
  switch (type) {
    case 'GroupOpened':
      return `${data.name} (${counted(data.jobs, 'job')}, ${data.order}, ${data.mode})`
    case 'JobsAdded':
      return data.jobs.map((spec: JobSpec) => `job ${job}: ${spec.site}/${spec.service} ${operationText(spec.operation)}`).join(', ')
    case 'JobsAssigned':
      return data.assignments.map(({ first, last, agent }: Assignment) => `${run([first, last])} to ${agent}`).join(', ')
    case 'LockGranted':
      return `${data.jobs.map(run).join(' ')} to ${data.agent} (${data.instance})`
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
    case 'CompensationBegun':
      return `job ${data.job} failed: job ${data.of.flat().at(0)} is undone`
    case 'GroupBlocked':
      return `at job ${data.job}`
    default:
      return shortened(data)
  }
}

function run([first, last]: Run): string {
  return first === last ? `job ${first}` : `jobs ${first}-${last}`
}

function shortened(data: unknown): string {
  const text = JSON.stringify(data) ?? ''
  return text === '{}' ? '' : text.length > 160 ? `${text.slice(0, 157)}…` : text
}
