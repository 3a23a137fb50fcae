/** One step of a history as it stands on a terminal: the event, and the state before → after it. Pure but for colours. */
import stringWidth from 'string-width'
import { counted } from '../../machines/counted.ts'
import type { Run } from '../../machines/execution-group/events.ts'
import { countOf } from '../../machines/execution-group/state.ts'
import { timeText } from '../platform/time-text.ts'
import type { AgentShown } from '../replay/agent-history.ts'
import type { GroupShown } from '../replay/group-history.ts'
import type { Step } from '../replay/walk.ts'
import { eventText } from './event-text.ts'
import { plain, styled } from './output.ts'

type Field = readonly [name: string, value: string]

/** How the states of one kind of history are shown. */
export interface Shows<Shown> {
  readonly title: (after: Shown) => string
  readonly fields: (shown: Shown) => readonly Field[]
  /** One line below the fields; undefined for none. */
  readonly picture?: (after: Shown, columns: number) => string
}

/** Lines no wider than `columns`. */
export function panelOf<Shown>(step: Step<Shown>, n: number, last: number, shows: Shows<Shown>, columns: number): readonly string[] {
  const cut = (text: string) => cutTo(plain(text), columns)
  const count = `step ${n} of ${last}`
  const title = cutTo(plain(shows.title(step.after)), Math.max(0, columns - count.length - 2))
  const { position, number, aggregate, id, revision, timeMs, actor, command, epoch, cause, event } = step
  const by = [
    `by ${actor}`,
    ...(epoch === undefined ? [] : [`leader of epoch ${epoch}`]),
    ...(command === undefined ? [] : [`command ${command}`]),
    ...(cause === undefined ? [] : [`caused by ${cause.aggregate} ${cause.id} r${cause.revision}`]),
  ]
  const before = new Map(shows.fields(step.before))
  const fields = shows.fields(step.after)
  const width = Math.max(...fields.map(([name]) => name.length))
  return [
    `${styled('bold', title)}${' '.repeat(Math.max(1, columns - stringWidth(title) - count.length))}${styled('dim', cut(count))}`,
    styled('dim', cut(`position ${position} · turn ${number} · ${timeText(timeMs)} · ${aggregate} ${id} r${revision}`)),
    styled('dim', cut(by.join(' · '))),
    '',
    styled('cyan', cut(event.type)),
    ...textLines(eventText(aggregate, event), columns).map((line) => styled('dim', cut(line))),
    '',
    ...fields.map(([name, value]) => {
      const old = before.get(name) ?? value
      const label = `${name.padEnd(width)}  `
      if (old === value) return `${styled('dim', cut(label))}${cutTo(plain(value), columns - label.length)}`
      const from = cutTo(plain(`${old} → `), columns - label.length)
      return `${styled('dim', cut(label))}${styled('dim', from)}${styled('green', cutTo(plain(value), columns - label.length - stringWidth(from)))}`
    }),
    ...(shows.picture === undefined ? [] : ['', cutTo(shows.picture(step.after, columns), columns)]),
    '',
    styled('dim', cut('→ n next · ← p back · PgUp PgDn by ten · g G first, last · q end · ? keys')),
  ]
}

/** Every key, for `?`. */
export function keysOf(columns: number): readonly string[] {
  const keys = [
    ['→ ↓ n Space', 'the next event'],
    ['← ↑ p', 'the one before'],
    ['PgDn PgUp', 'ten on, ten back'],
    ['g Home', 'the first'],
    ['G End', 'the last'],
    ['q Esc Ctrl-C', 'end'],
    ['?', 'these keys; any other leads back'],
  ] as const
  return keys.map(([key, does]) => cutTo(`${key.padEnd(14)}${does}`, columns))
}

const textLineCount = 3

function textLines(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  let rest = plain(text)
  while (rest !== '' && lines.length < textLineCount) {
    const line = cutTo(rest, columns, lines.length === textLineCount - 1 ? '…' : '')
    if (line === '') break
    lines.push(line)
    rest = rest.slice(line.length)
  }
  return lines
}

