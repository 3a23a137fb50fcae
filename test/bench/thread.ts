/** A part of a benchmark in a thread of its own. Loads nothing else, so that a raw limit is not slowed by what Reeve loads. */
import { Worker } from 'node:worker_threads'

/** What `script` posts, which runs in a thread of its own with `job` as its data. */
export function inThread<T>(script: string, job: object): Promise<T> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(script), { workerData: job })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
