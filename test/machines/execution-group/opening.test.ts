/** Opening in parts (P14), and the limits of what goes into a turn (P16). */
import { describe, it } from 'vitest'
import { abandonGroup, addJobs, openGroup, sealGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup } from '../../../machines/execution-group/decide/people.ts'
import { abandoned, added, given, onceOnly, opened, plan, ready, sealed, spec } from '../../support/group-events.ts'

const command = { name: 'a group', jobs: 3, parts: 1, plan, window: 1, region: 'east', distributionFactor: 100 }
const other = 'b'.repeat(64)

describe('openGroup', () => {
  it('opens what is absent, with the decision version and mode in the log', () => {
    given().when((state) => openGroup(state, command)).then(opened())
    given().when((state) => openGroup(state, { ...command, jobs: 1, mode: 'direct' })).then(opened({ jobs: 1, mode: 'direct' }))
    given().when((state) => openGroup(state, { ...command, mode: 'sync' })).then(opened({ mode: 'sync' }))
  })
  it('a repeat changes nothing, another plan is refused, an abandoned group stays abandoned', () => {
    given(opened()).when((state) => openGroup(state, command)).thenNothing()
    given(...ready()).when((state) => openGroup(state, command)).thenNothing()
    given(opened()).when((state) => openGroup(state, { ...command, plan: other })).thenRefused('other-plan')
    given(opened(), abandoned('deadline')).when((state) => openGroup(state, command)).thenRefused('wrong-state')
  })
  it.each([
    { jobs: 0 }, { jobs: 1.5 }, { jobs: 1_000_001 }, { parts: 0 }, { parts: 4 }, { window: 0 }, { window: 1_001 },
    { distributionFactor: 0 }, { distributionFactor: 101 }, { mode: 'direct' as const },
  ])('refuses %o', (wrong) => {
    given().when((state) => openGroup(state, { ...command, ...wrong })).thenRefused('malformed')
  })
  it.each([{ order: 'any' }, { mode: 'any' }, { agents: 'any' }, { onFailure: 'stop' }])('refuses %o, which no replay would know', (wrong) => {
    given().when((state) => openGroup(state, { ...command, ...(wrong as object) })).thenRefused('malformed')
  })
  it('refuses a name that no turn should carry', () => {
    given().when((state) => openGroup(state, { ...command, name: 'ä'.repeat(1_100) })).thenRefused('too-large')
  })
})

describe('addJobs', () => {
  const part = (number: number, ...jobs: (typeof spec)[]) => ({ plan, part: number, jobs })
  it('takes parts in order, each once', () => {
    given(opened({ parts: 2 }))
      .when((state) => addJobs(state, part(1, spec, spec))).then(added(1, spec, spec))
      .when((state) => addJobs(state, part(1, spec, spec))).thenNothing()
      .when((state) => addJobs(state, part(2, spec))).then(added(2, spec))
      .when((state) => addJobs(state, part(3, spec))).thenRefused('part-out-of-order')
  })
  it('refuses gaps, too many, none, another plan, and what is not opening', () => {
    given(opened({ parts: 2 })).when((state) => addJobs(state, part(2, spec))).thenRefused('part-out-of-order')
    given(opened()).when((state) => addJobs(state, part(1, spec, spec, spec, spec))).thenRefused('malformed')
    given(opened()).when((state) => addJobs(state, part(1))).thenRefused('malformed')
    given(opened()).when((state) => addJobs(state, { plan: other, part: 1, jobs: [spec] })).thenRefused('other-plan')
    given(opened(), abandoned('deadline')).when((state) => addJobs(state, part(1, spec))).thenRefused('wrong-state')
    given(...ready()).when((state) => addJobs(state, part(1, spec))).thenNothing()
  })
  it('a window is for repeatable jobs only', () => {
    given(opened({ window: 4 })).when((state) => addJobs(state, part(1, spec, onceOnly, spec))).thenRefused('malformed')
    given(opened({ window: 4 })).when((state) => addJobs(state, part(1, spec, spec, spec))).then(added(1, spec, spec, spec))
  })
  it('a part has at most 64 KiB of UTF-8', () => {
    const large = { ...spec, service: 'ä'.repeat(20_000) }
    given(opened()).when((state) => addJobs(state, part(1, large))).then(added(1, large))
    given(opened()).when((state) => addJobs(state, part(1, large, large))).thenRefused('too-large')
  })
})

describe('sealGroup', () => {
  it('only when all parts are there', () => {
    given(opened({ parts: 2 }), added(1, spec)).when((state) => sealGroup(state, plan)).thenRefused('part-out-of-order')
    // All parts, but fewer jobs than announced.
    given(opened(), added(1, spec)).when((state) => sealGroup(state, plan)).thenRefused('part-out-of-order')
    given(opened(), added(1, spec, spec, spec)).when((state) => sealGroup(state, plan)).then(sealed).when((state) => sealGroup(state, plan)).thenNothing()
  })
  it('refuses another plan and an abandoned group', () => {
    given(opened()).when((state) => sealGroup(state, other)).thenRefused('other-plan')
    given(opened(), abandoned('deadline')).when((state) => sealGroup(state, plan)).thenRefused('wrong-state')
  })
})

describe('abandonGroup', () => {
  it('ends what is opening, and nothing else', () => {
    given(opened()).when(abandonGroup).then(abandoned('deadline')).when(abandonGroup).thenNothing()
    given(...ready()).when(abandonGroup).thenNothing()
  })
  it('is what a cancel of an opening group is', () => {
    given(opened(), added(1, spec)).when(cancelGroup).then(abandoned('cancelled'))
  })
})
