/** Which lane a new group belongs to, for life (DESIGN §5 "Lanes"): one of its region, the one with the least to do. Pure. */

export interface LaneToChoose {
  readonly lane: string
  readonly region: string
  /** Outstanding, in jobs; what is on its way to the lane included. */
  readonly work: number
  /** That have not ended; those that wait for a person too. */
  readonly groups: number
}

/**
 * Of lanes with as little to do that with the fewest groups, of several such any: `draw`, at least 0 and below 1, says which, so that many
 * who choose at the same moment by the same figures do not all choose the same. Undefined where there is no lane.
 */
export function leastLoadedLane(lanes: readonly LaneToChoose[], region: string, draw: number): string | undefined {
  const near = lanes.filter((lane) => lane.region === region)
  // Lanes of a region without agents are nobody's; a group of such a region goes to another's.
  const candidates = near.length > 0 ? near : lanes
  const least = Math.min(...candidates.map(({ work }) => work))
  const idlest = candidates.filter(({ work }) => work === least)
  const fewest = Math.min(...idlest.map(({ groups }) => groups))
  const best = idlest.filter(({ groups }) => groups === fewest)
  return best[Math.floor(draw * best.length)]?.lane
}
