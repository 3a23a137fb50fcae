/** `reeve agent configure`: what is planned for an agent; how planned and current configuration are shown. */
import type { Command } from 'commander'
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import { acting, actorOf, commandIdOf, commandOption, dryRun, json } from './command.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { print, printJson } from './output.ts'
import { withSession } from './session.ts'

type Change = ApiRequest<'agent', 'configure'>['change']
type Shown = ApiSuccess<'agent', 'show'>
type Configured = NonNullable<Shown['current']>

/** By the word that is given; an empty value takes what was planned back. Throws `CommandEnd`. */
const settings: Readonly<Record<string, (value: string) => Partial<Change>>> = {
  role: (value) => ({ role: oneOf('role', value, ['generic', 'skilled'] as const) }),
  region: (value) => ({ region: value === '' ? null : value }),
  'skills-on': (value) => ({ skillsOn: listOf(value) }),
  'skills-off': (value) => ({ skillsOff: listOf(value) }),
  'skilled-only': (value) => ({ skilledOnly: yesOrNo('skilled-only', value) }),
  capacity: (value) => ({ capacity: value === '' ? null : wholeNumberOf(value) }),
  'holds-lanes': (value) => ({ holdsLanes: yesOrNo('holds-lanes', value) }),
}

export function registerAgentConfigure(agent: Command): void {
  commandOption(dryRun(json(agent.command('configure'))))
    .summary('plan what one agent is to do')
    .description(
      `Plans what one agent is to do; the leader pushes it, also to an agent that is away, when it comes. Settings are NAME=VALUE: ${Object.keys(settings).join(', ')}. An empty VALUE takes back what was planned. Example: reeve agent configure a1 role=skilled skills-on=libvirt capacity=8`,
    )
    .argument('<agent>', 'id of the agent')
    .argument('<settings...>', 'NAME=VALUE')
    .action(
      acting(async (given, flags, [id, ...words]) => {
        const change = changeOf(words)
        await withSession(given, async ({ ask }) => {
          if (flags['dryRun']) {
            const { planned, byDefault, would = { planned } } = await ask('agent', 'show', { agent: id!, change })
            if (flags['json']) return printJson({ ok: true, dryRun: true, agent: id, planned, byDefault, change, would })
            return print(`would change what is planned for agent ${id}: ${words.join(' ')}; planned now: ${textOf(planned)}${warningsOf(would)}`)
          }
          const done = await ask('agent', 'configure', { agent: id!, change, actor: actorOf(), command: commandIdOf(flags) })
          if (flags['json']) return printJson(done)
          print(`agent ${id}: ${done.position === 0 ? 'planned so already' : 'planned'}: ${textOf(done.planned)}${warningsOf(done)}`)
        })
      }),
    )
}

function warningsOf({ withoutEffect = [], newRegion }: Pick<ApiSuccess<'agent', 'configure'>, 'withoutEffect' | 'newRegion'>): string {
  const but = withoutEffect.length === 0 ? '' : `; without effect, since its build has no such skill: ${withoutEffect.join(', ')}`
  const alone = newRegion === undefined ? '' : `; in region ${newRegion} there is no site, lane or other agent yet`
  return but + alone
}

function changeOf(words: readonly string[]): Change {
  const change: Change = {}
  const given = new Set<string>()
  for (const word of words) {
    const cut = word.indexOf('=')
    const name = word.slice(0, Math.max(0, cut))
    const setting = settings[name]
    if (setting === undefined) throw wrong(`${JSON.stringify(word)} is no setting of an agent: give NAME=VALUE, where NAME is one of ${Object.keys(settings).join(', ')}`)
    if (given.has(name)) throw wrong(`${name} is given more than once: give it once${name.startsWith('skills-') ? `, several skills as ${name}=A,B` : ''}`)
    given.add(name)
    Object.assign(change, setting(word.slice(cut + 1)))
  }
  return change
}

function wrong(line: string): CommandEnd {
  return new CommandEnd(exitCodes.usage, line)
}

function oneOf<const Value extends string>(name: string, value: string, allowed: readonly Value[]): Value | null {
  if (value === '') return null
  const found = allowed.find((one) => one === value)
  if (found === undefined) throw wrong(`${name}=${value}: use ${allowed.join(' or ')}, or nothing to take back what was planned`)
  return found
}

function yesOrNo(name: string, value: string): boolean | null {
  const said = oneOf(name, value, ['yes', 'no'])
  return said === null ? null : said === 'yes'
}

function listOf(value: string): string[] | null {
  const names = value.split(',').filter((name) => name !== '')
  return names.length === 0 ? null : names
}

function wholeNumberOf(value: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(value)) throw wrong(`capacity=${value}: use a whole number from 1 to 9999`)
  return Number(value)
}

/** Lines of `reeve agent show`. */
export function configurationFields({ started, planned, byDefault, current }: Shown): [string, string][] {
  return [
    ['started as', `${started.role}, region ${started.region}, skills ${started.skills.join(' ') || '-'}`],
    ['planned', textOf(planned)],
    ['by default', byDefault === null ? 'not known: its build is not on record' : signatureOf(byDefault)],
    ['current', current === null ? 'none was pushed' : `${signatureOf(current)}, pushed by build ${current.signature.leader}`],
    ...(current === null ? [] : ([['goes by', configurationOf(current)]] as [string, string][])),
  ]
}

function signatureOf({ signature }: Configured): string {
  return `${signature.digest.slice(0, 16)}, revision ${signature.revision}, build ${signature.build}`
}

function configurationOf({ configuration }: Configured): string {
  const { role, region, skills, skilledOnly, capacity, holdsLanes } = configuration
  const skilled = `skills ${skills.join(' ') || '-'}${skilledOnly ? ', takes only jobs that ask for them' : ''}`
  return [role, `region ${region}`, skilled, `capacity ${capacity} a lane`, holdsLanes ? 'may hold lanes' : 'holds no lanes'].join(', ')
}

/** In the words in which it is planned. */
function textOf(planned: Shown['planned']): string {
  const words = Object.entries(planned).map(([key, value]) => `${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}=${wordOf(value)}`)
  return words.join(' ') || 'nothing: as it was started and built'
}

function wordOf(value: string | number | boolean | readonly string[]): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'object' ? value.join(',') : String(value)
}
