import { defineConfig } from 'vitest/config'

// Whole realms of real processes: minutes on two cores.
const realmTests = ['test/faults/**/*.test.ts', 'test/command-line/bad-input.test.ts', 'test/command-line/in-a-realm.test.ts']
const longTests = ['test/**/*.long.test.ts', 'test/long/**/*.test.ts', ...realmTests]
// One realm of real processes at a time: two would fight for two cores, and one of their promises is a time (Ctrl-C).
const processTests = ['test/up/**/*.test.ts', 'test/agent/process.test.ts', 'test/service/plain-client.test.ts']
const packageTests = ['test/package/**/*.test.ts']

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    allowOnly: false,
    projects: [
      {
        // `npm test`: everything that a change should be tried with.
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...processTests, ...longTests, ...packageTests],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        // `npm test`, after the others.
        extends: true,
        test: {
          name: 'processes',
          include: processTests,
          exclude: longTests,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        // `npm run test:long`, in CI: campaigns and faults that take minutes.
        extends: true,
        test: { name: 'long', include: longTests, testTimeout: 900_000, hookTimeout: 300_000 },
      },
      {
        // `npm run test:long`, in CI: the package as others install it.
        extends: true,
        test: { name: 'package', include: packageTests, testTimeout: 900_000, hookTimeout: 900_000 },
      },
    ],
  },
})
