import { expect, test } from 'vitest'
import { CommandNotFound, runToEnd } from '../../src/platform/command.ts'

const environment = { PATH: process.env['PATH'] }

test('arguments arrive as they are, and nothing else of the environment does', async () => {
  const args = ['', ' a  b ', '$(id)', '`id`', '"; exit 1 #', "it's", '\\n', '😀', '*']
  const program = 'console.log(JSON.stringify([process.argv.slice(1), process.env.HOME ?? null])); console.error("said"); process.exit(3)'
  const outcome = await runToEnd(process.execPath, ['-e', program, '--', ...args], { environment, signal: AbortSignal.timeout(10_000) })
  expect(outcome).toMatchObject({ code: 3, stderr: 'said\n', aborted: false })
  expect(JSON.parse(outcome.stdout)).toEqual([args, null])
})

test('aborted: killed, and said so', async () => {
  const outcome = await runToEnd(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { environment, signal: AbortSignal.timeout(300) })
  expect(outcome).toMatchObject({ code: null, aborted: true })
  const begun = runToEnd('/nonexistent', [], { environment, signal: AbortSignal.abort() })
  expect(await begun).toEqual({ code: null, stdout: '', stderr: '', aborted: true })
})

test('a program that is not there', async () => {
  await expect(runToEnd('no-such-program', [], { environment, signal: AbortSignal.timeout(5_000) })).rejects.toThrow(CommandNotFound)
})
