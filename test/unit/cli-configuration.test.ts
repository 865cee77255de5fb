import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClusteringChanges, changedClustering } from '../../main/api/clusters'
import { checkConfiguration, chooseComponents, readConfiguration } from '../../main/pipeline/checks'
import {
  type ClusteringConfiguration,
  type ClusteringSettings,
  type RunConfiguration,
  clusteringSchema,
  parseConfiguration,
  presetNames,
  presets,
  samplingMethods,
  standardPreset,
  suitClustering
} from '../../preload/configuration'
import type { SpectroscopeError } from '../../preload/errors'
import { writeTinyModel } from '../tiny-model'

const refusal = (value: unknown): SpectroscopeError => {
  try {
    parseConfiguration(value, 'study.json')
  } catch (error) {
    return error as SpectroscopeError
  }
  throw new Error('The configuration was accepted.')
}

describe('a configuration', () => {
  const parsed = (changes: object = {}): RunConfiguration =>
    parseConfiguration({ model: 'm', rows: 'r.json', ...changes }, 'study.json')

  it('takes its defaults from the first-order preset, and leaves what suits a clustering to its study', () => {
    const configuration = parsed()
    expect(configuration).toMatchObject({ components: 'all', seed: 1, engine: 'auto' })
    expect(configuration.sampler).toEqual({ ...presets['first-order'], preset: 'first-order' })
    expect(configuration.clustering).toEqual({
      method: 'communities',
      neighbours: 'auto',
      recall: 1,
      symmetrize: 'union',
      whiten: 'auto',
      allColumns: false,
      minSize: 'auto',
      stability: true,
      resolution: 'auto',
      levels: 3,
      seeds: 4
    })
    expect(parsed({ clustering: { method: 'acl' } }).clustering).toEqual({
      method: 'acl',
      neighbours: 'auto',
      recall: 1,
      symmetrize: 'union',
      whiten: 'auto',
      allColumns: false,
      minSize: 'auto',
      stability: true,
      alpha: 0.001,
      epsilon: 1e-7,
      rule: 'local',
      maxRejections: 200,
      remaining: 0.001
    })
  })

  it('takes them from the preset that is named, and keeps what is given', () => {
    for (const preset of presetNames)
      expect(parsed({ sampler: { preset } }).sampler).toEqual({ ...presets[preset], preset })
    expect(parsed({ sampler: { preset: 'quick', rounds: 7, targetReliability: false } }).sampler).toEqual({
      ...presets.quick,
      preset: 'quick',
      rounds: 7,
      targetReliability: false
    })
    expect(parsed({ sampler: { preset: 'paper', draws: 7 } }).sampler).toEqual({
      ...presets.paper,
      preset: 'paper',
      draws: 7
    })
    expect(parsed({ sampler: { preset: 'all-orders', draws: 8 } }).sampler).toEqual({
      ...presets['all-orders'],
      preset: 'all-orders',
      draws: 8
    })
  })

  it('takes them from the standard preset of a method where only that is given', () => {
    expect(samplingMethods.map(standardPreset)).toEqual(['first-order', 'all-orders', 'paper'])
    expect(parsed({ sampler: { method: 'gradient' } }).sampler).toEqual({
      ...presets['all-orders'],
      preset: 'all-orders'
    })
    expect(parsed({ sampler: { method: 'psgld', chains: 2 } }).sampler).toEqual({
      ...presets.paper,
      preset: 'paper',
      chains: 2
    })
    expect(parsed({ sampler: { method: 'first-order', preset: 'quick' } }).sampler).toEqual({
      ...presets.quick,
      preset: 'quick'
    })
  })

  it('clusters as published with the paper preset, but for what is given', () => {
    for (const sampler of [{ preset: 'paper' }, { method: 'psgld' }])
      expect(parsed({ sampler }).clustering).toMatchObject({
        method: 'acl',
        neighbours: 45,
        minSize: 20,
        whiten: false,
        alpha: 0.001
      })
    expect(
      parsed({ sampler: { preset: 'paper' }, clustering: { neighbours: 'auto', minSize: 5 } }).clustering
    ).toMatchObject({ method: 'acl', neighbours: 'auto', minSize: 5, whiten: false })
    expect(parsed({ sampler: { preset: 'paper' }, clustering: { method: 'communities' } }).clustering).toMatchObject({
      method: 'communities',
      neighbours: 45,
      resolution: 'auto'
    })
    for (const preset of presetNames.filter((name) => name !== 'paper')) {
      expect(parsed({ sampler: { preset }, clustering: { minSize: 5 } }).clustering).toMatchObject({
        method: 'communities',
        neighbours: 'auto',
        minSize: 5,
        whiten: 'auto'
      })
    }
  })

  it('can do without a clustering', () => {
    for (const preset of presetNames) expect(parsed({ sampler: { preset }, clustering: false }).clustering).toBe(false)
  })

  it.each([
    [{ rows: 'r.json' }, /"model"/],
    [{ model: 'm' }, /either "corpus" or "rows"/],
    [{ model: 'm', rows: 'r.json', corpus: { files: ['a'] } }, /either "corpus" or "rows"/],
    [{ model: 'm', rows: 'r.json', sedd: 1 }, /unknown key "sedd"/],
    [{ model: 'm', rows: 'r.json', sampler: { nbeta: 3 } }, /unknown key "sampler\.nbeta"/],
    [{ model: 'm', rows: 'r.json', sampler: { gamma: -1 } }, /"sampler\.gamma"/],
    [{ model: 'm', rows: 'r.json', sampler: { method: 'psgld', draws: 1 } }, /"sampler\.draws"/],
    [{ model: 'm', rows: 'r.json', sampler: { method: 'psgld', estimator: 'three-chain' } }, /"sampler\.estimator"/],
    [{ model: 'm', rows: 'r.json', sampler: { preset: 'fast' } }, /"sampler\.preset"/],
    [{ model: 'm', rows: 'r.json', sampler: { method: 'sgld' } }, /"sampler\.method"/],
    [{ model: 'm', rows: 'r.json', sampler: { targetReliability: 1 } }, /"sampler\.targetReliability"/],
    [{ model: 'm', rows: 'r.json', sampler: { targetReliability: true } }, /"sampler\.targetReliability"/],
    [{ model: 'm', rows: 'r.json', sampler: { pairs: 'some' } }, /"sampler\.pairs"/],
    [{ model: 'm', rows: 'r.json', sampler: { rounds: 0 } }, /"sampler\.rounds"/],
    [{ model: 'm', rows: 'r.json', sampler: { remainderDraws: 6 } }, /"sampler\.remainderDraws"/],
    [{ model: 'm', rows: 'r.json', clustering: { neighbours: 'all' } }, /"clustering\.neighbours"/],
    [{ model: 'm', rows: 'r.json', clustering: { minSize: 0 } }, /"clustering\.minSize"/],
    [{ model: 'm', rows: 'r.json', clustering: { whiten: 'yes' } }, /"clustering\.whiten"/],
    [{ model: 'm', corpus: { files: [] } }, /"corpus\.files"/],
    [{ model: 'm', corpus: { files: [3] } }, /"corpus\.files\[0\]"/],
    [{ model: 'm', rows: 'r.json', clustering: { alpha: 2 } }, /"clustering\.alpha"/],
    [{ model: 'm', rows: 'r.json', clustering: { method: 'louvain' } }, /"clustering\.method"/],
    [{ model: 'm', rows: 'r.json', clustering: { resolution: 0 } }, /"clustering\.resolution"/],
    [{ model: 'm', rows: 'r.json', clustering: { resolution: -1 } }, /"clustering\.resolution"/],
    [{ model: 'm', rows: 'r.json', clustering: { resolution: 1e9 } }, /"clustering\.resolution"/],
    [{ model: 'm', rows: 'r.json', clustering: { levels: 4 } }, /"clustering\.levels"/],
    [{ model: 'm', rows: 'r.json', clustering: { stability: 'yes' } }, /"clustering\.stability"/],
    [{ model: 'm', rows: 'r.json', clustering: { k: 2 } }, /unknown key "clustering\.k"/],
    [{ model: 'm', rows: 'r.json', clustering: true }, /"clustering"/],
    [{ model: 'm', rows: 'r.json', components: ['embed', 3] }, /"components\[1\]"/],
    [{ model: 'm', rows: 'r.json', seed: 1.5 }, /"seed"/],
    [{ model: 'm', rows: 'r.json', precision: 'int8' }, /"precision"/],
    [[], /study\.json/]
  ])('%j is refused in one sentence that names the file and the key', (value, pattern) => {
    const { kind, message } = refusal(value)
    expect(kind).toBe('configuration')
    expect(message).toMatch(pattern)
    expect(message).toMatch(/^study\.json: /)
    expect(message).toMatch(/\.$/)
    expect(message).not.toMatch(/\n/)
  })

  it.each([
    [{ stepSize: 1e-4 }, 'sampler.stepSize', 'first-order', 'psgld'],
    [{ preset: 'quick', draws: 20 }, 'sampler.draws', 'first-order', 'gradient'],
    [{ preset: 'quick', chains: 2 }, 'sampler.chains', 'first-order', 'psgld'],
    [{ method: 'gradient', pairs: 4 }, 'sampler.pairs', 'gradient', 'first-order'],
    [{ preset: 'all-orders', estimator: 'restricted' }, 'sampler.estimator', 'gradient', 'psgld'],
    [{ preset: 'paper', rounds: 4 }, 'sampler.rounds', 'psgld', 'first-order'],
    [{ method: 'psgld', keepSums: false }, 'sampler.keepSums', 'psgld', 'first-order']
  ])("%j is refused: the key is another method's, which is named", (sampler, key, method, other) => {
    const { kind, message } = refusal({ model: 'm', rows: 'r.json', sampler })
    expect(kind).toBe('configuration')
    expect(message).toContain(`"${key}"`)
    expect(message).toContain(`this run's method is "${method}"`)
    expect(message).toContain(`set "sampler.method" to "${other}"`)
  })

  it.each([
    [{ alpha: 0.1 }, 'clustering.alpha', 'communities', 'acl'],
    [{ method: 'communities', rule: 'global' }, 'clustering.rule', 'communities', 'acl'],
    [{ method: 'acl', resolution: 4 }, 'clustering.resolution', 'acl', 'communities'],
    [{ method: 'acl', levels: 2 }, 'clustering.levels', 'acl', 'communities']
  ])("clustering %j is refused: the key is another method's, which is named", (clustering, key, method, other) => {
    const { kind, message } = refusal({ model: 'm', rows: 'r.json', clustering })
    expect(kind).toBe('configuration')
    expect(message).toContain(`"${key}"`)
    expect(message).toContain(`this clustering's method is "${method}"`)
    expect(message).toContain(`set "clustering.method" to "${other}"`)
  })

  it.each([
    [{ preset: 'paper', method: 'first-order' }],
    [{ preset: 'paper', method: 'gradient' }],
    [{ preset: 'quick', method: 'psgld' }],
    [{ preset: 'all-orders', method: 'first-order' }]
  ])('%j is refused: the preset is not of the method', (sampler) => {
    const { kind, message } = refusal({ model: 'm', rows: 'r.json', sampler })
    expect(kind).toBe('configuration')
    expect(message).toMatch(/"sampler\.preset"/)
    for (const name of [sampler.preset, sampler.method]) expect(message).toContain(`"${name}"`)
  })

  it('has draws of the gradient method in rounds of four, and as many as one likes of chains', () => {
    for (const draws of [2, 6, 255])
      expect(refusal({ model: 'm', rows: 'r.json', sampler: { method: 'gradient', draws } }).message).toMatch(
        new RegExp(`"sampler\\.draws".*${draws}.*multiple of 4`)
      )
    for (const draws of [4, 256])
      expect(parsed({ sampler: { method: 'gradient', draws } }).sampler).toMatchObject({ draws })
    expect(parsed({ sampler: { method: 'psgld', draws: 6 } }).sampler).toMatchObject({ draws: 6 })
  })
})

