import { readFileSync, readdirSync, existsSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { isBuilt, run, sampler, scratch, start, until, writeStudy } from './command'

const { path, remove } = scratch()
const workspace = path('workspace')
const often = ['--checkpoint-every', '0.05']

afterAll(remove)

/** χ̂ as exported, [tokens × components]. */
const susceptibilities = async (name: string): Promise<Float32Array> => {
  expect(await run(['export', name, '--workspace', workspace, '--format', 'npy', '--out', path(`export-${name}`)])).toMatchObject({ code: 0 })
  const file = readFileSync(path(`export-${name}`, 'susceptibilities.npy'))
  const start = 10 + file.readUInt16LE(8)
  return new Float32Array(file.buffer.slice(file.byteOffset + start, file.byteOffset + file.length))
}

interface Shown {
  readonly run: { readonly id: string; readonly provenance: { readonly engine: { readonly name: string }; readonly enginesBefore?: readonly { readonly name: string }[]; readonly engineLost?: object | null } }
}
const shown = async (name: string): Promise<Shown> => JSON.parse((await run(['show', name, '--workspace', workspace, '--json'])).stdout) as Shown

describe.skipIf(!isBuilt)('a run that was begun on one engine', () => {
  it('goes on there, or on another by a person\'s word, with the same numbers but for float32 noise', async () => {
    const changes = { components: ['head:1.0', 'mlp:1'], clustering: false, sampler: { ...sampler, stepsBetweenDraws: 3 }, threads: 2 }
    const [onReference, onProcessor] = [await writeStudy(path, { ...changes, engine: 'reference' }, 'reference.json'), await writeStudy(path, { ...changes, engine: 'onnx-cpu' }, 'processor.json')]
    expect(await run(['run', onProcessor, '--workspace', workspace, '--name', 'whole'])).toMatchObject({ code: 0 })
    const expected = await susceptibilities('whole')
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expect(largest).toBeGreaterThan(0)

    const begun = start(['run', onReference, '--workspace', workspace, '--name', 'moved', ...often])
    const checkpoints = (): string[] => (existsSync(path('workspace', 'runs')) ? readdirSync(path('workspace', 'runs'), { recursive: true }).map(String).filter((file) => file.endsWith('-1.checkpoint')) : [])
    await until(() => checkpoints().length > 0, 'a checkpoint of the sampling')
    begun.killAll()
    await begun.finished

    expect(await run(['resume', 'moved', '--workspace', workspace, '--engine', 'abacus'])).toMatchObject({ code: 9, stderr: expect.stringContaining('There is no engine "abacus"') })
    const resumed = await run(['resume', 'moved', '--workspace', workspace, '--engine', 'onnx-cpu'])
    expect(resumed).toMatchObject({ code: 0, stderr: expect.stringContaining('was begun on reference (CPU) and goes on on onnx-cpu (CPU)') })
    const { run: { provenance } } = await shown('moved')
    expect(provenance).toMatchObject({ engine: { name: 'onnx-cpu' }, enginesBefore: [{ name: 'reference' }] })
    const moved = await susceptibilities('moved')
    expect(moved).toHaveLength(expected.length)
    const apart = moved.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at])), 0)
    expect(apart).toBeGreaterThan(0)
    expect(apart / largest).toBeLessThan(1e-4)
  }, 180_000)

  it('is not moved by itself where its engine is gone', async () => {
    const study = await writeStudy(path, { engine: 'onnx-cuda', clustering: false }, 'cuda.json')
    const { code, stderr } = await run(['run', study, '--workspace', workspace, '--name', 'nowhere'], { PATH: '/nowhere' })
    expect(code).toBe(9)
    expect(stderr).toMatch(/no NVIDIA GPU here/)
  })
})
