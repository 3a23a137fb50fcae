/** Versions of nats-server. */
import type { Clock } from '../../streams/ports/clock.ts'
import { CannotStart, runCommand } from '../platform/process.ts'

export interface NatsServerVersion {
  readonly major: number
  readonly minor: number
  readonly patch: number
}

/** The oldest that keeps what Reeve stands on: message schedules and conditional per-key time to live (DESIGN §5). */
export const oldestVersion: NatsServerVersion = { major: 2, minor: 14, patch: 0 }

export function versionText(version: NatsServerVersion): string {
  return `${version.major}.${version.minor}.${version.patch}`
}

/** How people write the oldest version: without a patch number of 0. */
export const oldestVersionText = `${oldestVersion.major}.${oldestVersion.minor}`

/** From `nats-server: v2.15.1`, `2.15.1-RC.2` or a Debian version `2.15.1-1`; undefined for anything else. */
export function parseVersion(text: string): NatsServerVersion | undefined {
  const found = /(?:^|[\sv:])(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?![\d.])/.exec(text)
  return found === null ? undefined : { major: Number(found[1]), minor: Number(found[2]), patch: Number(found[3]) }
}

/** Negative, zero, positive, as in a sort. */
export function compareVersions(left: NatsServerVersion, right: NatsServerVersion): number {
  return left.major - right.major || left.minor - right.minor || left.patch - right.patch
}

export function isNewEnough(version: NatsServerVersion): boolean {
  return compareVersions(version, oldestVersion) >= 0
}

/** What the program says of itself within 5 s; undefined when it cannot be run or is no nats-server. */
export async function askVersion(program: string, clock: Clock): Promise<NatsServerVersion | undefined> {
  try {
    const result = await runCommand(program, ['--version'], { clock, deadlineMs: 5_000 })
    return result.exit.code === 0 && /nats-server/.test(result.stdout) ? parseVersion(result.stdout) : undefined
  } catch (error) {
    if (error instanceof CannotStart) return undefined
    throw error
  }
}
