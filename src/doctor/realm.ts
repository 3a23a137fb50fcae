/** What the realm says of itself through its service interface: leader, lanes, agents, sites. */
import { counted } from '../../machines/counted.ts'
import type { ExclusiveState } from '../../machines/execution-group/exclusive-state.ts'
import { formatVersion } from '../../machines/realm/realm.ts'
import type { SilentGrant } from '../../streams/api/group.ts'
import type { Session } from '../command-line/session.ts'
import { type Finding, note, ok, problem } from './finding.ts'
import { silentText, withinText } from './silent-text.ts'
import { stoppedPhases, stoppedText } from './stopped-text.ts'

type Ask = Session['ask']

export async function checkRealm(ask: Ask): Promise<readonly Finding[]> {
  const realm = await ask('realm', 'show', {})
  const { agents } = await ask('agent', 'list', { limit: 1000 })
  const { lanes } = await ask('lane', 'list', {})
  return [
    ok('service', `service interface ${realm.service.id} answers; the log is at position ${realm.position}`),
    ...quarantine(realm.quarantine),
    ...format(realm.format, agents),
    leader(realm.leader, agents),
    ...agentFindings(agents),
    laneFinding(lanes, agents),
    ...waitingGroups(realm.groups.waiting),
    ...standingGroups(realm.groups.silent),
    ...(await stoppedGroups(ask)),
    ...(await siteFindings(ask)),
  ]
}

function quarantine(begun: { readonly why: string } | null): readonly Finding[] {
  return begun === null ? [] : [problem('quarantine', `the realm is in quarantine (${begun.why}): nothing is executed`, 'end it with "reeve realm release" once all is well')]
}

/** Who keeps the realm at an older format than this build knows. */
function format(now: number, agents: Agents): readonly Finding[] {
  if (now >= formatVersion) return [ok('format', `the realm has format ${now}`)]
  const behind = agents.filter(({ formats }) => formats !== null && formats < formatVersion).map(({ agent }) => agent)
  const why = behind.length === 0 ? 'services are not listed here; it rises within seconds once all know it' : `it stays there while ${behind.join(', ')} know no newer one`
  return [note('format', `the realm has format ${now}, this build knows ${formatVersion}: ${why}`, 'upgrade every agent and service; then what needs the newer format can be used')]
}

type Agents = readonly { readonly agent: string; readonly formats: number | null; readonly role: string; readonly present: boolean; readonly phase: string }[]

function leader(named: { readonly agent: string } | null, agents: Agents): Finding {
  if (!agents.some((agent) => agent.present && agent.role === 'generic')) {
    return problem('leader', 'no generic agent is alive: nobody can lead', 'start one with "reeve agent"')
  }
  if (named === null) return problem('leader', 'no leader was ever elected', 'look at the logs of the generic agents')
  return agents.some((agent) => agent.agent === named.agent && agent.present)
    ? ok('leader', `agent ${named.agent} leads`)
    : problem('leader', `agent ${named.agent}, which led last, is not alive and nobody has followed`, 'wait some seconds; then look at the logs of the generic agents')
}

function agentFindings(agents: Agents): readonly Finding[] {
  const silent = agents.filter((agent) => !agent.present && agent.phase === 'started')
  const alive = agents.filter((agent) => agent.present).length
  return [
    alive > 0 ? ok('agents', `${counted(alive, 'agent')} ${alive === 1 ? 'is' : 'are'} alive`) : problem('agents', 'no agent is alive: no job runs', 'start one with "reeve agent"'),
    ...silent.map((agent) => note('agents', `agent ${agent.agent} is silent; the leader declares it lost when its time is over`)),
  ]
}