describe('what suits a clustering', () => {
  const suited = (tokens: number, changes: object = {}): ClusteringConfiguration =>
    suitClustering(clusteringSchema.parse(changes), tokens)

  it('goes up with the tokens between bounds', () => {
    const tokens = [1, 920, 10_000, 40_000, 60_000, 200_000, 1_000_000, 20_000_000]
    const found = tokens.map((each) => suited(each))
    const neighbours = found.map((each) => each.neighbours)
    const sizes = found.map(({ minSize }) => minSize)
    for (const values of [neighbours, sizes]) expect(values).toEqual(values.toSorted((a, b) => a - b))
    expect([neighbours[0], neighbours.at(-1), sizes[0], sizes.at(-1)]).toEqual([2, 21, 10, 20])
    expect(found.every(({ whiten }) => whiten)).toBe(true)
  })

  it('does not change what is given', () => {
    for (const given of [
      { method: 'acl', neighbours: 45, minSize: 20, whiten: true, alpha: 0.5 },
      { method: 'communities', neighbours: 45, minSize: 20, whiten: true, resolution: 3 }
    ]) {
      expect(suited(100, given)).toEqual({ ...clusteringSchema.parse({ method: given.method }), ...given })
    }
    expect(suited(100, { minSize: 3 })).toMatchObject({ neighbours: 5, minSize: 3 })
  })
})

