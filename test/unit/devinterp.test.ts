import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { byColumn, componentOf, componentOfFolder, observableId } from '../../main/exchange/devinterp-names'
import { devinterpName } from '../../preload/devinterp-names'
import { readResults } from '../../main/exchange/devinterp-results'
import { estimateSamples } from '../../main/exchange/devinterp-estimates'
import { observationOf, openSamples } from '../../main/exchange/devinterp-samples'
import type { SamplesOptions } from '../../main/exchange/devinterp-estimates'
import type { ForeignResults } from '../../main/exchange/foreign-run'
import { ZarrFolder } from '../../main/exchange/zarr-folder'
import { describeWithShared, sharedPath } from '../shared'

const fixture = (name: string): ZarrFolder => new ZarrFolder(sharedPath('fixtures/devinterp', name))

interface Expected {
  readonly initialLoss: number
  readonly susceptibilities: Readonly<Record<string, readonly number[]>>
}

const restrictions = ['embed', 'l0h0', 'l5h1', 'l2 mlp', 'full']

const estimated = async (
  names: readonly string[],
  options: Partial<SamplesOptions> & { readonly observed?: string } = {}
): Promise<ForeignResults> => {
  const set = await openSamples(names.map(fixture), new AbortController().signal)
  return estimateSamples(set, {
    observation: observationOf(set, options.observed ?? 'train mix'),
    estimator: 'restricted',
    initialLoss: undefined,
    progress: () => undefined,
    signal: new AbortController().signal,
    ...options
  })
}

const whole = async (results: ForeignResults): Promise<{ values: number[][]; errors: number[][] }> => {
  const width = results.components.length
  const inRows = (all: Float32Array): number[][] =>
    Array.from({ length: all.length / width }, (_, row) => [...all.subarray(row * width, (row + 1) * width)])
  const [values, errors]: number[][][] = [[], []]
  for await (const block of results.blocks()) {
    values.push(...inRows(block.susceptibilities))
    errors.push(...inRows(block.standardErrors))
  }
  return { values, errors }
}

describe('names of components', () => {
  it.each([
    ['l0h1', 'head:0.1'],
    ['l12g3', 'group:12.3'],
    ['l0 mlp', 'mlp:0'],
    ['l7 attn', 'attn:7'],
    ['l3', 'layer:3'],
    ['embed', 'embed'],
    ['unembed', 'unembed'],
    ['full', 'full']
  ])('map %s to %s and back', (theirs, ours) => {
    expect(componentOf(theirs)).toBe(ours)
    expect(devinterpName(ours)).toBe(theirs)
  })

  it('are found at the end of a folder name', () => {
    expect(
      ['samples_l2 mlp.zarr', 'my.run_unembed.zarr', 'l0h11.zarr', 'diverged.zarr'].map(componentOfFolder)
    ).toEqual(['mlp:2', 'unembed', 'head:0.11', 'diverged'])
  })

  it('come in the order of columns', () => {
    const names = ['unembed', 'mlp:10', 'mlp:2', 'head:1.0', 'head:0.10', 'head:0.2', 'embed']
    expect(names.sort(byColumn)).toEqual(['embed', 'head:0.2', 'head:0.10', 'head:1.0', 'mlp:2', 'mlp:10', 'unembed'])
  })

  it('of observables become identifiers', () => {
    expect(['train mix', '2nd/github-c', 'law_xml'].map(observableId)).toEqual([
      'train_mix',
      '_2nd_github_c',
      'law_xml'
    ])
  })
})

describeWithShared("devinterp's results", () => {
  it.each([
    ['results.zarr', 2],
    ['results_with_task.zarr', 3]
  ])('are read from %s, in its version of Zarr', async (name, observables) => {
    const results = await readResults(fixture(name))
    expect(results.components).toEqual(['embed', 'head:0.0', 'head:5.1', 'mlp:2'])
    expect(results.rows).toHaveLength(16 * observables)
    expect(results.rows[0].subset).toBe('_2nd_github_c')
    expect([...results.rows[0].ids.subarray(0, 5)]).toEqual([199, 358, 349, 1090, 410])
    expect(results.rows.every(({ targets }) => targets.length === 32 && targets[0] === 1)).toBe(true)
    const { values, errors } = await whole(results)
    expect(values).toHaveLength(512 * observables)
    const first = [-0.004402659833431244, 0.10769712179899216, 0.09410902112722397, 0.058298610150814056]
    first.forEach((value, at) => expect(values[0][at]).toBeCloseTo(value, 12))
    expect(errors[0]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN])
  })

  it('of a diverged chain are refused, by the row and the column', async () => {
    await expect(readResults(fixture('samples_embed.zarr'))).rejects.toThrow(
      /susceptibilities\/sus: this array is missing/
    )
  })
})