function laneFinding(lanes: readonly { readonly lane: string; readonly holder: { readonly agent: string } | null }[], agents: Agents): Finding {
  const gone = new Set(agents.flatMap(({ agent, phase }) => (phase === 'started' ? [] : [agent])))
  const free = lanes.filter(({ holder }) => holder === null || gone.has(holder.agent)).map((lane) => lane.lane)
  if (lanes.length === 0) return problem('lanes', 'the realm has no lanes', 'start "reeve serve" or an agent, which founds them')
  if (free.length === 0) return ok('lanes', `${counted(lanes.length, 'lane')}, each with a holder`)
  return problem('lanes', `lanes without a holder: ${free.join(', ')}`, 'the leader gives them to agents within seconds; start an agent in that region where there is none')
}

/** What only a person can end: nobody who is here takes their jobs. */
function waitingGroups(waiting: { readonly count: number; readonly first: readonly string[]; readonly missing: readonly string[] } | undefined): readonly Finding[] {
  if (waiting === undefined) return []
  const { count, first, missing } = waiting
  const named = `${first.slice(0, 3).join(', ')}${count > 3 ? ', …' : ''}`
  const skill = missing.find((one) => one !== 'no skill' && !one.startsWith('role '))
  const how = skill === undefined ? 'reeve agent' : `reeve agent --role skilled --skill ${skill}`
  return [problem('groups', `${counted(count, 'group')} (${named}) ${count === 1 ? 'waits' : 'wait'} for what no agent takes: ${missing.join(', ')}`, `start an agent that does ("${how}"); "reeve group show ${first[0]}" says more`)]
}

/** They go on by themselves, once the waits of I9 are over. */
export function standingGroups(silent: { readonly count: number; readonly first: readonly (SilentGrant & { readonly group: string })[]; readonly withinMs: number } | undefined): readonly Finding[] {
  if (silent === undefined) return []
  const { count, first, withinMs } = silent
  const [one] = first
  const todo = `nothing, if that is as said; "reeve group show ${one!.group}" says more`
  if (count === 1) return [note('groups', `group ${one!.group}: ${silentText(one!)}`, todo)]
  const agents = [...new Set(first.map(({ agent }) => agent))].sort().join(', ')
  const named = `${first.slice(0, 3).map(({ group, job }) => `${group} at job ${job}`).join(', ')}${count > 3 ? ', …' : ''}`
  return [note('groups', `${counted(count, 'group')} (${named}) stand still, since who executes does not answer: ${agents}; ${withinText(withinMs)} all of them go on (later where the leader changes)`, todo)]
}

const stoppedShown = 3

/** What only a person can end: each of the latest with why, and how many more there are. */
export async function stoppedGroups(ask: Ask): Promise<readonly Finding[]> {
  const { groups, next } = await ask('group', 'list', { phase: [...stoppedPhases], limit: 1000 })
  const findings: Finding[] = []
  for (const { group } of groups.slice(0, stoppedShown)) {
    const { state } = await ask('group', 'show', { group })
    const stopped = stoppedText(state as ExclusiveState)
    if (stopped !== undefined) findings.push(problem('groups', stopped.text, stopped.todo))
  }
  const more = groups.length - stoppedShown
  if (more > 0) findings.push(problem('groups', `${counted(more, 'more group')} ${next === null ? (more === 1 ? 'is' : 'are') : 'and others are'} blocked or faulted`, `"reeve group list --phase ${stoppedPhases.join(' ')}" lists them`))
  return findings
}

async function siteFindings(ask: Ask): Promise<readonly Finding[]> {
  const { sites } = await ask('site', 'list', { limit: 1000 })
  if (sites.length === 0) return [note('sites', 'no site is managed yet', 'add one with "reeve site add"')]
  const findings: Finding[] = []
  for (const { site } of sites) {
    const shown = await ask('site', 'show', { site })
    findings.push(
      shown.reachable
        ? ok('sites', `site ${site} (${shown.kind}) answers, ${counted(shown.services ?? 0, 'service')}`)
        : problem('sites', `site ${site} (${shown.kind}, ${shown.address}) does not answer: ${shown.reason ?? 'no reason'}`, 'check that it runs and that this address reaches it'),
    )
  }
  return findings
}
