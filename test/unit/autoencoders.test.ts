import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import type { Model } from '../../main/models/architecture'
import { readAutoencoder } from '../../main/models/autoencoders'
import { loadModel } from '../../main/models/load'
import { FeatureEncoder, checkPlace, featuresOf } from '../../main/pipeline/feature-activations'
import { describeWithShared, sharedPath } from '../shared'
import { failure, temporaryFolder } from './models-fixtures'

type Active = readonly (readonly [latent: number, activation: number])[]
interface Expected {
  readonly rows: number[][]
  readonly positions: number
  readonly activations: Record<string, Active[][]>
}

const fixture = (name: string): string => sharedPath('fixtures', 'sae', name)

describeWithShared('sparse autoencoders as their libraries save them', () => {
  const root = temporaryFolder()
  let model: Model
  let expected: Expected
  beforeAll(async () => {
    model = await loadModel(sharedPath('fixtures', 'neox-2m'))
    expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as Expected
  })

  const latentsOf = async (name: string): Promise<Active[]> => {
    const encoder = await FeatureEncoder.open(model, await readAutoencoder(fixture(name)), 'onnx-cpu')
    const rows = expected.rows.map((row) => Int32Array.from(row))
    const targets = rows.map(() => Int32Array.from({ length: expected.positions }, (_, i) => i))
    const found: [number, number][][] = rows.flatMap(() => Array.from({ length: expected.positions }, () => []))
    try {
      for await (const { tokens, latents, activations } of featuresOf(encoder, rows, targets, () => undefined))
        tokens.forEach((token, i) => found[token].push([latents[i], activations[i]]))
    } finally {
      await encoder.dispose()
    }
    return found
  }

  const names = [
    ...['standard', 'standard-no-bdec', 'topk', 'topk-rescaled', 'jumprelu', 'jumprelu-layer-norm', 'gated'].map(
      (kind) => `saelens-${kind}`
    ),
    'sparsify/layers.2',
    ...['standard', 'gated', 'topk', 'batch-topk', 'jumprelu'].map((kind) => `dictionary_learning-${kind}`)
  ]

  it.each(names)('give the activations that the library gives: %s', async (name) => {
    const found = await latentsOf(name)
    for (const [token, wanted] of expected.activations[name].flat().entries()) {
      const own = new Map(found[token])
      const [largest, least] = [Math.max(...wanted.map(([, a]) => a), 0), Math.min(...wanted.map(([, a]) => a))]
      // A latent may be on one side only where it is at the edge of being active.
      const tolerance = 1e-4 * Math.max(1, largest)
      const edge = /topk/.test(name) ? least : 0
      for (const [latent, activation] of wanted) {
        const value = own.get(latent)
        if (value === undefined) expect(activation, `${token}: ${latent}`).toBeLessThanOrEqual(edge + tolerance)
        else expect(Math.abs(value - activation), `${token}: ${latent}`).toBeLessThanOrEqual(tolerance)
      }
      const known = new Set(wanted.map(([latent]) => latent))
      for (const [latent, value] of own)
        if (!known.has(latent)) expect(value, `${token}: ${latent} too`).toBeLessThanOrEqual(edge + tolerance)
      expect(Math.abs(own.size - wanted.length)).toBeLessThanOrEqual(1)
    }
  })

  it('read a transcoder from the input of its MLP, and say where others are read', async () => {
    const transcoder = await readAutoencoder(fixture('sparsify/layers.2.mlp'))
    expect(transcoder).toMatchObject({ hookpoint: { kind: 'mlp in', layer: 2 }, latents: 64 })
    const { hookpoint, kind } = await readAutoencoder(fixture('saelens-jumprelu'))
    expect([hookpoint, kind]).toEqual([{ kind: 'stream', layer: 3 }, 'SAELens jumprelu'])
  })

  /** A copy of a SAELens folder with another configuration. */
  const changed = (
    change: (config: Record<string, unknown> & { metadata: Record<string, unknown> }) => void
  ): string => {
    const folder = mkdtempSync(join(root, 'sae-'))
    cpSync(fixture('saelens-topk'), folder, { recursive: true })
    const file = join(folder, 'cfg.json')
    const config = JSON.parse(readFileSync(file, 'utf8')) as Parameters<typeof change>[0]
    change(config)
    writeFileSync(file, JSON.stringify(config))
    return folder
  }
  const refused = async (change: Parameters<typeof changed>[0]): Promise<string> =>
    (await failure(readAutoencoder(changed(change)))).message

  it('are refused by name where their activations cannot be had', async () => {
    const folded = (key: string) => refused(({ metadata }) => (metadata.model_from_pretrained_kwargs = { [key]: true }))
    expect(await folded('fold_ln')).toMatch(/cfg\.json: .*folded weights \("fold_ln"\)/)
    expect(await folded('center_writing_weights')).toMatch(/"center_writing_weights"/)
    const at = (hook: string): Promise<string> => refused(({ metadata }) => (metadata.hook_name = hook))
    expect(await at('blocks.2.attn.hook_z')).toMatch(/those at "blocks\.2\.attn\.hook_z", which is not computed here/)
    expect(await at('blocks.2.ln2.hook_normalized')).toMatch(/hook_normalized/)
    expect(await refused((config) => (config.architecture = 'matryoshka'))).toMatch(/"matryoshka" is not supported/)
    expect(await refused((config) => (config.d_sae = 511))).toMatch(/"W_enc" has shape \[128, 512\], not of shape/)
    expect(await refused((config) => (config.d_in = 0))).toMatch(/"d_in": /)
    expect((await failure(readAutoencoder(root))).message).toMatch(/no sparse autoencoder; give a folder with/)
  })

  it('are refused where the model has no such place', async () => {
    const check = async (change: Parameters<typeof changed>[0]): Promise<void> => {
      const autoencoder = await readAutoencoder(changed(change))
      checkPlace('folder', autoencoder, model.architecture)
    }
    await check(({ metadata }) => (metadata.hook_name = 'blocks.0.hook_mlp_out'))
    const far = await failure(check(({ metadata }) => (metadata.hook_name = 'blocks.40.hook_resid_post')))
    expect(far.message).toMatch(/blocks\.40\.hook_resid_post", and the model has \d+ layers; use an autoencoder of/)
    const middle = await failure(check(({ metadata }) => (metadata.hook_name = 'blocks.0.hook_resid_mid')))
    expect(middle.message).toMatch(/parallel residuals has no activations at/)
  })
})
