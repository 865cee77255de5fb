import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { loadModel } from '../../main/models/load'
import { loadTokenizer } from '../../main/models/tokenizer'
import { componentSlices, flatten } from '../../main/models/components'
import { evaluatorOn } from '../executors'
import { describeWithShared, sharedPath } from '../shared'

/** Two rows of token ids, and the losses of their positions from 1 on by transformers in float64. */
interface Expected {
  readonly ids: readonly (readonly number[])[]
  readonly losses: readonly (readonly number[])[]
}

const folder = process.env['SPECTROSCOPE_TEST_SMOLLM2']
const lack =
  folder === undefined
    ? 'SPECTROSCOPE_TEST_SMOLLM2 names no folder made by shared/models/smollm2.py'
    : existsSync(join(folder, 'expected.json'))
      ? undefined
      : `${folder} has no expected.json`

describeWithShared(`SmolLM2-135M${lack === undefined ? '' : ` (skipped: ${lack})`}`, () => {
  const read = (): Expected => JSON.parse(readFileSync(join(folder!, 'expected.json'), 'utf8')) as Expected

  it.skipIf(lack !== undefined)('has the token ids of transformers', async () => {
    const tokenizer = await loadTokenizer(folder!)
    const subsets = ['wikipedia', 'github_python']
    for (const [at, ids] of read().ids.entries()) {
      const lines = readFileSync(sharedPath('fixtures', 'corpus', `${subsets[at]}.jsonl`), 'utf8').split('\n')
      const { text } = JSON.parse(lines[0]) as { text: string }
      expect(tokenizer.encode(text).slice(0, ids.length)).toEqual(ids)
    }
  })

  it.skipIf(lack !== undefined)('has the losses of transformers', async () => {
    const { ids, losses } = read()
    const { architecture, weights } = await loadModel(folder!)
    const evaluator = await evaluatorOn('onnx-cpu', architecture, weights)
    const prefix = await evaluator.prefix({
      ids: Int32Array.from(ids.flat()),
      count: ids.length,
      length: ids[0].length
    })
    for (const component of ['embed', 'head:0.0', `mlp:${architecture.layers - 1}`]) {
      const u = flatten(weights, componentSlices(architecture, weights, component))
      const found = await evaluator.losses(component, u, prefix)
      losses.flat().forEach((loss, at) => expect(Math.abs(found[at] - loss), component).toBeLessThan(1e-4))
    }
    await evaluator.dispose()
  })
})
