/** Why nothing more of a group is executed for now: `group show` says each reason, and none of a group that has stopped by itself. */
import { expect, test } from 'vitest'
import { waitTexts } from '../../src/command-line/group.ts'

const group = 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV'
const all = { quarantine: { why: 'restored' }, unheld: true, missing: ['libvirt'] } as const

test.each([
  ['running', {}, []],
  ['running', all, ['quarantine (restored): nothing is executed until "reeve realm release"', 'nobody holds its lane here-1: "reeve doctor" says more', 'no agent takes what asks for libvirt']],
  ['paused', {}, [`it is paused, until "reeve group resume ${group}"`]],
  ['compensation-paused', { quarantine: { why: 'restored' } }, [`it is paused, until "reeve group resume ${group}"`, 'quarantine (restored): nothing is executed until "reeve realm release"']],
  ['blocked', all, []],
  ['completed', {}, []],
] as const)('%s, %j', (phase, beside, texts) => {
  expect(waitTexts({ group, phase }, beside)).toEqual(texts)
})