describeWithShared("devinterp's samples", () => {
  let expected: Expected
  beforeAll(async () => {
    const text = await readFile(sharedPath('fixtures/devinterp/expected.json'), 'utf8')
    const { susceptibilities, ...rest } = JSON.parse(text) as Record<string, unknown>
    expected = {
      initialLoss: Object.values(rest)[0] as number,
      susceptibilities: susceptibilities as Expected['susceptibilities']
    }
  })
  const stores = restrictions.map((name) => `samples_${name}.zarr`)

  it.each(['restricted', 'two-chain'] as const)('give χ of the method, %s', async (estimator) => {
    const initialLoss = estimator === 'restricted' ? undefined : expected.initialLoss
    const results = await estimated(stores, { estimator, initialLoss })
    expect(results.components).toEqual(['embed', 'head:0.0', 'head:5.1', 'mlp:2'])
    const { values, errors } = await whole(results)
    let compared = 0
    for (const [column, name] of ['embed', 'l0h0', 'l5h1', 'l2 mlp'].entries()) {
      const columns = ['_2nd_github_c', 'law_xml'].flatMap(
        (id) => expected.susceptibilities[`${name}|${id}|${estimator}`]
      )
      const scale = Math.sqrt(columns.reduce((sum, value) => sum + value ** 2, 0) / columns.length)
      columns.forEach((value, token) => {
        expect(Math.abs(values[token][column] - value)).toBeLessThan(1e-6 * scale)
        compared++
      })
      const ofColumn = errors.map((row) => row[column])
      expect(Math.min(...ofColumn)).toBeGreaterThan(0)
    }
    expect(compared).toBe(4 * 1024)
    for (const one of results.diagnostics.filter(({ component }) => component !== 'full')) {
      expect(one.reliability).toBeGreaterThan(-1)
      expect(one.reliability).toBeLessThanOrEqual(1)
      expect(one.failedChains).toEqual([])
    }
    expect(results.parts).toBe(2)
    expect(results.notes[0]).toContain(`by the ${estimator} estimator`)
    expect(results.notes[1]).toContain('from the loss of sampling batches')
    expect(results.sampler).toMatchObject({ nBeta: 3, gamma: 300, stepSize: 1e-5, draws: 8, chains: 2, batchSize: 8 })
    await results.close()
  })

  it('are refused where sampling was stopped, in one sentence', async () => {
    await expect(estimated(['interrupted.zarr', 'samples_embed.zarr'])).rejects.toThrow(
      /interrupted\.zarr: its sampling was stopped before the end: 8 of 16 draws are there; sample this restriction again, or leave it out\.$/
    )
  })

  it('leave out a restriction whose chains diverged, and say so', async () => {
    const results = await estimated(['diverged.zarr', 'samples_l0h0.zarr'])
    expect(results.components).toEqual(['head:0.0'])
    expect(results.notes).toContain('Chain 2 of diverged is left out: its loss is not finite from draw 2 on.')
    expect(results.notes).toContain('The sampler of diverged had other settings than that of head:0.0.')
    expect(results.diagnostics.find(({ component }) => component === 'diverged')?.failedChains).toHaveLength(2)
    await expect(estimated(['diverged.zarr'])).rejects.toThrow(
      /diverged\.zarr: every chain of diverged diverged.*smaller lr \(it was 3\)/
    )
  })

  it('need the name of the observable whose loss is L, if there are several', async () => {
    const set = await openSamples([fixture('samples_embed.zarr')], new AbortController().signal)
    expect(() => observationOf(set, undefined)).toThrow(
      /name with --observation .* "_2nd_github_c", "law_xml", "train_mix"/
    )
    expect(observationOf(set, '2nd/github-c').id).toBe('_2nd_github_c')
  })

  it('need samples of full for two chains', async () => {
    await expect(estimated(['samples_embed.zarr'], { estimator: 'two-chain', initialLoss: 3.5 })).rejects.toThrow(
      /needs samples of full/
    )
  })
})
