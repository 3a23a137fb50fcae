/** What a graceful stop does, in order: nothing is left behind that others would have to find lost. */
import { pause } from '../../streams/ports/clock.ts'
import type { Parts } from './parts.ts'

/** How long the log may take to record a graceful end before the agent ends without the record. */
const farewellMs = 3_000

/**
 * How long after the beginning of its end an agent holds lanes on in which others have grants, milliseconds. Who ends beside it (Ctrl-C
 * of all, a machine that goes down) has outcomes to say in them, and nobody may be left who takes a lane that was released; where
 * somebody is, the leader maps the lane to him, and he asks for it. Below what `reeve up` gives each agent (src/up/up.ts).
 */
const holdOnMs = 900

/** [536]: leads no longer, finishes or hands back its jobs, and releases its lanes; or gives that up after the time of a call. */
export async function handBack(parts: Parts, signal: AbortSignal): Promise<void> {
  const { presence, election, leading, executing, lanes, context } = parts
  const { clock } = context
  const holdOnUntilMs = clock.monotonicMs() + holdOnMs
  presence.announceStopping()
  await election?.resign()
  leading?.leader.stop()
  // A call has its deadline; beyond that it is a coordinator that does not answer, and others find what this agent held.
  const enoughMs = context.constants.siteCallDeadlineMs + farewellMs
  const handingBack = async () => {
    await executing.drain()
    await lanes.release(holdOnUntilMs - clock.monotonicMs())
  }
  await Promise.race([handingBack(), pause(clock, enoughMs, signal)])
}

/** [542]: the end is recorded, then the presence is given up; without the record where the log does not take it in time. */
export async function sayFarewell({ presence, context }: Parts, record: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  const saying = async () => {
    await record()
    await presence.leave()
  }
  await Promise.race([saying(), pause(context.clock, farewellMs, signal)])
}
