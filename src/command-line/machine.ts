/** `reeve machine`: every machine of the realm, and what may follow what, as diagrams made of the definitions that run. */
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { registeredMachines } from '../../machines/registry.ts'
import { exportMachine, fileExtension, type MachineFormat, machineFormats } from '../machine-export/formats.ts'
import { makeFolder, replaceTextFile, systemErrorCode } from '../platform/folders.ts'
import { workingFolder, writeOut } from '../platform/terminal.ts'
import { acting } from './command.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { registerMachineList } from './machine-list.ts'
import { registerMachineWatch } from './machine-watch.ts'
import { print } from './output.ts'

export function registerMachine(program: Command): void {
  const machine = program.command('machine').description('the machines: where each stands, and what may follow what')

  registerMachineList(machine)
  registerMachineWatch(machine)

  machine
    .command('export')
    .summary('write machines as diagrams or as statechart JSON')
    .description("Writes machines as Mermaid, as SVG, or as the JSON that Stately's tools read, from the definitions that run. No server is needed.")
    .addOption(new Option('--machine <NAME>', 'only this one; default: all').choices(registeredMachines.map((one) => one.name)))
    .addOption(new Option('--format <FORMAT>', 'only this one; default: mermaid on standard output, all of them with --to').choices(machineFormats))
    .option('--to <DIR>', 'write files into this folder instead of standard output')
    .action(
      acting(async (_settings, flags) => {
        const chosen = registeredMachines.filter((one) => flags['machine'] === undefined || one.name === flags['machine'])
        const format = flags['format'] as MachineFormat | undefined
        if (flags['to'] === undefined) {
          if (chosen.length > 1 && (format === 'svg' || format === 'json')) {
            throw new CommandEnd(exitCodes.usage, `${format} files of ${chosen.length} machines do not fit into one output: name one with --machine, or a folder with --to`)
          }
          for (const one of chosen) writeOut(await exportMachine(one, format ?? 'mermaid'))
          return
        }
        const folder = resolve(workingFolder(), flags['to'] as string)
        try {
          await makeFolder(folder)
          for (const one of chosen) {
            for (const wanted of format === undefined ? machineFormats : [format]) {
              const file = join(folder, `${one.name}.${fileExtension[wanted]}`)
              await replaceTextFile(file, await exportMachine(one, wanted))
              print(file)
            }
          }
        } catch (error) {
          const code = systemErrorCode(error)
          if (code === undefined) throw error
          throw new CommandEnd(exitCodes.failed, `cannot write into ${folder} (${code}): name another folder`)
        }
      }),
    )
}
