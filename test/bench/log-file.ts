/**
 * Export and import of a long log, each in a process of its own as the command is: to reading the same turns, and to writing the same
 * turns in the same batches, with the client alone.
 */
import { connect, headers } from 'nats'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportLog } from '../../src/log-file/export.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { keepMemorySmall } from '../../src/platform/memory.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { restoreRealm } from '../../src/restore/restore.ts'
import { fileSource } from '../../src/restore/source.ts'
import { verifyLog } from '../../src/verification/verify.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { openIncarnations } from '../../streams/jetstream/incarnations.ts'
import { laneName, subjectsOf } from '../../streams/subjects.ts'
import { middleOf } from './common.ts'
import { ownPeakBytes } from './process-memory.ts'
import { readInProcess } from './reading.ts'
import { fillLane } from './replay.ts'
import { type Row, figure, rate } from './row.ts'
import { type BenchWorld, benchRealm } from './world.ts'

interface Doing {
  readonly how: 'export' | 'import' | 'verify' | 'write'
  readonly url: string
  readonly realm: string
  readonly file: string
  readonly stream: string
}

interface Done {
  readonly turns: number
  readonly tookMs: number
  readonly peakBytes: number
}

const rounds = 3

export async function logFileRows(world: BenchWorld, options: { readonly groups: number; readonly jobsPerGroup: number }): Promise<Row[]> {
  const { log } = world.coordinator
  await joinRealm({ log, clock: systemClock, random: systemRandom }, world.subjects, { actor: 'program:bench', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  const tails = await Promise.all([1, 2, 3, 4].map((number) => fillLane(world, laneName('here', number), options.groups / 4, options.jobsPerGroup)))
  const events = tails.reduce((sum, { events: count }) => sum + count, 0)
  const until = await log.end()
  const file = join(world.folder, 'log.ndjson')
  const place = { url: world.server.url, realm: benchRealm, file, stream: world.subjects.streamName(log.incarnation) }
  const a = (done: Done) => (events * 1000) / done.tookMs
  const measured: Record<string, { value: number; raw: number }[]> = { export: [], import: [], verify: [] }
  const peak: Record<string, number> = { export: 0, import: 0, verify: 0 }
  for (let round = 0; round < rounds; round++) {
    const read = await readInProcess({ url: place.url, realm: benchRealm, stream: place.stream, until, how: 'raw' })
    const raw = (events * 1000) / read.tookMs
    const take = async (how: 'export' | 'import' | 'verify', beside: number, realm: string = benchRealm) => {
      const done = await inProcess({ ...place, how, realm })
      if (done.turns !== until) throw new Error(`${how} dealt with ${done.turns} turns of ${until}`)
      measured[how]!.push({ value: a(done), raw: beside })
      peak[how] = Math.max(peak[how]!, done.peakBytes)
    }
    await take('export', raw)
    await take('verify', raw)
    const written = await inProcess({ ...place, how: 'write' })
    await take('import', a(written), `again${round}`)
  }
  const middle = (how: string) => middleOf(measured[how]!, ({ value, raw }) => value / raw)
  const mebibytes = (how: string) => Math.round(peak[how]! / 2 ** 20)
  const note = (how: string) => `${until} turns; at most ${mebibytes(how)} MiB resident`
  const row = (how: string, what: string) => rate(how, what, 'events/s', middle(how).value, middle(how).raw, note(how))
  return [
    row('export', `export of ${events} events into a file, to raw ordered reads with JSON parsing`),
    figure('export-memory', 'most resident memory of the process that exports', 'MiB', mebibytes('export')),
    row('import', `import of the same file, checked and read back, to writing the same turns in the same atomic batches with the client alone`),
    figure('import-memory', 'most resident memory of the process that imports', 'MiB', mebibytes('import')),
    row('verify', 'verifying the live log, to raw ordered reads with JSON parsing'),
  ]
}

export function inProcess(doing: Doing): Promise<Done> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(doing)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    child.once('exit', (code) => (code === 0 ? resolve(JSON.parse(text) as Done) : reject(new Error(`${doing.how} ended with code ${code}`))))
  })
}

