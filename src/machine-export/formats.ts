/** The forms in which a machine can be had. */
import type { RegisteredMachine } from '../../machines/registry.ts'
import { graphOf } from './graph.ts'
import { mermaidOf } from './mermaid.ts'
import { statelyJsonOf } from './stately-json.ts'
import { svgOf } from './svg.ts'

export const machineFormats = ['mermaid', 'svg', 'json'] as const
export type MachineFormat = (typeof machineFormats)[number]

export const fileExtension: Readonly<Record<MachineFormat, string>> = { mermaid: 'mmd', svg: 'svg', json: 'json' }

export async function exportMachine(registered: RegisteredMachine, format: MachineFormat): Promise<string> {
  switch (format) {
    case 'mermaid':
      return mermaidOf(graphOf(registered.machine))
    case 'svg':
      return svgOf(graphOf(registered.machine))
    case 'json':
      return statelyJsonOf(registered.machine)
  }
}
