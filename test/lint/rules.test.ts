/** The checks themselves: each finds what it is for, and passes over what only looks like it. */
import { describe, expect, test } from 'vitest'
import { disabledTests, effectsOutsidePorts, importsThatBreak, mostLines, registryHosts, tooLong } from './rules.ts'
import { SourceFile } from './source.ts'

const source = (path: string, text: string) => new SourceFile(path, text)

describe('imports between folders', () => {
  test.each([
    ['machines/job/job.ts', `import { x } from '../../streams/envelope.ts'`],
    ['machines/job/job.ts', `import type { X } from '../../streams/envelope.ts'`],
    ['machines/job/job.ts', `export * from '../../src/main.ts'`],
    ['machines/job/job.ts', `type X = import('../../src/main.ts').X`],
    ['machines/job/job.ts', `const x = await import('../../src/main.ts')`],
    ['machines/job/job.ts', `import { z } from 'zod'`],
    ['machines/job/job.ts', `import { createHash } from 'node:crypto'`],
    ['streams/codec.ts', `import { x } from '../src/main.ts'`],
    ['streams/codec.ts', `import { connect } from 'nats'`],
    ['streams/codec.ts', `import { jetstream } from '@nats-io/jetstream'`],
    ['streams/codec.ts', `import { randomBytes } from 'node:crypto'`],
    ['streams/codec.ts', `import { ulid } from 'ulid'`],
    ['src/agent/agent.ts', `import { connect } from 'nats'`],
    ['src/agent/agent.ts', `import { x } from '../../test/support/x.ts'`],
    ['src/agent/agent.ts', `import { readFile } from 'node:fs/promises'`],
    ['src/agent/agent.ts', `import 'node:http'`],
    ['src/agent/agent.ts', `import fs from 'fs'`],
    ['src/agent/agent.ts', `const x = await import(name)`],
  ])('%s must not: %s', (path, text) => {
    expect(importsThatBreak(source(path, text))).toHaveLength(1)
  })

  test.each([
    ['machines/job/job.ts', `import { setup } from 'xstate'; import { x } from '../events.ts'`],
    ['streams/codec.ts', `import { createHash } from 'node:crypto'; import { z } from 'zod'; import { x } from '../machines/events.ts'`],
    ['streams/jetstream/log.ts', `import { connect } from 'nats'; import { setTimeout } from 'node:timers/promises'`],
    ['src/agent/agent.ts', `import { join } from 'node:path'; import { x } from '../../streams/codec.ts'; import { y } from '../platform/clock.ts'`],
    ['src/platform/files.ts', `import { readFile } from 'node:fs/promises'`],
    ['test/agent.test.ts', `import { connect } from 'nats'; import { x } from '../src/main.ts'`],
  ])('%s may: %s', (path, text) => {
    expect(importsThatBreak(source(path, text))).toEqual([])
  })
})

describe('time, randomness and I/O outside of the ports', () => {
  test.each([
    'setTimeout(() => {}, 1)', 'const later = setInterval', 'Date.now()', 'new Date()', 'Date()', 'performance.now()', 'Math.random()', 'const { random } = Math',
    'process.exit(1)', 'process.env.HOME', 'console.log(1)', 'await fetch(url)', 'crypto.randomUUID()', 'globalThis.setTimeout(f)', 'AbortSignal.timeout(5)',
    'const o = { Date }', 'const o = { now: Date.now }', 'class A { at = Date.now() }', 'const x = process as unknown', 'Math["random"]()',
  ])('%s', (text) => {
    expect(effectsOutsidePorts(source('src/agent/agent.ts', text))).toHaveLength(1)
  })

  test.each([
    'Math.max(1, 2)', 'new Date(5).toISOString()', 'Date.parse(text)', 'clock.setTimeout(5)', 'const o = { process: 1 }', 'class A { process = 1; fetch() {} }',
    'function f(process: number) { return process }', `import { fetch } from './fetch.ts'; fetch()`, 'let x: Date', 'interface A { performance: number }',
    'type B = (process: string) => Date', '// setTimeout', `const s = 'Date.now()'`, 'import.meta.url', 'AbortSignal.any([a])',
  ])('not %s', (text) => {
    expect(effectsOutsidePorts(source('src/agent/agent.ts', text))).toEqual([])
  })

  test('are free inside of them', () => {
    expect(effectsOutsidePorts(source('src/platform/clock.ts', 'setTimeout(f, Date.now())'))).toEqual([])
  })
})

describe('other habits', () => {
  test.each([`test.only('a', f)`, `describe.skip('a', f)`, `it.todo('a')`, `test.skip.each([1])('a', f)`])('%s is found', (text) => {
    expect(disabledTests(source('test/a.test.ts', text)).length).toBeGreaterThan(0)
  })

  test.each([`test('only', f)`, `describe.skipIf(no)('a', f)`, `test.each([1])('a', f)`, `consumer.skip('a')`])('%s is not', (text) => {
    expect(disabledTests(source('test/a.test.ts', text))).toEqual([])
  })

  test('a file that is too long is found', () => {
    expect(tooLong(source('src/a.ts', 'f()\n'.repeat(mostLines)))).toEqual([])
    expect(tooLong(source('src/a.ts', 'f()\n'.repeat(mostLines + 1)))).toHaveLength(1)
  })

  test('a registry host is found, an address of another kind is not', () => {
    const host = ['registry', 'npmjs', 'org'].join('.')
    expect(registryHosts('docs/a.md', `see https://${host}/x`)).toHaveLength(1)
    expect(registryHosts('package-lock.json', '"resolved": "https://somewhere/x.tgz"')).toHaveLength(1)
    expect(registryHosts('docs/a.md', 'nats://127.0.0.1:4222 https://example.org')).toEqual([])
  })
})
