/** Commands that a text names reach the realm that the text is about, however it was reached. */
import { afterEach, expect, test } from 'vitest'
import { type Reached, commandHere, reachedBy, textHere } from '../../src/command-line/here.ts'

const plainly: Reached = { settings: { server: undefined, realm: 'reeve', data: '/home/a/.reeve', login: {}, sources: {} }, config: undefined, workingFolder: '/home/a', commands: ['group', 'log', 'up'] }
const reached = (settings: Partial<Reached['settings']>, more: Partial<Reached> = {}) => reachedBy({ ...plainly, ...more, settings: { ...plainly.settings, ...settings } })
afterEach(() => reachedBy(plainly))

test.each<readonly [string, Partial<Reached['settings']>, Partial<Reached>, string]>([
  ['nothing was given', {}, {}, ''],
  ['a data folder and a realm', { data: '/tmp/my data', realm: 'two', sources: { data: '--data', realm: '--realm' } }, {}, " --realm two --data '/tmp/my data'"],
  ['a variable of this terminal alone', { data: '/tmp/x', sources: { data: 'environment REEVE_DATA' } }, {}, ' --data /tmp/x'],
  ['servers and a login: never a password', { server: 'nats://me:secret@a:4222,nats://b:4222', login: { user: 'me', pass: 'secret' }, sources: { server: '--server', user: '--user' } }, {}, ' --server \'nats://…@a:4222,nats://b:4222\' --user me'],
  ['a file that was found in this folder', { data: '/tmp/x', realm: 'two', sources: { data: '/home/a/reeve.yaml', realm: '/home/a/reeve.yaml' } }, {}, ''],
  ['a file that was named', { data: '/tmp/x', sources: { data: '/home/a/other.yaml' } }, { config: 'other.yaml' }, ' --config /home/a/other.yaml'],
])('%s: a command that a text names reaches the same realm', (_name, settings, more, options) => {
  reached(settings, more)
  expect(commandHere('reeve group list')).toBe(`reeve group list${options}`)
  const started = options === '' ? 'npm start' : `npm start --${options}`
  expect(textHere('see "reeve group show G"; or "reeve up" (in a clone: "npm start")')).toBe(`see "reeve group show G${options}"; or "reeve up${options}" (in a clone: "${started}")`)
})

test('a service that is called like one is no command', () => {
  reached({ data: '/tmp/x', sources: { data: '--data' } })
  const text = 'site north has no service "reeve 1"; nor "reeve groups", "reeve"'
  expect(textHere(text)).toBe(text)
})

test('what wrote a file, or reads one, is of no realm', () => {
  reached({ data: '/tmp/x', sources: { data: '--data' } })
  const text = 'a file written by "reeve log export", or one of an archive, was expected; "reeve log verify --from f.ndjson" says more'
  expect(textHere(text)).toBe(text)
  expect(textHere('"reeve log verify" says more')).toBe('"reeve log verify --data /tmp/x" says more')
})