const base = { clock: systemClock, random: systemRandom }

async function act({ how, url, realm, file, stream }: Doing): Promise<Omit<Done, 'peakBytes'>> {
  if (how === 'write') return writeRaw(url, stream)
  // As the commands do.
  keepMemorySmall()
  if (how === 'import') {
    const incarnations = await openIncarnations({ servers: [url], realm, name: 'bench', ...base })
    const begin = performance.now()
    const { turns } = await restoreRealm({ incarnations, ...base }, { source: await fileSource(file), subjects: subjectsOf(realm), actor: 'program:bench', why: 'measured' })
    const tookMs = performance.now() - begin
    await incarnations.close()
    return { turns, tookMs }
  }
  const coordinator = await connectCoordinator({ servers: [url], realm, name: 'bench', ...base, durability: { level: 'synced' } })
  const begin = performance.now()
  let turns: number
  if (how === 'export') turns = (await exportLog(coordinator.log, coordinator.texts, { file, realm })).records
  else {
    const verified = await verifyLog(coordinator.log, realm, { onFinding: (finding) => { throw new Error(JSON.stringify(finding)) } })
    turns = verified.turns
  }
  const tookMs = performance.now() - begin
  await coordinator.close()
  return { turns, tookMs }
}

/** As the import sends them: at most 1,000 turns or 2 MiB a batch, three under way. */
async function writeRaw(url: string, from: string): Promise<Omit<Done, 'peakBytes'>> {
  const connection = await connect({ servers: url })
  const api = async <T>(verb: string, payload: unknown = ''): Promise<T> => (await connection.request(`$JS.API.${verb}`, payload === '' ? '' : JSON.stringify(payload), { timeout: 10_000 })).json<T>()
  const coordinator = await connectCoordinator({ servers: [url], realm: benchRealm, name: 'bench', ...base, durability: { level: 'synced' } })
  const messages: { subject: string; bytes: Uint8Array }[] = []
  for await (const batch of coordinator.log.read({ subjects: [], from: 1, until: await coordinator.log.end() })) {
    for (const { subject, bytes } of batch) messages.push({ subject: `raw.${subject}`, bytes: bytes.slice() })
  }
  await coordinator.close()
  await api(`STREAM.CREATE.RAW_WRITE`, { name: 'RAW_WRITE', subjects: ['raw.>'], storage: 'file', retention: 'limits', num_replicas: 1, allow_atomic: true })
  const inbox = `_INBOX.raw${from}`
  let acknowledged = 0
  let wake = () => {}
  connection.subscribe(`${inbox}.*`, {
    callback: (_, message) => {
      const { error } = message.json<{ error?: unknown }>()
      if (error !== undefined) throw new Error(JSON.stringify(error))
      acknowledged += 1
      wake()
    },
  })
  const begin = performance.now()
  let batches = 0
  for (let at = 0; at < messages.length; ) {
    let end = at
    for (let bytes = 0; end < messages.length && end - at < 1_000 && (end === at || bytes + messages[end]!.bytes.length <= 2 * 2 ** 20); end++) bytes += messages[end]!.bytes.length
    const id = `b${++batches}`
    for (let index = at; index < end; index++) {
      const set = headers()
      set.set('Nats-Batch-Id', id)
      set.set('Nats-Batch-Sequence', String(index - at + 1))
      if (index === end - 1) set.set('Nats-Batch-Commit', '1')
      connection.publish(messages[index]!.subject, messages[index]!.bytes, { headers: set, ...(index === end - 1 ? { reply: `${inbox}.${batches}` } : {}) })
    }
    at = end
    while (batches - acknowledged >= 3) await new Promise<void>((resolve) => (wake = resolve))
  }
  while (acknowledged < batches) await new Promise<void>((resolve) => (wake = resolve))
  const tookMs = performance.now() - begin
  await api('STREAM.DELETE.RAW_WRITE')
  await connection.close()
  return { turns: messages.length, tookMs }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const done = await act(JSON.parse(process.argv[2]!) as Doing)
  process.stdout.write(JSON.stringify({ ...done, peakBytes: ownPeakBytes() }))
}
