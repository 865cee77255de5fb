import { afterAll, describe, expect, test } from 'vitest'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'
import { entryPath, projectRoot } from '../../main/base/entries'
import { openings } from '../fuzz/openings'

const built = existsSync(entryPath('store'))
const output = join(projectRoot, 'out', 'test-fuzz')
const [seed, count] = [20261130, 30]

afterAll(() => rmSync(output, { recursive: true, force: true }))

const title = `${count} workspaces that were made hostile${built ? '' : ' (skipped: run `npm run build` first)'}`

describe.skipIf(!built)(title, () => {
  test('change nothing outside, end in time, and never in an internal error', async () => {
    await build({
      configFile: false,
      root: projectRoot,
      logLevel: 'error',
      build: {
        ssr: join(projectRoot, 'test/fuzz/visitor.ts'),
        outDir: output,
        target: 'node20',
        rolldownOptions: { output: { format: 'es', entryFileNames: '[name].js' } }
      }
    })
    const faults: string[] = []
    let refused = 0
    const visitor = join(output, 'visitor.js')
    const options = { seed, first: 0, count, links: true, limit: 300, terminal: 15, visitor }
    for await (const opening of openings(options)) {
      const { place, mutation, fault, seen } = opening
      if (seen.some(({ asked }) => asked === 'opening')) refused++
      if (fault !== undefined) {
        const again = `npm run fuzz -- --seed ${seed} --first ${place} --count 1 --terminal 15`
        faults.push(`${again} (${mutation.slice(0, 200)}): ${fault}`)
      }
    }
    expect(faults).toEqual([])
    expect(refused).toBeGreaterThan(5)
    expect(refused).toBeLessThan(count)
  })
})
