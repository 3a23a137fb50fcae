/** What holds for each test of a file whose tests share a realm. */
import { afterAll, afterEach, beforeEach, expect } from 'vitest'
import { type FaultRealm, patienceMs } from './realm.ts'

/** Each begins when the realm is settled, and the checkers find nothing in the log that it leaves; after the last the realm ends. `realm`: undefined where it could not be started. */
export function judgeEach(realm: () => FaultRealm | undefined): void {
  beforeEach(() => realm()!.settled(), patienceMs)

  afterEach(async () => {
    expect(await realm()!.judge()).toEqual([])
  }, patienceMs)

  afterAll(() => realm()?.[Symbol.asyncDispose](), patienceMs)
}
