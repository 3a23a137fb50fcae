// Sums vitest's JSON reports: one line over all, and what failed or was skipped before it.
// Usage: node .ci/sum.mjs FAILED_STEPS FOLDER
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const [failedSteps, folder] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0

for (const name of ['unit', 'long']) {
  const path = join(folder, `${name}.json`)
  if (!existsSync(path)) {
    failed += 1
    console.log(`failed: ${name} tests ended without a report`)
    continue
  }
  const report = JSON.parse(readFileSync(path, 'utf8'))
  let failedHere = 0
  for (const file of report.testResults) {
    const where = relative(process.cwd(), file.name)
    for (const test of file.assertionResults) {
      const title = [...test.ancestorTitles, test.title].join(' › ')
      if (test.status === 'passed') passed += 1
      else if (test.status === 'failed') {
        failedHere += 1
        console.log(`failed: ${where} › ${title}`)
      } else {
        skipped += 1
        console.log(`skipped: ${where} › ${title}`)
      }
    }
    // A file that cannot be loaded, or whose hooks fail, has no failed test of its own.
    if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
      failedHere += 1
      console.log(`failed: ${where}: ${String(file.message).split('\n')[0]}`)
    }
  }
  if (!report.success && failedHere === 0) {
    failedHere += 1
    console.log(`failed: ${name} tests reported errors outside of any test`)
  }
  failed += failedHere
}

// A step may fail without a failed test (types, an unhandled error): then it counts itself.
if (Number(failedSteps) > 0 && failed === 0) failed = Number(failedSteps)
if (skipped > 0) console.log('in CI nothing may be skipped: a real peer is missing')
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed > 0 || skipped > 0 ? 1 : 0)
