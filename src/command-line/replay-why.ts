/** `reeve replay --why`: the chain of causes of one job, a line a link. */
import { systemClock } from '../platform/clock.ts'
import { shortTimeText } from '../platform/time-text.ts'
import type { EventLink, Why } from '../replay/why.ts'
import { eventText } from './event-text.ts'
import { operationText } from './operation-text.ts'
import { hint, plain, print, styled } from './output.ts'

export function printWhy({ group, job, chain, undoes, retriedAs, links, missing }: Why): void {
  print(styled('bold', `job ${job} of group ${group}`))
  if (chain.length > 1) print(`it stands in the place of job ${chain.slice(0, -1).join(', then ')}`)
  if (undoes !== null) print(`${chain.length > 1 ? `job ${chain[0]}` : 'it'} undoes job ${undoes}`)
  for (const cause of missing) print(styled('yellow', `${cause.aggregate} ${plain(cause.id)} r${cause.revision}, which led to it, is not in this file`))
  const nowMs = systemClock.nowMs()
  const times = links.map((link) => (link.kind === 'event' ? shortTimeText(link.timeMs, nowMs) : ''))
  const width = Math.max(...times.map((time) => time.length))
  for (const [index, link] of links.entries()) {
    if (link.kind === 'call') {
      const { site, service, operation, token, idempotencyKey, endedBy } = link
      print(`${' '.repeat(width + 10)}${styled('cyan', 'site write')}  ${plain(site)}/${plain(service)}  ${plain(operationText(operation))}${ending[endedBy ?? ''] ?? ''}`)
      print(styled('dim', `${' '.repeat(width + 12)}token ${token.scope} ${token.incarnation}/${token.revision}, key ${idempotencyKey}`))
      continue
    }
    print(`${String(link.position).padStart(6)}  ${styled('dim', times[index]!.padEnd(width))}  ${styled('bold', plain(link.event.type))}  ${plain(eventText(link.aggregate, link.event, link.job))}`)
    print(styled('dim', `${' '.repeat(width + 12)}${plain(origin(link))}`))
  }
  if (retriedAs !== null) hint(`job ${retriedAs} has taken its place since: "reeve replay --group ${group} --why ${retriedAs}"`)
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
