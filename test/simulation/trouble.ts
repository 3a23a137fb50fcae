/** What may go wrong between a client and the realm of a simulated world. */

export interface NetworkPlan {
  readonly latencyMs: number
  /** Per message and recipient. */
  readonly lost: number
  readonly doubled: number
  readonly late: number
  readonly latestMs: number
  /** Per alarm and recipient. */
  readonly alarmLost: number
  readonly alarmLate: number
  readonly alarmDoubled: number
}

export interface StorePlan {
  readonly requestLost: number
  readonly answerLost: number
  readonly late: number
  readonly refused: number
  readonly readLost: number
  readonly lagMs: number
}
