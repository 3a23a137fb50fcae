/** Attempts since the faults stopped: what is not answered by then is given up for good, the world is broken. */
const attempts = 400

/** One round for each attempt; as long as there are faults, without end. */
export function* patience(isCalm: () => boolean): Generator<void> {
  for (let made = 0; made < attempts; made += isCalm() ? 1 : 0) yield
}
