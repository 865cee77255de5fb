import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkConfiguration, chooseComponents, readConfiguration } from '../../main/pipeline/checks'
import { parseConfiguration, presets } from '../../preload/configuration'
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
  it('takes its defaults from the paper preset', () => {
    const configuration = parseConfiguration({ model: 'm', rows: 'r.json' }, 'study.json')
    expect(configuration).toMatchObject({ components: 'all', seed: 1, engine: 'auto', sampler: { ...presets.paper, preset: 'paper' } })
    expect(configuration.clustering).toMatchObject({ neighbours: 45, symmetrize: 'union', alpha: 0.001, epsilon: 1e-7, rule: 'local', minSize: 20, maxRejections: 200, remaining: 0.001 })
  })

  it('takes them from the quick preset where that is named, and keeps what is given', () => {
    const { sampler } = parseConfiguration({ model: 'm', rows: 'r.json', sampler: { preset: 'quick', draws: 7 } }, 'study.json')
    expect(sampler).toEqual({ ...presets.quick, preset: 'quick', draws: 7 })
  })

  it('can do without a clustering', () => {
    expect(parseConfiguration({ model: 'm', rows: 'r.json', clustering: false }, 'study.json').clustering).toBe(false)
  })

  it.each([
    [{ rows: 'r.json' }, /"model"/],
    [{ model: 'm' }, /either "corpus" or "rows"/],
    [{ model: 'm', rows: 'r.json', corpus: { files: ['a'] } }, /either "corpus" or "rows"/],
    [{ model: 'm', rows: 'r.json', sedd: 1 }, /unknown key "sedd"/],
    [{ model: 'm', rows: 'r.json', sampler: { nbeta: 3 } }, /unknown key "sampler\.nbeta"/],
    [{ model: 'm', rows: 'r.json', sampler: { gamma: -1 } }, /"sampler\.gamma"/],
    [{ model: 'm', rows: 'r.json', sampler: { draws: 1 } }, /"sampler\.draws"/],
    [{ model: 'm', rows: 'r.json', sampler: { estimator: 'three-chain' } }, /"sampler\.estimator"/],
    [{ model: 'm', corpus: { files: [] } }, /"corpus\.files"/],
    [{ model: 'm', corpus: { files: [3] } }, /"corpus\.files\[0\]"/],
    [{ model: 'm', rows: 'r.json', clustering: { alpha: 2 } }, /"clustering\.alpha"/],
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
})

describe('components', () => {
  const available = ['embed', 'head:0.0', 'mlp:0']

  it('are all of them, or those named, in the order named', () => {
    expect(chooseComponents('all', available)).toEqual(available)
    expect(chooseComponents(['mlp:0', 'embed'], available)).toEqual(['mlp:0', 'embed'])
  })

  it('that are not in the model are refused with those that are', () => {
    expect(() => chooseComponents(['head:9.9'], available)).toThrow('"components": this model has no component "head:9.9"; choose from embed, head:0.0, mlp:0.')
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
    await expect(check({ model: 'model', weights: 'other.safetensors', rows: 'rows.json' })).rejects.toThrow('"weights"')
    await expect(check({ model: 'model', corpus: { files: ['rows.json', 'other.jsonl'] } })).rejects.toThrow('"corpus.files[1]"')
    await expect(check({ model: 'model', rows: 'rows.json', components: ['mlp:7'] })).rejects.toThrow('"mlp:7"')
  })

  it('must be JSON', async () => {
    writeFileSync(join(folder, 'study.json'), '{')
    await expect(readConfiguration(join(folder, 'study.json'))).rejects.toMatchObject({ kind: 'configuration' })
    await expect(readConfiguration(join(folder, 'none.json'))).rejects.toMatchObject({ kind: 'input' })
    await expect(readConfiguration(folder)).rejects.toMatchObject({ kind: 'input' })
  })
})
