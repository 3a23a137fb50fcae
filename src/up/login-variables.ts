/** How the programs that `reeve up` starts learn whom they log in as. */
import type { Settings } from '../command-line/configuration.ts'
import type { Environment } from '../platform/process.ts'

/** A login is never a flag: everybody on the machine can read those (I10). */
export function loginVariables({ login }: Settings): Environment {
  return {
    ...(login.user === undefined ? {} : { REEVE_USER: login.user }),
    ...(login.pass === undefined ? {} : { REEVE_PASSWORD: login.pass }),
    ...(login.token === undefined ? {} : { REEVE_TOKEN: login.token }),
  }
}
