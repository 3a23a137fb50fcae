/** What a leader cannot do for want of agents: said once for as long as it is the same. */
import type { Logger } from '../agent/context.ts'

export class Complaints {
  readonly #logger: Logger
  #missing = ''
  #unheld = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  unheld(unheld: boolean): void {
    if (unheld && !this.#unheld) this.#logger.warn({}, 'lanes have no holder: no agent that is here may hold lanes; allow one with "reeve agent configure"')
    this.#unheld = unheld
  }

  missing(skills: string): void {
    if (skills !== '' && skills !== this.#missing) this.#logger.warn({ skills }, 'jobs wait: no agent that is here has the skill, or the role, that they require')
    this.#missing = skills
  }
}
