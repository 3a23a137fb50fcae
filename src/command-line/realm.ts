/** `reeve realm`: what holds for all; quarantine. */
import type { Command } from 'commander'
import { counted } from '../../machines/counted.ts'
import { reasonNote, reasonText } from '../realm/quarantine.ts'
import { acting, actorOf, commandIdOf, commandOption, dryRun, json } from './command.ts'
import { textHere } from './here.ts'
import { hint, print, printFields, printJson } from './output.ts'
import { withSession } from './session.ts'

const unsaid = 'asked by a person'

export function registerRealm(program: Command): void {
  const realm = program.command('realm').description('the realm: what holds for all; quarantine')

  json(realm.command('show'))
    .summary('show identity, format, leader and quarantine')
    .description('Shows the realm: identity, format, leader, constants, and whether it is in quarantine.')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('realm', 'show', {})
          if (flags['json']) return printJson(shown)
          printFields([
            ['realm', `${shown.name} (${shown.realm})`],
            ['format', String(shown.format)],
            ['incarnation', String(shown.incarnation)],
            ['position', String(shown.position)],
            ['leader', shown.leader === null ? '-' : `${shown.leader.agent}, epoch ${shown.leader.epoch}`],
            ['quarantine', shown.quarantine === null ? 'none' : textHere(reasonText(shown.quarantine.why))],
            ['durability', shown.durability.level],
            ['groups', `${shown.groups.unfinished} unfinished of ${shown.groups.total}`],
          ])
        }),
      ),
    )

  commandOption(dryRun(json(realm.command('quarantine'))))
    .summary('execute nothing until released')
    .description('Begins a quarantine: the realm leads, assigns and accepts changes, but grants no lock and calls no site until "reeve realm release". Calls that run are finished.')
    .argument('[why]', 'one line for everybody who asks why', unsaid)
    .action(
      acting(async (settings, flags, [why]) =>
        withSession(settings, async ({ ask }) => {
          if (flags['dryRun']) {
            const shown = await ask('realm', 'show', {})
            return planned(flags, shown, shown.quarantine === null ? `would begin a quarantine (${why})` : 'would do nothing')
          }
          const done = await ask('realm', 'quarantine', { why: why!, actor: actorOf(), command: commandIdOf(flags) })
          if (flags['json']) return printJson(done)
          hint(done.changed ? `the realm is in quarantine: nothing is executed until "reeve realm release"` : `the realm is in quarantine already (${done.quarantine?.why ?? ''})${why === unsaid ? '' : reasonNote(done.quarantine?.why ?? '', why!)}`)
        }),
      ),
    )

  commandOption(dryRun(json(realm.command('release'))))
    .summary('end the quarantine')
    .description('Ends the quarantine: what waits is executed.')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          if (flags['dryRun']) {
            const shown = await ask('realm', 'show', {})
            return planned(flags, shown, shown.quarantine === null ? 'would do nothing' : 'would end the quarantine; what waits is executed')
          }
          const done = await ask('realm', 'release', { actor: actorOf(), command: commandIdOf(flags) })
          if (flags['json']) return printJson(done)
          print(done.changed ? 'the quarantine has ended; what waits is executed' : 'the realm is not in quarantine')
        }),
      ),
    )
}

function planned(flags: Readonly<Record<string, unknown>>, shown: { readonly quarantine: { readonly why: string } | null; readonly groups: { readonly unfinished: number } }, text: string): void {
  if (flags['json']) return printJson({ ok: true, dryRun: true, quarantine: shown.quarantine, unfinished: shown.groups.unfinished })
  print(`${text}; now: ${shown.quarantine === null ? 'no quarantine' : `in quarantine (${shown.quarantine.why})`}, ${counted(shown.groups.unfinished, 'unfinished group')}`)
}