describe('one more clustering', () => {
  const communities = clusteringSchema.parse({ neighbours: 12, resolution: 4, stability: false })
  const acl = clusteringSchema.parse({ method: 'acl', neighbours: 12, alpha: 0.01 })
  const refusalOf = (base: ClusteringSettings | false, changes: ClusteringChanges): unknown => {
    try {
      return changedClustering(base, changes)
    } catch (error) {
      return error
    }
  }

  it("is by the run's own settings, but for what is given", () => {
    expect(changedClustering(communities, {})).toEqual(communities)
    expect(changedClustering(acl, {})).toEqual(acl)
    expect(changedClustering(communities, { resolution: 'auto', stability: true, seeds: 7, levels: 1 })).toEqual({
      ...communities,
      resolution: 'auto',
      stability: true,
      seeds: 7,
      levels: 1
    })
    expect(changedClustering(acl, { rule: 'global', whiten: false })).toEqual({ ...acl, rule: 'global', whiten: false })
    expect(changedClustering(false, {})).toEqual(clusteringSchema.parse({}))
    expect(changedClustering(false, { method: 'acl', alpha: 0.5 })).toEqual(
      clusteringSchema.parse({ method: 'acl', alpha: 0.5 })
    )
  })

  it('by another method leaves behind what only the first one has', () => {
    expect(changedClustering(communities, { method: 'acl' })).toEqual(
      clusteringSchema.parse({ method: 'acl', neighbours: 12, stability: false })
    )
    expect(changedClustering(acl, { method: 'communities', levels: 2 })).toEqual(
      clusteringSchema.parse({ neighbours: 12, levels: 2 })
    )
    expect(changedClustering(acl, { method: 'acl' })).toEqual(acl)
  })

  it.each([
    [communities, { alpha: 0.1 }, '--alpha', 'communities', 'acl'],
    [acl, { resolution: 4 }, '--resolution', 'acl', 'communities'],
    [communities, { method: 'acl', seeds: 2 }, '--seeds', 'acl', 'communities'],
    [communities, { method: 'communities', maxRejections: 9 }, '--max-rejections', 'communities', 'acl']
  ] as const)('of %j with %j is refused by the name of %s', (base, changes, option, method, other) => {
    const what = `${option} is a setting of the method ${other}, but this clustering uses ${method}`
    expect(refusalOf(base, changes)).toMatchObject({
      kind: 'usage',
      message: `${what}; add --method ${other}, or omit the option.`
    })
  })

  it.each([
    [{ resolution: 0 }, '--resolution'],
    [{ resolution: -1 }, '--resolution'],
    [{ resolution: 1e9 }, '--resolution'],
    [{ levels: 4 }, '--levels'],
    [{ seeds: 0 }, '--seeds'],
    [{ neighbours: 1 }, '--neighbours'],
    [{ minSize: 0 }, '--min-size']
  ] as const)('with %j is refused in one sentence that begins with the option', (changes, option) => {
    const error = refusalOf(communities, changes) as SpectroscopeError
    expect(error).toMatchObject({ kind: 'usage' })
    expect(error.message.startsWith(`${option}: `)).toBe(true)
    expect(error.message).toMatch(/^[^\n]+[^.\n]\.$/)
  })
})

