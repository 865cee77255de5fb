import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { importResultsInto, inspectForeign } from '../../main/api/foreign-imports'
import type { ForeignRequest } from '../../main/api/foreign-imports'
import { readResults } from '../../main/exchange/devinterp-results'
import { readMatrixFile } from '../../main/exchange/matrix-file'
import { writeNpy } from '../../main/exchange/npy'
import { ZarrFolder } from '../../main/exchange/zarr-folder'
import { meanLossOf } from '../../main/pipeline/mean-loss'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import type { ForeignAnswer } from '../../preload/contract'
import { describeWithShared, sharedPath } from '../shared'
import { temporaryFolder } from './store-fixture'

const fixture = (name: string): string => sharedPath('fixtures/devinterp', name)
const samples = ['full', 'embed', 'l0h0', 'l5h1', 'l2 mlp'].map((name) => fixture(`samples_${name}.zarr`))
const never = new AbortController().signal

let place: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => (place = await temporaryFolder()))
afterEach(() => place.remove())

const imported = (request: ForeignRequest, signal = never): Promise<ForeignAnswer> =>
  importResultsInto(join(place.folder, 'work'), request, { signal, onEvent: () => undefined })

const inWorkspace = async <T>(work: (workspace: Workspace) => Promise<T>): Promise<T> => {
  const workspace = await openWorkspace(join(place.folder, 'work'), { readOnly: true })
  try {
    return await work(workspace)
  } finally {
    await workspace.close()
  }
}

describeWithShared('an import of results of devinterp', () => {
  it('is a finished run without clusters, whose standard errors are unknown', async () => {
    const answer = await imported({ paths: [fixture('results.zarr')] })
    expect(answer).toMatchObject({
      name: 'results',
      tokens: 1024,
      components: ['embed', 'head:0.0', 'head:5.1', 'mlp:2']
    })
    await inWorkspace(async (workspace) => {
      const run = await workspace.getRun(answer.run)
      const { initialLoss } = run
      expect(initialLoss).toBeNaN()
      expect(run).toMatchObject({ status: 'finished', tokens: 1024, probeRows: 32, clusterings: [] })
      expect(run.provenance.foreign).toMatchObject({ kind: "devinterp's results", settings: false })
      const { susceptibilities, standardErrors } = await workspace.getSusceptibilities(answer.run)
      expect(susceptibilities[0]).toBeCloseTo(-0.004402659833431244, 8)
      expect(standardErrors.every(Number.isNaN)).toBe(true)
      expect((await workspace.getTexts(answer.run)).texts).toEqual([])
    })
  })

  it('has the texts of the tokenizer that is given', async () => {
    const answer = await imported({ paths: [fixture('results_with_task.zarr')], model: sharedPath('fixtures/neox-2m') })
    expect(answer.tokens).toBe(1536)
    await inWorkspace(async (workspace) => {
      const { texts } = await workspace.getTexts(answer.run)
      expect(texts.length).toBeGreaterThan(100)
    })
  })

  it('of samples has standard errors, reliabilities, two parts and traces', async () => {
    const answer = await imported({ paths: samples, observation: 'train mix', name: 'restrictions' })
    expect(answer.name).toBe('restrictions')
    await inWorkspace(async (workspace) => {
      const run = await workspace.getRun(answer.run)
      expect(run.configuration.sampler).toMatchObject({ method: 'psgld', nBeta: 3, draws: 8, estimator: 'restricted' })
      expect(await workspace.countParts(answer.run)).toBe(2)
      const { standardErrors } = await workspace.getSusceptibilities(answer.run)
      expect(standardErrors.every((error) => error > 0)).toBe(true)
      const diagnostics = await workspace.getDiagnostics(answer.run)
      expect(diagnostics.map(({ component }) => component)).toEqual(['embed', 'head:0.0', 'head:5.1', 'mlp:2'])
      expect(diagnostics.every(({ reliability }) => Number.isFinite(reliability))).toBe(true)
    })
  })

  it('leaves nothing when it is stopped', async () => {
    const stopped = AbortSignal.abort()
    await expect(imported({ paths: samples, observation: 'train_mix' }, stopped)).rejects.toMatchObject({
      kind: 'interrupted'
    })
    await inWorkspace(async (workspace) => expect(await workspace.listRuns()).toEqual([]))
  })

  it('refuses a tokenizer that lacks ids of the rows', async () => {
    const request = { paths: [fixture('results.zarr')], model: join(place.folder, 'tokenizer') }
    await mkdir(request.model)
    const text = JSON.parse(await readFile(sharedPath('fixtures/neox-2m/tokenizer.json'), 'utf8')) as {
      model: { vocab: Record<string, number>; merges: unknown[] }
      added_tokens: unknown[]
    }
    const known = Object.entries(text.model.vocab).filter(([, id]) => id < 300)
    text.model.vocab = Object.fromEntries(known)
    text.model.merges = []
    await writeFile(join(request.model, 'tokenizer.json'), JSON.stringify(text))
    await expect(imported(request)).rejects.toThrow(/give the model that the rows were made for/)
  })

  it('takes a folder of samples, and says which stores do not belong to it', async () => {
    const folder = join(place.folder, 'some samples')
    await mkdir(folder)
    for (const path of samples.slice(1, 3)) await cp(path, join(folder, path.split('/').at(-1)!), { recursive: true })
    const inspection = await inspectForeign([folder], never)
    expect(inspection).toMatchObject({ kind: 'samples', components: ['embed', 'head:0.0'] })
    expect(inspection.observables).toContainEqual({ id: 'law_xml', rows: 16, tokens: 512 })
    await expect(imported({ paths: [fixture('')] })).rejects.toThrow(/make a run of their own/)
  })

  it('needs a model for two chains', async () => {
    await expect(imported({ paths: samples, observation: 'train_mix', estimator: 'two-chain' })).rejects.toThrow(
      /needs L\(w\*\).*--model/
    )
  })

  it('measures L(w*) of two chains with the model', async () => {
    const store = new ZarrFolder(samples[0])
    const ids = Int32Array.from(await store.numbers((await store.find('input_ids_train_mix'))!, [null, null]))
    const rows = Array.from({ length: 16 }, (_, row) => ids.subarray(33 * row, 33 * (row + 1)))
    const loss = await meanLossOf({ model: sharedPath('fixtures/neox-2m'), rows, engine: 'auto' }, () => undefined)
    expect(loss).toBeCloseTo(3.5200779347876296, 5)
  })
})

