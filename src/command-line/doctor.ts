/** `reeve doctor`: checks what there is and says what to do. */
import { type Command } from 'commander'
import { ApiFailure } from '../../streams/api/errors.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import { NatsBus } from '../../streams/jetstream/bus.ts'
import type { Durability } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { defaultConstants } from '../../machines/realm/realm.ts'
import { type Finding, note, problem } from '../doctor/finding.ts'
import { checkDataFolder, checkNatsServer, checkNode } from '../doctor/machine.ts'
import { checkRealm } from '../doctor/realm.ts'
import { checkClock, checkDurability, checkJetStream, checkServerVersion, checkStores, checkStreams } from '../doctor/server.ts'
import { systemClock } from '../platform/clock.ts'
import { setExitCode } from '../platform/process.ts'
import { acting, json, settingOption } from './command.ts'
import type { Settings } from './configuration.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { hint, plain, print, printJson, showStatus, styled } from './output.ts'
import { apiOf, placeOf } from './session.ts'

export function registerDoctor(program: Command): void {
  json(program.command('doctor'))
    .summary('check everything, and say what to do')
    .description('Checks this machine, the server, streams, durability, clocks, agents, groups and sites, and says what to do. Exit code 1 when something is wrong or waits for a person, as a group does that is blocked or faulted, and a realm in quarantine; 0 also where nothing runs here and no server is named, which it says: then only this machine was looked at.')
    .addOption(settingOption('nats-server'))
    .addOption(settingOption('monitoring-url'))
    .action(
      acting(async (settings, flags) => {
        showStatus('looking …')
        const { findings, reached } = await examine(settings)
        const problems = findings.filter((finding) => finding.level === 'problem').length
        if (flags['json']) printJson({ ok: problems === 0, problems, reached, findings })
        else {
          for (const finding of findings) printFinding(finding)
          print()
          print(problems === 0 ? styled('green', reached === 'realm' ? 'nothing is wrong' : `nothing is wrong on this machine; ${unseen}`) : styled('red', `${problems} ${problems === 1 ? 'thing has' : 'things have'} to be done${reached === 'realm' ? '' : '; no realm was looked at'}`))
        }
        if (problems > 0) setExitCode(exitCodes.failed)
      }),
    )
}

/** How far it came: no server answered, or none is known; a server, but no service interface of the realm; the realm. */
type Reached = 'nothing' | 'server' | 'realm'

const unseen = 'nothing runs here and no server is named, so no realm was looked at'

async function examine(settings: Settings): Promise<{ readonly findings: readonly Finding[]; readonly reached: Reached }> {
  const here = [checkNode(), await checkNatsServer(systemClock, settings.natsServer), await checkDataFolder(settings.data)]
  let place: Awaited<ReturnType<typeof placeOf>>
  try {
    place = await placeOf(settings)
  } catch (error) {
    if (!(error instanceof CommandEnd)) throw error
    return { findings: [...here, note('server', error.message)], reached: 'nothing' }
  }
  const subjects = subjectsOf(place.realm)
  const servers = place.servers.map(({ url }) => url)
  let link: Awaited<ReturnType<typeof openLink>>
  try {
    link = await openLink({ servers, name: 'reeve doctor', clock: systemClock, connectTimeoutMs: 3_000, ...settings.login })
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    return { findings: [...here, problem('server', `no nats-server answers at ${servers.join(', ')} (named by ${place.source})`, servers.length === 1 ? 'check the URL and that it runs' : 'check the URLs and that they run')], reached: 'nothing' }
  }
  try {
    let reached: Reached = 'server'
    const findings: Finding[] = [...here, checkServerVersion(link), await checkJetStream(link), ...(await checkStores(place.monitoringUrl))]
    try {
      findings.push(...(await checkStreams(link, subjects)))
      let said: Durability | undefined
      let skewMs: number = defaultConstants.clockSkewMs
      const ask = await apiOf(new NatsBus(link), subjects)
      let realm: readonly Finding[]
      try {
        const shown = await ask('realm', 'show', {})
        said = shown.durability.level === 'synced' ? { level: 'synced' } : { level: shown.durability.level, why: shown.durability.why ?? 'it does not say why' }
        skewMs = shown.constants.clockSkewMs
        realm = await checkRealm(ask)
        reached = 'realm'
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error
        realm = [problem('service', `no service interface answers: ${error.message}`, 'start one with "reeve serve"')]
      }
      findings.push(await checkDurability(link, place.monitoringUrl, said), await checkClock(link, systemClock, subjects, skewMs), ...realm)
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      findings.push(problem('server', error.message, 'look at the log of the nats-server'))
    }
    return { findings, reached }
  } finally {
    await link.close()
  }
}

function printFinding(finding: Finding): void {
  const mark = { ok: styled('green', '✔'), note: styled('yellow', '•'), problem: styled('red', '✖') }[finding.level]
  hint(`${mark} ${plain(finding.text)}`)
  if (finding.todo !== undefined && finding.level !== 'ok') hint(`    ${styled('dim', plain(finding.todo))}`)
}
