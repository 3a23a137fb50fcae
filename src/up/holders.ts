/** Who of those that the log names as leader and as holders of lanes runs now, for who has just started the programs of a realm. */
import type { RealmFold } from '../realm/view.ts'

type Named = { readonly agent: string; readonly instance: string }
type Fold = Pick<RealmFold, 'realm' | 'lanes' | 'agents'>

/** Instances of all that are named; what a former run left, where nothing has started yet. */
export function namedInstances({ realm, lanes }: Fold): ReadonlySet<string> {
  const named = [realm.leader, ...[...lanes.values()].map(({ holder }) => holder)]
  return new Set(named.flatMap((one) => (one == null ? [] : [one.instance])))
}

export interface Holders {
  /** Undefined while nobody who runs leads. */
  readonly leader: string | undefined
  /** Lanes of the region, and those of them that are held by who runs. */
  readonly lanes: number
  readonly held: number
}

/**
 * `former`: instances that had been named before the programs were started; they do not run any more, unless the log says that they have started
 * and nothing since. An agent that lost its presence meanwhile goes on as another instance, and holds on what it took as the one before.
 */
export function holdersIn({ realm, lanes, agents }: Fold, region: string, former: ReadonlySet<string>): Holders {
  const runs = (named: Named | null | undefined) => {
    const agent = named == null ? undefined : agents.get(named.agent)
    return agent?.phase === 'started' && (agent.instance === named!.instance || !former.has(named!.instance))
  }
  const here = realm.lanes.filter((lane) => lane.region === region)
  return { leader: runs(realm.leader) ? realm.leader!.agent : undefined, lanes: here.length, held: here.filter(({ lane }) => runs(lanes.get(lane)?.holder)).length }
}
