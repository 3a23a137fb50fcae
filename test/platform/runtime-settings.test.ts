import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { isMeasuredRuntime } from '../../src/platform/measured-runtime.ts'

const pathOf = (name: string) => JSON.stringify(new URL(`../../src/platform/${name}.ts`, import.meta.url).href)

test('the runtime that reeve brings is the one that its settings were measured with, and knows each of them', async () => {
  expect(isMeasuredRuntime()).toBe(true)
  const script = `
    const { optimizeSooner } = await import(${pathOf('compile-cache')})
    const { collectSeldom, keepMemorySmall } = await import(${pathOf('memory')})
    optimizeSooner()
    collectSeldom()
    keepMemorySmall()
    console.log('set')
  `
  // Of a setting that it does not know the runtime complains on its standard error, and goes on.
  expect(await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])).toEqual({ stdout: 'set\n', stderr: '' })
})
