/** The realm: format version, constants that hold for all, lanes, and who leads (DESIGN "A realm begins", protocol.md). */
import { total } from '../total.ts'

export interface RealmConstants {
  /** An instance whose presence was not renewed for so long is lost (P18). */
  readonly presenceMs: number
  /** Longest site call (I9). */
  readonly siteCallDeadlineMs: number
  readonly clockSkewMs: number
  /** How long lanes know commands again (P15). */
  readonly commandMemoryMs: number
}

export const defaultConstants: RealmConstants = {
  presenceMs: 6_000,
  siteCallDeadlineMs: 10_000,
  clockSkewMs: 60_000,
  commandMemoryMs: 7 * 24 * 60 * 60 * 1000,
}

export type RealmEvent =
  | {
      readonly type: 'RealmFounded'
      readonly data: {
        readonly format: number
        /** Random, so that a copied data folder does not join another realm (P20). */
        readonly realm: string
        readonly constants: RealmConstants
        readonly digest: 'sha256'
      }
    }
  | { readonly type: 'LanesDefined'; readonly data: { readonly region: string; readonly lanes: readonly string[] } }
  | { readonly type: 'LeaderElected'; readonly data: { readonly agent: string; readonly instance: string } }
  | { readonly type: 'WeakDurabilityAccepted'; readonly data: { readonly level: 'weak' | 'unknown'; readonly why: string } }
  /** Since format 2. From here on the log may hold shapes of that format; an older program refuses to start. */
  | { readonly type: 'FormatRaised'; readonly data: { readonly format: number } }
  /** Since format 2. The realm leads, but executes nothing until `QuarantineEnded`. */
  | { readonly type: 'QuarantineBegun'; readonly data: { readonly why: string } }
  | { readonly type: 'QuarantineEnded'; readonly data: Record<string, never> }
  /** Since format 2. The first that is written in an incarnation that was imported or restored, with the quarantine that it begins. */
  | { readonly type: 'RealmRestored'; readonly data: Restored }

/** Where an incarnation comes from. */
export interface Restored {
  /** Incarnation of the log that was taken over. */
  readonly from: number
  /** From a file, or from a stream. */
  readonly how: 'import' | 'restore'
  /** That were taken over. */
  readonly turns: number
  /** Prefix of the subjects of that log. */
  readonly realm: string
  /** SHA-256: at the end of the file's chain, or of the last turn of the stream. */
  readonly end: string
}

/** Newest format that this build knows and writes (DESIGN §3: a realm's is raised by an event when every live agent knows it). */
export const formatVersion = 2

export interface RealmState {
  revision: number
  founded: boolean
  format: number
  realm: string
  constants: RealmConstants
  lanes: { readonly region: string; readonly lane: string }[]
  /** `epoch` is the realm's revision of `LeaderElected`. */
  leader: { readonly agent: string; readonly instance: string; readonly epoch: number } | null
  weakDurability: boolean
  /** While not null no lock is granted and no executor starts a call. `since` is the realm's revision of `QuarantineBegun`. */
  quarantine: { readonly why: string; readonly since: number } | null
  /** Type of an event that this build does not know; it must not write then. */
  unknownType: string | null
}

export function emptyRealm(): RealmState {
  return {
    revision: 0,
    founded: false,
    format: 0,
    realm: '',
    constants: defaultConstants,
    lanes: [],
    leader: null,
    weakDurability: false,
    quarantine: null,
    unknownType: null,
  }
}

export const foldRealm = total((state: RealmState, event: RealmEvent): void => {
  state.revision += 1
  switch (event.type) {
    case 'RealmFounded':
      // The conditional append lets only one through; what was founded first holds for all.
      if (state.founded) return
      state.founded = true
      state.format = event.data.format
      state.realm = event.data.realm
      state.constants = event.data.constants
      return
    case 'LanesDefined':
      for (const lane of event.data.lanes) {
        if (!state.lanes.some((known) => known.lane === lane)) state.lanes.push({ region: event.data.region, lane })
      }
      return
    case 'LeaderElected':
      state.leader = { agent: event.data.agent, instance: event.data.instance, epoch: state.revision }
      return
    case 'WeakDurabilityAccepted':
      state.weakDurability = true
      return
    case 'FormatRaised':
      // Never lowered: what stands in the log stays there.
      state.format = Math.max(state.format, event.data.format)
      return
    case 'QuarantineBegun':
      state.quarantine ??= { why: event.data.why, since: state.revision }
      return
    case 'QuarantineEnded':
      state.quarantine = null
      return
    case 'RealmRestored':
      // What it means for others is in the quarantine beside it and in the incarnation of its turn.
      return
    default: {
      const unknown: never = event
      state.unknownType ??= (unknown as { type: string }).type
    }
  }
})

/** Whether shapes of this format may be written in the realm. The only question that anybody asks about formats. */
export function allowsFormat(state: Pick<RealmState, 'format'>, format: number): boolean {
  return state.format >= format
}

/** One line for whoever asked for something that the realm's format does not hold yet. */
export function formatTooOld(format: number, needed: number): string {
  return `the realm's format is ${format}, this needs ${needed}; it rises when every live agent and service knows it: "reeve agent list"`
}

/** One line for whoever asked for something to be executed. */
export function quarantinedText(why: string): string {
  return `the realm is in quarantine (${why}): nothing is executed until "reeve realm release"`
}
