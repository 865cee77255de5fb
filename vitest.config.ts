import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import LongestFirst from './tools/vitest-sequencer.mjs'

export default defineConfig({
  test: {
    globalSetup: ['test/settings-folder.ts', 'test/tensorflow.ts'],
    include: ['test/**/*.test.ts', 'main/**/*.test.ts'],
    pool: 'forks',
    // On two cores a fourth file at a time takes more from the others than it saves.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    sequence: { sequencer: LongestFirst },
    // A limit is there only so that a hang ends: on a busy machine anything can take many times as long.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    expect: { poll: { timeout: 300_000 } },
    reporters: ['default', './tools/vitest-tally.mjs']
  }
})