describeWithShared('a store from elsewhere', () => {
  const copy = async (name = 'results.zarr'): Promise<string> => {
    const path = join(place.folder, name)
    await cp(fixture(name), path, { recursive: true })
    return path
  }
  const read = async (path: string): Promise<void> => {
    const results = await readResults(new ZarrFolder(path))
    for await (const { susceptibilities } of results.blocks()) expect(susceptibilities.length).toBeGreaterThan(0)
  }
  const refused = (path: string, words: RegExp): Promise<void> =>
    expect(read(path)).rejects.toMatchObject({ kind: 'input', message: expect.stringMatching(words) as string })

  const edit = async (path: string, change: (array: Record<string, unknown>) => void): Promise<void> => {
    const array = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    change(array)
    await writeFile(path, JSON.stringify(array))
  }

  it('may not have links, to files or folders', async () => {
    const path = await copy()
    const chunk = join(path, 'susceptibilities/sus/c/0/0')
    await rename(chunk, join(place.folder, 'secret'))
    await symlink(join(place.folder, 'secret'), chunk)
    await refused(path, /susceptibilities\/sus\/c\/0\/0: this is a link/)
    await rm(join(path, 'context'), { recursive: true })
    await symlink(fixture('results.zarr/context'), join(path, 'context'))
    await refused(path, /context\/.*: this is a link/)
  })

  it('may not claim a chunk larger than it has, in array or frame', async () => {
    const path = await copy()
    const array = join(path, 'susceptibilities/sus/zarr.json')
    await edit(array, (one) => (one.chunk_grid = { name: 'regular', configuration: { chunk_shape: [2 ** 30, 4] } }))
    await refused(path, /a chunk has 17,179,869,184 bytes/)
    await edit(array, (one) => (one.chunk_grid = { name: 'regular', configuration: { chunk_shape: [2048, 4] } }))
    await refused(path, /this chunk holds 16384 bytes, not the 32768 of its array/)
  })

  it('is refused for damaged chunks, foreign codecs and types, by the array', async () => {
    const path = await copy()
    const array = join(path, 'susceptibilities/sus/zarr.json')
    await writeFile(join(path, 'susceptibilities/sus/c/0/0'), 'damaged')
    await refused(path, /not compressed by zstd, or is damaged/)
    await edit(array, (one) => (one.codecs = [{ name: 'bytes' }, { name: 'gzip' }]))
    await refused(path, /susceptibilities\/sus: this array cannot be read: it is compressed by "gzip"/)
    await edit(array, (one) => (one.data_type = 'complex128'))
    await refused(path, /it holds "complex128"/)
    await writeFile(array, '{')
    await refused(path, /sus\/zarr\.json: /)
  })

  it('is refused for a missing chunk, which is filled with NaN', async () => {
    const path = await copy()
    await rm(join(path, 'susceptibilities/sus/c/0/0'))
    await refused(path, /row 0, column 0 is not a finite number/)
  })

  it('is refused for positions outside of the rows', async () => {
    const path = await copy()
    const array = join(path, 'susceptibilities/target_position')
    await rm(join(array, 'c/0'))
    await refused(path, /element 0 is 0, and its row has the targets 1 to 32/)
  })

  it('is refused for a name that leads out of it', async () => {
    const store = new ZarrFolder(await copy())
    await expect(store.find('../results.zarr/susceptibilities/sus')).rejects.toThrow(/leads out of it/)
  })
})

