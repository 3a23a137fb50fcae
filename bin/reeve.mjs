#!/usr/bin/env node
// Starts reeve. Written so that old versions of Node can read it: they get one clear line, or, in a clone, the Node
// that `npm ci` has put there.
import { spawn } from 'child_process'
import { existsSync } from 'fs'
import { constants } from 'os'
import { fileURLToPath, pathToFileURL } from 'url'

const neededMajor = 24
const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const source = at('../src/main.ts')
const program = existsSync(source) ? source : at('../dist/src/main.js')
const ownNode = at('../node_modules/node/bin/node')

if (Number(process.versions.node.split('.')[0]) >= neededMajor) {
  import(pathToFileURL(program).href).catch((error) => {
    console.error(error)
    process.exit(1)
  })
} else if (program === source && existsSync(ownNode)) {
  startWith(ownNode)
} else {
  const remedy = program === source ? 'run npm ci first, or install a newer Node' : 'install a newer Node'
  console.error('reeve needs Node ' + neededMajor + ' or later; this is ' + process.version + '; ' + remedy)
  process.exit(1)
}

function startWith(node) {
  // Through the channel the program notices when this process ends, however it ends.
  const child = spawn(node, [program].concat(process.argv.slice(2)), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  signals.forEach((name) => process.on(name, () => child.kill(name)))
  child.on('error', (error) => {
    console.error('reeve cannot start ' + node + ': ' + error.message)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    // As a shell reports a program that a signal has ended.
    process.exit(signal === null ? code : 128 + constants.signals[signal])
  })
}
