/** Quarantine, begun and ended (after an incident or a restore): the realm leads, but executes nothing. */
import type { Decision } from '../../machines/decision.ts'
import { happened } from '../../machines/decision.ts'
import { cutText, textLimitBytes } from '../../machines/execution-group/limits.ts'
import { beginQuarantine, endQuarantine, raiseFormat } from '../../machines/realm/decide.ts'
import { type RealmEvent, type RealmState, allowsFormat, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { withoutLogin } from '../../streams/login-in-text.ts'
import { type Subjects, singletons } from '../../streams/subjects.ts'
import { type AggregateWritten, writeAggregate } from './aggregate-writer.ts'
import type { CommitContext } from './commit-append.ts'

/** First format that holds `QuarantineBegun`. */
const quarantineFormat = 2

export interface QuarantineAsked {
  readonly actor: string
  readonly command?: string | undefined
  /** One line for everybody who asks why nothing is executed; at most 2 KiB (P16). */
  readonly why: string
  /** Nobody is present, so that the format of an older realm may be raised in the same commit: everybody who lives knows it. */
  readonly nobodyPresent?: boolean
}

/** Durable when it resolves with `written`. Throws as `writeAggregate`. */
export function putIntoQuarantine(context: CommitContext, subjects: Subjects, asked: QuarantineAsked): Promise<AggregateWritten<RealmState>> {
  const why = withoutLogin(asked.why)
  return write(context, subjects, asked, (state) => {
    if (!state.founded || allowsFormat(state, quarantineFormat) || asked.nobodyPresent !== true) return beginQuarantine(state, why)
    const raised = raiseFormat(state, quarantineFormat)
    const begun = beginQuarantine({ ...state, format: quarantineFormat }, why)
    return raised.kind === 'events' && begun.kind === 'events' ? happened<RealmEvent>(...raised.events, ...begun.events) : begun
  })
}

/** For who asked for a quarantine where there was one: the first reason stands, another one is not recorded. Empty where none was given, or the same. */
export function reasonNote(stands: string, given: string | undefined): string {
  return given === undefined || onOneLine(stands) === onOneLine(cutText(withoutLogin(given), textLimitBytes)) ? '' : `; that reason stands, ${JSON.stringify(given)} is not recorded`
}

/** As services keep it. */
function onOneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}

/** `given` as `reasonNote`. */
export function reasonText(stands: string, given?: string): string {
  return `${stands}: nothing is executed until "reeve realm release"${reasonNote(stands, given)}`
}

export function releaseFromQuarantine(context: CommitContext, subjects: Subjects, asked: Pick<QuarantineAsked, 'actor' | 'command'>): Promise<AggregateWritten<RealmState>> {
  return write(context, subjects, asked, endQuarantine)
}

function write(context: CommitContext, subjects: Subjects, { actor, command }: Pick<QuarantineAsked, 'actor' | 'command'>, decide: (state: RealmState) => Decision<RealmEvent>) {
  return writeAggregate<RealmState, RealmEvent>(context, {
    subject: subjects.aggregate('realm', singletons.realm),
    aggregate: 'realm',
    id: singletons.realm,
    empty: emptyRealm(),
    fold: foldRealm,
    decide,
    actor,
    command,
  })
}
