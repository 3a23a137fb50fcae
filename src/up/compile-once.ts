import { writeCompiledCode } from '../platform/compile-cache.ts'

/**
 * What the programs of `reeve up` run is compiled here, before they start, where it never ran before: once, not by each of them. They would
 * also write it at their ends, all at the same time, which takes longer than they have for that.
 */
export async function compileOnce(): Promise<void> {
  if (!writeCompiledCode()) return
  await Promise.all([import('./agent-process.ts'), import('./service-process.ts'), import('../sites/simulated/program.ts')])
  writeCompiledCode()
}
