/** Which of several coordinators an agent connects to [508]: the nearest first, the next where that is away or full. Pure. */

export interface ServerPlace {
  readonly url: string
  /** Null where nobody said. */
  readonly region: string | null
}

/** Those of one's own region first, then the others, each in the order in which they were named. */
export function byNearness(region: string, servers: readonly ServerPlace[]): readonly ServerPlace[] {
  return [...servers.filter((server) => server.region === region), ...servers.filter((server) => server.region !== region)]
}

/**
 * The nearest that was not tried since the last connection; when all were, the nearest again. `ordered`: nearest first.
 * Undefined where there is none at all.
 */
export function nextToTry<Server>(ordered: readonly Server[], tried: ReadonlySet<Server>): Server | undefined {
  return ordered.find((server) => !tried.has(server)) ?? ordered[0]
}
