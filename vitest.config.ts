import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

const isSeeded = process.env.CI === 'true' || process.env.TEST_PROPERTY_SEED !== undefined

const isOnPostgres = process.env.TEST_STORAGE?.startsWith('postgres') === true

export default defineConfig({
  resolve: {
    // The package's own `#…` imports point at dist/; tests run the sources.
    alias: {
      '#sha256': source('crypto/sha256-node.ts'),
      '#ed25519': source('crypto/ed25519-node.ts'),
      '#ml-dsa': source('crypto/ml-dsa-node.ts'),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    // Files share a process and the modules in it, since loading those anew takes longer than most tests do. What a
    // helper starts for one file is ended by support/endings.ts.
    isolate: false,
    // One more than there are cores, as some tests wait for most of their time.
    maxWorkers: availableParallelism() + 1,
    // The PostgreSQL that tests share ends with the run; it starts with the first test that wants it.
    globalSetup: ['test/support/postgres-run.ts'],
    setupFiles: ['test/support/setup.ts', ...(isSeeded ? ['test/support/property-seed.ts'] : [])],
    // Where a run decides about a merge, a test of processes and time that fails once may try again; it is reported.
    retry: process.env.CI === 'true' ? 1 : 0,
    // Suites that were made for an embedded store ask a database a hundred thousand times.
    testTimeout: isOnPostgres ? 300_000 : 60_000,
    hookTimeout: 60_000,
  },
})
