/** Keeps what the runtime compiled, so that the next start is faster; `reeve up` starts many processes of the same code. */
import { statSync } from 'node:fs'
import { enableCompileCache, flushCompileCache, getCompileCacheDir } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { isMeasuredRuntime } from './measured-runtime.ts'

export function keepCompiledCode(): void {
  enableCompileCache()
}

/** Writes now what was compiled in this process and is new; the runtime would do it at the end. Whether anything was. */
export function writeCompiledCode(): boolean {
  const folder = getCompileCacheDir()
  if (folder === undefined) return false
  const changedMs = () => statSync(folder, { throwIfNoEntry: false })?.mtimeMs
  const beforeMs = changedMs()
  flushCompileCache()
  return changedMs() !== beforeMs
}

let optimizesSooner = false

/**
 * For a process that runs for long and whose work comes in small pieces, from now on. By the compiler's own counts what an agent does once a turn is
 * optimized only after hundreds of turns, during which each job costs up to twice as much.
 */
export function optimizeSooner(): void {
  if (optimizesSooner || !isMeasuredRuntime()) return
  optimizesSooner = true
  setFlagsFromString('--invocation-count-for-feedback-allocation=2')
  setFlagsFromString('--minimum-invocations-after-ic-update=40')
  setFlagsFromString('--invocation-count-for-maglev=40')
  setFlagsFromString('--invocation-count-for-turbofan=2000')
}
