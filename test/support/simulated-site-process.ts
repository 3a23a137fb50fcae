/** The simulated site as a child process of a test: options as JSON in argv, one JSON line on stdout when it listens or cannot. */
import { systemClock } from '../../src/platform/clock.ts'
import { runSimulatedSite } from '../../src/sites/simulated/program.ts'

const options = JSON.parse(process.argv[2]!)
try {
  const site = await runSimulatedSite({ ...options, clock: systemClock, onError: (error: unknown) => console.error(error) })
  console.log(JSON.stringify({ port: site.port, address: site.address }))
  process.on('SIGTERM', () => void site.close().then(() => process.exit(0)))
  // The test's end of the pipe closes when the test process ends, however it ends.
  process.stdin.resume().on('end', () => process.exit(0))
} catch (error) {
  console.log(JSON.stringify({ error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }))
  process.exit(1)
}