describe('a matrix alone', () => {
  const write = async (shape: readonly number[], lines: readonly string[]): Promise<ForeignRequest> => {
    const [path, tokens] = [join(place.folder, 'chi.npy'), join(place.folder, 'tokens.csv')]
    await writeNpy(path, shape, [Float32Array.from({ length: shape[0] * shape[1] }, (_, at) => at / 2)])
    await writeFile(join(place.folder, 'components.json'), '["embed", "head:0.1"]')
    await writeFile(tokens, ['row,position,id,subset', ...lines].join('\n'))
    return { paths: [path], tokens }
  }
  const lines = ['0,1,7,law', '0,3,8,law', '4,1,9,code']

  it('becomes a run, with the subsets of its tokens', async () => {
    const answer = await imported(await write([3, 2], lines))
    expect(answer).toMatchObject({ name: 'chi', tokens: 3, components: ['embed', 'head:0.1'] })
    await inWorkspace(async (workspace) => {
      const study = await workspace.getStudy(answer.run)
      expect(study.probe.map((ids) => [...ids])).toEqual([
        [10, 7, 10, 8],
        [10, 9]
      ])
      expect(study.targets.map((targets) => [...targets])).toEqual([[1, 3], [1]])
      expect(study.provenance.map(({ subset }) => subset)).toEqual(['law', 'code'])
      const { susceptibilities } = await workspace.getSusceptibilities(answer.run)
      expect([...susceptibilities]).toEqual([0, 0.5, 1, 1.5, 2, 2.5])
    })
  })

  it('is refused in one sentence where it does not fit its table', async () => {
    const refused = async (request: ForeignRequest, words: RegExp): Promise<void> =>
      expect(readMatrixFile(request.paths[0], request.tokens ?? '')).rejects.toThrow(words)
    await refused(await write([4, 2], lines), /its shape is 4 × 2, and it must be that of 3 tokens/)
    await refused(await write([3, 2], ['0,0,7,law']), /line 2 is out of order/)
    await refused(await write([3, 2], ['0,1,x,law']), /line 2 is wrong at "id"/)
    await refused(
      { ...(await write([3, 2], lines)), tokens: join(place.folder, 'none.csv') },
      /cannot be read \(ENOENT\)/
    )
  })
})

describe('a folder that is none', () => {
  it.each([[[]], [['x']]])('is refused in one sentence (%j)', async (names) => {
    const folder = await mkdtemp(join(tmpdir(), 'no-store-'))
    try {
      for (const name of names) await mkdir(join(folder, name))
      await expect(inspectForeign([folder], never)).rejects.toThrow(/is no Zarr store and has none in it/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
