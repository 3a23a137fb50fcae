/** `reeve serve` as a child process of a test: options as JSON in argv, `ready` on stdout when it answers. */
import { runServiceProgram } from '../../src/service/program.ts'

const options = JSON.parse(process.argv[2]!)
await runServiceProgram({ ...options, acceptWeakDurability: true, logLevel: 'warn', onReady: () => console.log('ready') })