/** At most `columns` wide; `mark` at its end where something was cut off. */
export function cutTo(text: string, columns: number, mark = '…'): string {
  if (columns <= 0) return ''
  if (stringWidth(text) <= columns) return text
  let kept = ''
  let width = stringWidth(mark)
  for (const character of text) {
    width += stringWidth(character)
    if (width > columns) break
    kept += character
  }
  return kept + mark
}

export const groupShows: Shows<GroupShown> = {
  title: ({ name }) => `group ${name}`,
  fields: ({ phase, revision, position, jobs, executed, executing, pending, cancelled, failed, unknown, notKnown, lock, locks, fault }) => [
    ['state', phase],
    ['revision', String(revision)],
    ['settled', `${position} of ${jobs}`],
    ['executed', runs(executed)],
    ['executing', runs(executing)],
    ['pending', runs(pending)],
    ['cancelled', runs(cancelled)],
    ['failed', failed.join(' ') || '-'],
    ['not known', (notKnown ?? (unknown === null ? [] : [unknown])).join(' ') || '-'],
    ['lock', lock === null ? locksText(locks) : `${lock.grant} of ${lock.agent} (${lock.instance})`],
    ['fault', fault === null ? '-' : `${fault.type} at revision ${fault.revision} (${fault.event})`],
  ],
  picture: queuePicture,
}

export const agentShows: Shows<AgentShown> = {
  title: ({ agent, role }) => `agent ${agent}, ${role}`,
  fields: ({ phase, instance, build, leading, lanes, holding, assigned, succeeded, failed, unknown }) => [
    ['state', phase],
    ['instance', instance || '-'],
    ['build', build || '-'],
    ['leads', leading === null ? '-' : `epoch ${leading}`],
    ['lanes', lanes.join(' ') || '-'],
    ['holding', holding.map(({ group, grant, left }) => `${group} lock ${grant}${left === 1 ? '' : ` (${counted(left, 'job')} left)`}`).join(', ') || '-'],
    ['assigned', String(assigned)],
    ['succeeded', String(succeeded)],
    ['failed', String(failed)],
    ['not known', String(unknown)],
  ],
}

/** The queue, a mark a job; where it is too long for that, how many stand in each state. */
export function queuePicture({ executed, executing, pending, cancelled, failed, unknown, notKnown, locks, position, jobs, phase }: GroupShown, columns: number): string {
  const others = countOf(executed) + countOf(executing) + countOf(pending) + countOf(cancelled) + (notKnown?.length ?? 0)
  // Without order several may have failed and be neither retried nor cancelled.
  const stopped = locks !== undefined ? jobs - others : phase === 'blocked' && unknown === null && failed.length > 0 ? 1 : 0
  const parts: readonly (readonly [mark: string, count: number])[] = [
    ['✔', countOf(executed)],
    ['?', notKnown?.length ?? (unknown === null ? 0 : 1)],
    ['✖', stopped],
    ['▸', countOf(executing)],
    ['·', countOf(pending)],
    ['–', countOf(cancelled)],
  ]
  const label = 'queue  '
  const all = parts.reduce((sum, [, count]) => sum + count, 0)
  if (all === 0) return `${label}${position === 0 && jobs > 0 ? 'not complete yet' : 'empty'}`
  if (all <= columns - label.length) return label + parts.map(([mark, count]) => mark.repeat(count)).join('')
  return label + parts.filter(([, count]) => count > 0).map(([mark, count]) => `${mark}×${count}`).join(' ')
}

function locksText(locks: GroupShown['locks'] = []): string {
  const [first] = locks
  if (first === undefined) return '-'
  return locks.length === 1 ? `${first.grant} of ${first.agent} (${first.instance})` : `${locks.length}, the first ${first.grant} of ${first.agent} (${first.instance})`
}

function runs(all: readonly Run[]): string {
  return all.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(' ') || '-'
}
