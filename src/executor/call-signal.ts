/**
 * The signal of one call at a site, made when its adapter asks for it: a signal costs more than all the rest of a short call, and most
 * calls end before anybody could abort them.
 */
export class CallSignal {
  #controller: AbortController | undefined
  #aborted = false

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort()
    }
    return this.#controller.signal
  }

  abort(): void {
    this.#aborted = true
    this.#controller?.abort()
  }
}
