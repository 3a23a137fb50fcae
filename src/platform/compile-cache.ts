/** Keeps what the runtime compiled, so that the next start is faster; `reeve up` starts many processes of the same code. */
import { enableCompileCache } from 'node:module'

export function keepCompiledCode(): void {
  enableCompileCache()
}
