import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { build } from 'vite'
import { entryPath, projectRoot } from '../../main/base/entries'
import { openWebGpu } from '../../main/engine/devices/webgpu/client'
import { messageOf } from '../../preload/errors'
import type { SamplingInput } from '../../main/sampling/input'
import { tinyRows, writeTinyModel } from '../tiny-model'

const built = existsSync(entryPath('sampling-worker'))
const missing = built
  ? await openWebGpu('software').then(async (executor) => executor.dispose().then(() => undefined), messageOf)
  : 'the program is not built'

describe.skipIf(!built)(
  built ? 'sampling in worker threads' : 'sampling in worker threads (skipped: run `npm run build` first)',
  () => {
    const output = join(projectRoot, 'out', 'test')
    let folder: string

    beforeAll(async () => {
      folder = await writeTinyModel(mkdtempSync(join(tmpdir(), 'sampling-crash-')))
      writeFileSync(
        join(folder, 'rows.json'),
        JSON.stringify(tinyRows({ sampling: 10, observation: 6, probe: 8, length: 24 }))
      )
      await build({
        configFile: false,
        root: projectRoot,
        logLevel: 'error',
        build: {
          ssr: join(projectRoot, 'test/crash/sampling-child.ts'),
          outDir: output,
          emptyOutDir: false,
          target: 'node20',
          rolldownOptions: { output: { format: 'es', entryFileNames: '[name].js' } }
        }
      })
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    /**
     * Runs the child until it finishes, or until it has said `lines` lines and `delay` ms have gone, then kills it.
     * It writes a checkpoint every few stages.
     */
    const run = async (
      threads: number,
      kill?: { readonly lines: number; readonly delay: number },
      changes: Partial<SamplingInput> = {}
    ): Promise<string[]> => {
      const child = spawn(
        process.execPath,
        [join(output, 'sampling-child.js'), folder, String(threads), JSON.stringify(changes)],
        { stdio: ['ignore', 'pipe', 'inherit'] }
      )
      let text = ''
      child.stdout.setEncoding('utf8')
      child.stdout.on('data', (chunk: string) => {
        text += chunk
        if (kill !== undefined && text.split('\n').length > kill.lines)
          setTimeout(() => child.kill('SIGKILL'), kill.delay)
      })
      await new Promise((resolve) => child.once('close', resolve))
      return text.split('\n').filter((line) => line !== '')
    }
    const clear = (): void => rmSync(join(folder, 'checkpoints'), { recursive: true, force: true })

    it('gives the same numbers with one and three threads, and with two that are killed again and again', async () => {
      const expected = (await run(1)).at(-1)
      expect(expected).toMatch(/^finished 184 [0-9a-f]{64}$/)
      clear()
      expect((await run(3)).at(-1)).toBe(expected)
      clear()
      let draws = 10 * 12
      // By line 25 the third draw has begun, ten steps after a checkpoint of the first; by line 14 of the next, the
      // one after that.
      for (const [lines, delay, kept] of [
        [1, 0, 0],
        [8, 3, 0],
        [25, 11, 10],
        [14, 29, 10]
      ] as const) {
        const said = await run(2, { lines, delay })
        expect(said.at(-1)).toMatch(/^draw/)
        expect(said.length).toBeLessThan(draws)
        draws -= kept
      }
      const left = await run(3)
      expect(left.at(-1)).toBe(expected)
      expect(left.length).toBeLessThanOrEqual(draws + 1)
      expect(readdirSync(join(folder, 'checkpoints')).filter((name) => name.endsWith('.tmp'))).toEqual([])
    })

    it.skipIf(missing !== undefined)(
      'gives the same numbers where threads update what a device computes, and after being ' +
        `killed${missing === undefined ? '' : ` (skipped: ${missing})`}`,
      async () => {
        // Few components, as software Vulkan compiles the shaders of each anew in every process.
        const device: Partial<SamplingInput> = { engine: 'webgpu-software', components: ['unembed'] }
        clear()
        const expected = (await run(1, undefined, device)).at(-1)
        expect(expected).toMatch(/^finished 184 [0-9a-f]{64}$/)
        clear()
        expect((await run(3, { lines: 17, delay: 11 }, device)).at(-1)).toMatch(/^draw/)
        expect((await run(4, undefined, device)).at(-1)).toBe(expected)
      }
    )
  }
)
