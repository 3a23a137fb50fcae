/**
 * Asking the holder of a lane, whoever it is (P5): the subject is heard by everyone who believes to hold the lane, so "not the
 * holder" is passed over and the wait goes on. No answer says nothing about what happened: the asker repeats, with the
 * same command id where it has one (P15).
 */
import { toText } from '../../streams/coordination.ts'
import { readAnswer, readWorkAnswer } from '../../streams/lane-messages.ts'
import type { LaneCommand, LaneCommandAnswer, SentWorkRequest, WorkAnswer } from '../../streams/lane-protocol.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Subjects } from '../../streams/subjects.ts'

export interface NoAnswer {
  readonly kind: 'no-answer'
  /** no-holder: nobody hears the lane's subject, so nothing was received; timeout: it may have been; offline: nothing was sent. */
  readonly why: 'no-holder' | 'timeout' | 'offline'
}

export interface LaneClient {
  /** One attempt; waits up to `timeoutMs` (default 5,000). */
  send(lane: string, command: LaneCommand, timeoutMs?: number): Promise<LaneCommandAnswer | NoAnswer>
  work(lane: string, request: SentWorkRequest, timeoutMs?: number): Promise<WorkAnswer | NoAnswer>
}

const answerWaitMs = 5_000

export function laneClient(deps: { readonly bus: Bus; readonly subjects: Subjects }): LaneClient {
  const ask = async <A extends { readonly kind: string }>(subject: string, message: unknown, timeoutMs: number, read: (bytes: Uint8Array) => A): Promise<A | NoAnswer> => {
    let heard: A | undefined
    const asked = await deps.bus.ask(subject, toText(message), {
      timeoutMs,
      accept: (data) => {
        heard = read(data)
        return heard.kind !== 'not-the-holder'
      },
    })
    switch (asked.kind) {
      case 'answer':
        return heard ?? read(asked.data)
      case 'no-responders':
        return { kind: 'no-answer', why: 'no-holder' }
      case 'offline':
        return { kind: 'no-answer', why: 'offline' }
      case 'timeout':
        return { kind: 'no-answer', why: heard === undefined ? 'timeout' : 'no-holder' }
    }
  }
  return {
    send: (lane, command, timeoutMs = answerWaitMs) => ask(deps.subjects.toLane(lane, 'command'), command, timeoutMs, readAnswer as (bytes: Uint8Array) => LaneCommandAnswer),
    work: (lane, request, timeoutMs = answerWaitMs) => ask(deps.subjects.toLane(lane, 'work'), request, timeoutMs, readWorkAnswer),
  }
}
