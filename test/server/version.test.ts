import { describe, expect, test } from 'vitest'
import { compareVersions, isNewEnough, parseVersion, type NatsServerVersion } from '../../src/server/version.ts'

const version = (major: number, minor: number, patch: number): NatsServerVersion => ({ major, minor, patch })

describe('versions of nats-server', () => {
  test.each([
    ['nats-server: v2.15.1\n', version(2, 15, 1)],
    ['nats-server: v2.14.0-RC.2', version(2, 14, 0)],
    ['2.9.10-1', version(2, 9, 10)],
    ['2.15.1', version(2, 15, 1)],
  ])('%j is read', (text, expected) => {
    expect(parseVersion(text)).toEqual(expected)
  })

  test.each(['', 'nats-server', 'v2.14', '.draft-x', 'damaged', '1.2.3.4'])('%j is no version', (text) => {
    expect(parseVersion(text)).toBeUndefined()
  })

  test('numbers are compared as numbers, the major one first', () => {
    expect(compareVersions(version(2, 9, 10), version(2, 14, 0))).toBeLessThan(0)
    expect(compareVersions(version(3, 0, 0), version(2, 99, 99))).toBeGreaterThan(0)
    expect(compareVersions(version(2, 14, 1), version(2, 14, 1))).toBe(0)
  })

  test('2.14 is the oldest that serves', () => {
    expect(isNewEnough(version(2, 13, 9))).toBe(false)
    expect(isNewEnough(version(2, 14, 0))).toBe(true)
  })
})
