import { defineConfig } from 'vitest/config'

// Whole realms of real processes: minutes on two cores.
const realmTests = ['test/faults/**/*.test.ts', 'test/command-line/bad-input.test.ts', 'test/command-line/in-a-realm.test.ts']
const longTests = ['test/**/*.long.test.ts', 'test/long/**/*.test.ts', ...realmTests]
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
          exclude: [...longTests, ...packageTests],
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
        test: { name: 'package', include: packageTests, testTimeout: 300_000, hookTimeout: 300_000 },
      },
    ],
  },
})
