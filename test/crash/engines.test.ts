import { cpSync, existsSync, readdirSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { openWebGpu } from '../../main/engine/devices/webgpu/client'
import { messageOf } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import {
  deviation,
  hasProc,
  isBuilt,
  run,
  runOf,
  sampler,
  scratch,
  start,
  susceptibilitiesOf,
  until,
  writeStudy
} from './command'

const { path, remove } = scratch()
const workspace = path('workspace')
const often = ['--checkpoint-every', '0.05']

afterAll(remove)

const susceptibilities = (name: string, from = workspace): Promise<Float32Array> => susceptibilitiesOf(name, from)
const kept = (name: string, from = workspace): Promise<RunRecord> => runOf(name, from)

/** The newest checkpoints of the sampling, in the workspace's folders of runs. */
const checkpoints = (): string[] =>
  existsSync(path('workspace', 'runs'))
    ? readdirSync(path('workspace', 'runs'), { recursive: true })
        .map(String)
        .filter((file) => file.endsWith('-1.checkpoint'))
    : []

describe.skipIf(!isBuilt)('a run that was begun on one engine', () => {
  it("goes on there, or on another by a person's word, with the same numbers but for float32 noise", async () => {
    const changes = {
      components: ['head:1.0', 'mlp:1'],
      clustering: false,
      sampler: { ...sampler, stepsBetweenDraws: 3 },
      threads: 2
    }
    const [onReference, onProcessor] = [
      await writeStudy(path, { ...changes, engine: 'reference' }, 'reference.json'),
      await writeStudy(path, { ...changes, engine: 'onnx-cpu' }, 'processor.json')
    ]
    expect(await run(['run', onProcessor, '--workspace', workspace, '--name', 'whole'])).toMatchObject({ code: 0 })
    const expected = await susceptibilities('whole')
    const begun = start(['run', onReference, '--workspace', workspace, '--name', 'moved', ...often])
    await until(() => checkpoints().length > 0, 'a checkpoint of the sampling')
    begun.killAll()
    await begun.finished

    expect(await run(['resume', 'moved', '--workspace', workspace, '--engine', 'abacus'])).toMatchObject({
      code: 9,
      stderr: expect.stringContaining('There is no engine "abacus"')
    })
    const resumed = await run(['resume', 'moved', '--workspace', workspace, '--engine', 'onnx-cpu'])
    expect(resumed).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('started on reference (CPU) and continues on onnx-cpu (CPU)')
    })
    const { provenance } = await kept('moved')
    expect(provenance).toMatchObject({ engine: { name: 'onnx-cpu' }, enginesBefore: [{ name: 'reference' }] })
    const apart = deviation(await susceptibilities('moved'), expected)
    expect(apart).toBeGreaterThan(0)
    expect(apart).toBeLessThan(1e-4)
  })

  it('is not moved by itself where its engine is gone', async () => {
    const study = await writeStudy(path, { engine: 'onnx-cuda', clustering: false }, 'cuda.json')
    const { code, stderr } = await run(['run', study, '--workspace', workspace, '--name', 'nowhere'], {
      PATH: '/nowhere'
    })
    expect(code).toBe(9)
    expect(stderr).toMatch(/no NVIDIA GPU here/)
  })
})

const missing = !isBuilt
  ? 'the program is not built'
  : !hasProc
    ? 'there is no /proc to find the process in'
    : await openWebGpu('software').then(async (executor) => executor.dispose().then(() => undefined), messageOf)

describe.skipIf(missing !== undefined)(
  `a run whose device goes away while it samples${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    it('says so, keeps a checkpoint, and goes on on the same engine or on another to the numbers of a run that lost nothing', async () => {
      const changes = {
        components: ['mlp:1'],
        clustering: false,
        threads: 2,
        sampler: { ...sampler, estimator: 'restricted', stepsBetweenDraws: 12 }
      }
      const [onProcessor, onDevice] = [
        await writeStudy(path, { ...changes, engine: 'onnx-cpu' }, 'unbroken.json'),
        await writeStudy(path, { ...changes, engine: 'webgpu-software' }, 'device.json')
      ]
      expect(await run(['run', onProcessor, '--workspace', workspace, '--name', 'unbroken'])).toMatchObject({ code: 0 })
      const expected = await susceptibilities('unbroken')

      const begun = start(['run', onDevice, '--workspace', workspace, '--name', 'lost'])
      await begun.said(/Sampling: \d+ %.*draw [2-4] of 6/)
      process.kill(begun.childOf('webgpu', begun.childOf('compute'))!, 'SIGKILL')
      const { code, stderr } = await begun.finished
      expect(code).toBe(9)
      expect(stderr).toMatch(
        /The WebGPU process ended \(killed by SIGKILL\).*run \S+ is paused; to use another engine than webgpu-software/
      )
      expect(stderr).not.toMatch(/compute process died/)
      const lost = await kept('lost')
      expect(lost).toMatchObject({
        status: 'interrupted',
        provenance: {
          engine: { name: 'webgpu-software' },
          engineLost: { message: expect.stringContaining('killed by SIGKILL') }
        }
      })
      expect((await run(['runs', '--workspace', workspace])).stdout).toContain('device lost (sample)')
      expect(checkpoints().filter((file) => file.includes(lost.id))).not.toEqual([])
      const copy = path('copied')
      cpSync(workspace, copy, { recursive: true })

      const draws = (said: string): number[] =>
        [...said.matchAll(/Sampling: \d+ %.*draw (\d) of 6/g)].map(([, draw]) => Number(draw))
      for (const [folder, engine] of [
        [workspace, undefined],
        [copy, 'onnx-cpu']
      ] as const) {
        const resumed = await run([
          'resume',
          'lost',
          '--workspace',
          folder,
          ...(engine === undefined ? [] : ['--trust', '--engine', engine])
        ])
        expect(resumed).toMatchObject({ code: 0 })
        expect(Math.min(...draws(resumed.stderr))).toBeGreaterThan(1)
        const { provenance } = await kept('lost', folder)
        expect(provenance).toMatchObject({ engine: { name: engine ?? 'webgpu-software' }, engineLost: null })
        expect(deviation(await susceptibilities('lost', folder), expected)).toBeLessThan(1e-4)
      }
    })
  }
)
