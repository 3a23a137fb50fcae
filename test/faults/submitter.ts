/** A submitter that dies in the middle of opening a large group: the command line and the service interface, both by kill -9. */
import type { ChildProcess } from 'node:child_process'
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { LaneCommand } from '../../streams/lane-protocol.ts'
import { groupId } from '../../streams/subjects.ts'
import type { FaultRealm } from './realm.ts'
import { EveryNth, type WireMessage } from './wire.ts'

export interface HalfOpened {
  readonly command: string
  readonly group: string
}

/** `instruction`: nothing but the instruction is in the log; a number: the group is, with so many parts. */
export type KilledAfter = 'instruction' | number

/** Resolves when both are dead. What is in the log then is exactly what `after` says: later commands to the lane never left. */
export async function killSubmitter(realm: FaultRealm, site: string, after: KilledAfter): Promise<HalfOpened> {
  const command = realm.newCommandId()
  const held = realm.wire.lose(new EveryNth(1, (message) => isBeyond(message, after)))
  try {
    let submitter: ChildProcess | undefined
    const submitted = realm.command(['change', 'apply', 'rehearse', '--site', site, '--command', command], (child) => (submitter = child))
    await realm.eventually(() => held.lost > 0, { what: `the submitter going beyond ${after}` })
    await Promise.all([realm.service.kill(), submitter!.kill('SIGKILL')])
    const { code, stdout } = await submitted
    if (code !== null || stdout !== '') throw new Error(`the submitter had ended before: ${code} ${stdout}`)
    const { lane } = (await realm.eventually(() => realm.view.state.instructions.get(command)?.taken, { what: 'the instruction in the log' }))!
    const group = groupId(lane, command)
    if (after !== 'instruction') await realm.eventually(() => (realm.view.state.group(group)?.partsAdded ?? -1) === after, { what: `part ${after} in the log` })
    return { command, group }
  } finally {
    realm.wire.loseNoMore(held)
  }
}

function isBeyond({ kind, process, subject, payload }: WireMessage, after: KilledAfter): boolean {
  if (kind !== 'publish' || !process.startsWith('serve#') || !/^reeve\.lane\.[^.]+\.command$/.test(subject)) return false
  const { body } = JSON.parse(payload().toString('utf8')) as LaneCommand
  if (body.kind === 'seal' || after === 'instruction') return true
  return body.kind === 'add' && body.part > after
}

/** Sealed with every job that was announced. */
export function isWhole(group: GroupState): boolean {
  return group.phase !== 'opening' && group.jobsAdded === group.jobsAnnounced && group.partsAdded === group.partsAnnounced
}