describe('components', () => {
  const available = ['embed', 'head:0.0', 'mlp:0']

  it('are all of them, or those named, in the order named', () => {
    expect(chooseComponents('all', available)).toEqual(available)
    expect(chooseComponents(['mlp:0', 'embed'], available)).toEqual(['mlp:0', 'embed'])
    expect(chooseComponents(['l0 mlp', 'l0h0'], available)).toEqual(['mlp:0', 'head:0.0'])
  })

  it('may be groups of heads in place of heads, or some of them', () => {
    const grouped = ['embed', 'group:0.0', 'mlp:0']
    expect(chooseComponents('groups', available, grouped)).toEqual(grouped)
    expect(chooseComponents(['l0g0', 'head:0.0'], available, grouped)).toEqual(['group:0.0', 'head:0.0'])
  })

  it('that are not in the model are refused with those that are', () => {
    expect(() => chooseComponents(['head:9.9'], available)).toThrow(
      '"components": this model has no component "head:9.9"; choose from embed, head:0.0, mlp:0.'
    )
    expect(() => chooseComponents(['full'], available)).toThrow(/"full"/)
    expect(() => chooseComponents(['embed', 'embed'], available)).toThrow(/twice/)
  })
})

describe('the files of a configuration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
  beforeAll(async () => {
    await writeTinyModel(join(folder, 'model'))
    writeFileSync(join(folder, 'rows.json'), '{}')
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const check = (value: object): Promise<void> => checkConfiguration(parseConfiguration(value, 'study.json'), folder)

  it('are looked for beside it', async () => {
    await expect(check({ model: 'model', rows: 'rows.json' })).resolves.toBeUndefined()
  })

  it('are named where they are missing', async () => {
    await expect(check({ model: 'other', rows: 'rows.json' })).rejects.toThrow(join(folder, 'other', 'config.json'))
    await expect(check({ model: 'model', rows: 'other.json' })).rejects.toThrow('"rows"')
    await expect(check({ model: 'model', weights: 'other.safetensors', rows: 'rows.json' })).rejects.toThrow(
      '"weights"'
    )
    await expect(check({ model: 'model', corpus: { files: ['rows.json', 'other.jsonl'] } })).rejects.toThrow(
      '"corpus.files[1]"'
    )
    await expect(check({ model: 'model', rows: 'rows.json', components: ['mlp:7'] })).rejects.toThrow('"mlp:7"')
  })

  it('must be JSON', async () => {
    writeFileSync(join(folder, 'study.json'), '{')
    await expect(readConfiguration(join(folder, 'study.json'))).rejects.toMatchObject({ kind: 'configuration' })
    await expect(readConfiguration(join(folder, 'none.json'))).rejects.toMatchObject({ kind: 'input' })
    await expect(readConfiguration(folder)).rejects.toMatchObject({ kind: 'input' })
  })
})
