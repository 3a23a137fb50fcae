/** Details of a group's jobs: from the fold while it is unfinished, afterwards from its kept plan, else from the log. */
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import { JobSpecs } from '../../machines/execution-group/specs.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { fromBytes } from '../../streams/coordination.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import { Damaged } from '../../streams/ports/coordinator.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { ServiceContext } from './context.ts'

/** By number − 1, with a job for each retry, and for each that undid another. */
export async function jobSpecsOf(context: Pick<ServiceContext, 'coordinator' | 'subjects'>, state: GroupState): Promise<readonly JobSpec[]> {
  if (!groupTable.isFinal(state.phase)) return state.specs
  // An abandoned group holds only the parts that came.
  const planned = state.jobsAdded - state.retries.length === state.jobsAnnounced ? await fromPlan(context, state.plan) : undefined
  if (planned === undefined) return fromLog(context, state)
  for (const { job, retryOf } of state.retries) planned[job - 1] = planned[retryOf - 1]!
  return planned
}

async function fromPlan({ coordinator }: Pick<ServiceContext, 'coordinator'>, digest: string): Promise<JobSpec[] | undefined> {
  try {
    const bytes = await coordinator.texts.get(digest)
    return bytes === undefined ? undefined : fromBytes<{ readonly jobs: JobSpec[] }>(bytes).jobs
  } catch (error) {
    if (error instanceof Damaged) return undefined
    throw error
  }
}

async function fromLog({ coordinator, subjects }: Pick<ServiceContext, 'coordinator' | 'subjects'>, state: GroupState): Promise<readonly JobSpec[]> {
  const { log } = coordinator
  const specs = new JobSpecs()
  const subject = subjects.lane(laneOfGroup(state.group)!)
  let seen = 0
  for await (const batch of log.read({ subjects: [subject], from: 1, until: await log.end() })) {
    for (const message of batch) {
      for (const commit of decodeTurn(message.bytes).commits) {
        if (commit.aggregate !== 'group' || commit.id !== state.group) continue
        if (seen === 0 && commit.revision > 1) throw archived(state.group)
        seen += 1
        for (const event of commit.events as readonly GroupEvent[]) specs.take(event)
      }
    }
  }
  if (seen === 0) throw archived(state.group)
  return specs.list
}

function archived(group: string): ApiFailure {
  return new ApiFailure('archived', `the jobs of group ${group} are in an archive of its lane: "reeve replay --group ${group} --step --from DIR", DIR the folder of the archives, shows them`)
}
