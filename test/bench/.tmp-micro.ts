import { readFileSync, writeFileSync, existsSync } from 'node:fs'
import { emptyLane, foldTurn } from '/work/main/machines/lane/state.ts'
import { decodeTurn } from '/work/main/streams/codec.ts'
const k = JSON.parse(readFileSync('/tmp/bench-url','utf8'))
const msgs: { subject: string; bytes: Uint8Array }[] = []
{
  const { connectCoordinator } = await import('/work/main/streams/jetstream/connect.ts')
  const { systemClock } = await import('/work/main/src/platform/clock.ts')
  const { systemRandom } = await import('/work/main/src/platform/random.ts')
  const c = await connectCoordinator({ servers: [k.url], realm: 'bench', name: 'x', clock: systemClock, random: systemRandom, durability: { level: 'synced' } })
  const t = performance.now()
  for await (const b of c.log.read({ subjects: ['bench.event.lane.>'], from: 1, until: k.end })) for (const m of b) msgs.push({ subject: m.subject, bytes: m.bytes })
  console.log('read only', performance.now() - t)
  await c.close()
}
const dec = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
for (let r = 0; r < 3; r++) {
  let t = performance.now(); const u0 = process.cpuUsage()
  for (const m of msgs) JSON.parse(dec.decode(m.bytes))
  console.log('parse', (performance.now() - t)|0)
  t = performance.now()
  for (const m of msgs) decodeTurn(m.bytes)
  console.log('decodeTurn', (performance.now() - t)|0)
  t = performance.now()
  const lanes = new Map()
  for (const m of msgs) { let l = lanes.get(m.subject); if (!l) lanes.set(m.subject, l = emptyLane(m.subject)); foldTurn(l, decodeTurn(m.bytes)) }
  console.log('decodeTurn+fold', (performance.now() - t)|0)
}
