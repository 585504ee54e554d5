import { defineConfig } from 'vitest/config'

const COMMON = {
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 120_000,
  // What is waited for comes; the second that is the default says only how busy the machine is.
  expect: { poll: { timeout: 30_000 } },
} as const
/** All files share three engines, and may meet there: one more try, until none needs it (ADR 69). `--retry=0` shows which do. */
const SHARED = { ...COMMON, retry: 1 } as const

/**
 * unit: no process, no network beyond loopback. integration: real engines and registries, and our server
 * in-process. acceptance: the built program as a process. The real services start once for a whole run.
 */
export default defineConfig({
  test: {
    // Engines share two cores with the tests: more workers only make each slower.
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...COMMON,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/integration/**', 'test/acceptance/**', 'test/services.test.ts'],
        },
      },
      {
        test: {
          ...SHARED,
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/services.test.ts'],
          globalSetup: ['test/services/global-setup.ts'],
        },
      },
      {
        test: {
          ...SHARED,
          name: 'acceptance',
          include: ['test/acceptance/**/*.test.ts'],
          globalSetup: ['test/services/global-setup.ts'],
        },
      },
    ],
  },
})
