import { describe, expect, it } from 'vitest'
import { createEvaluator } from '../../main/engine/engines'
import type { Evaluator } from '../../main/engine/core/evaluator'
import { vocabularyBlocks } from '../../main/engine/core/vocabulary'
import type { Architecture, Weights } from '../../main/models/architecture'
import { type Slice, componentNames, componentSlices, flatten } from '../../main/models/components'
import { architectures, baseArchitecture as base, difference, norm, randomRows, randomWeights } from '../engine-models'
import { evaluatorOn, executorCases } from '../executors'
import { uniforms } from '../tiny-model'

/** The component's slices written into a flattening of all weights. */
const intoFull = (
  architecture: Architecture,
  weights: Weights,
  slices: readonly Slice[],
  own: Float32Array
): Float32Array => {
  const full = flatten(weights, componentSlices(architecture, weights, 'full'))
  let at = 0
  for (const { tensor, rowStart, rowEnd, columnStart, columnEnd } of slices) {
    let start = 0
    for (const [name, { data }] of weights) {
      if (name === tensor) break
      start += data.length
    }
    const width = weights.get(tensor)!.shape.at(-1)!
    for (let row = rowStart; row < rowEnd; row++)
      for (let column = columnStart; column < columnEnd; column++) full[start + row * width + column] = own[at++]
  }
  return full
}

const caseOf = (architecture: Architecture) => {
  const uniform = uniforms(7)
  const weights = randomWeights(architecture, uniform)
  return {
    uniform,
    weights,
    rows: randomRows(architecture, 3, 9, uniform),
    components: [...componentNames(architecture), 'full'],
    perturbed: (component: string): Float32Array =>
      flatten(weights, componentSlices(architecture, weights, component)).map((x) => x + 0.3 * (uniform() - 0.5))
  }
}

describe.each(Object.entries(architectures))('%s in float64', (_name, architecture) => {
  const { uniform, weights, rows, components, perturbed } = caseOf(architecture)

  it('has gradients that differences of losses confirm', async () => {
    const reference = await evaluatorOn('reference', architecture, weights)
    const prefix = await reference.prefix(rows)
    const total = async (component: string, u: Float32Array): Promise<number> =>
      (await reference.losses(component, u, prefix)).reduce((sum, loss) => sum + loss, 0)
    for (const component of components) {
      const u = perturbed(component)
      const gradient = new Float32Array(u.length)
      await reference.gradient(component, u, prefix, gradient)
      const direction = gradient.map((x) => x / norm(gradient) + (0.3 * (uniform() - 0.5)) / Math.sqrt(u.length))
      const h = 0.01
      const [up, down] = [
        await total(
          component,
          u.map((x, at) => x + h * direction[at])
        ),
        await total(
          component,
          u.map((x, at) => x - h * direction[at])
        )
      ]
      const expected = gradient.reduce((sum, x, at) => sum + x * direction[at], 0)
      expect(Math.abs((up - down) / (2 * h) / expected - 1), component).toBeLessThan(5e-3)
    }
  })
})

for (const { name: engine, title, skipped } of executorCases) {
  describe.skipIf(skipped)(title, () => {
    describe.each(Object.entries(architectures))('%s', (_name, architecture) => {
      const { weights, rows, components, perturbed } = caseOf(architecture)
      const evaluators = (): Promise<[Evaluator, Evaluator]> =>
        Promise.all([evaluatorOn(engine, architecture, weights), evaluatorOn('reference', architecture, weights)])

      it('has losses and gradients that the float64 reference agrees with, for every component away from w*', async () => {
        const [fast, reference] = await evaluators()
        const [prefixA, prefixB] = [await fast.prefix(rows), await reference.prefix(rows)]
        for (const component of components) {
          const u = perturbed(component)
          expect(
            difference(await fast.losses(component, u, prefixA), await reference.losses(component, u, prefixB)),
            component
          ).toBeLessThan(1e-5)
          const [a, b] = [new Float32Array(u.length), new Float32Array(u.length)]
          const [sumA, sumB] = [
            await fast.gradient(component, u, prefixA, a),
            await reference.gradient(component, u, prefixB, b)
          ]
          expect(Math.abs(sumA.lossSum / sumB.lossSum - 1), component).toBeLessThan(1e-5)
          expect(difference(a, b), component).toBeLessThan(1e-4)
        }
      })

      it('gives a replica the losses of the whole model with its weights changed', async () => {
        const [fast] = await evaluators()
        const prefix = await fast.prefix(rows)
        for (const component of components) {
          const u = perturbed(component)
          const whole = intoFull(architecture, weights, componentSlices(architecture, weights, component), u)
          expect(
            difference(await fast.losses(component, u, prefix), await fast.losses('full', whole, prefix)),
            component
          ).toBeLessThan(1e-5)
        }
      })

      it('never lets a later token change an earlier loss', async () => {
        const [fast] = await evaluators()
        const u = perturbed('full')
        const before = await fast.losses('full', u, await fast.prefix(rows))
        const changed = {
          ...rows,
          ids: rows.ids.map((id, at) => (at % rows.length === 6 ? (id + 1) % architecture.vocabulary : id))
        }
        const after = await fast.losses('full', u, await fast.prefix(changed))
        for (let row = 0; row < rows.count; row++) {
          const start = row * (rows.length - 1)
          expect(after.slice(start, start + 5)).toEqual(before.slice(start, start + 5))
          expect(after[start + 5]).not.toBe(before[start + 5])
          expect(after[start + 6]).not.toBe(before[start + 6])
        }
      })
    })

    describe('long rows', () => {
      it('cut their logits into chunks without changing a loss or a gradient', async () => {
        const uniform = uniforms(11)
        const architecture = { ...base, contextLength: 400 }
        const weights = randomWeights(architecture, uniform)
        const rows = randomRows(architecture, 1, 400, uniform)
        const [fast, reference] = await Promise.all([
          evaluatorOn(engine, architecture, weights),
          evaluatorOn('reference', architecture, weights)
        ])
        const u = flatten(weights, componentSlices(architecture, weights, 'unembed'))
        const [a, b] = [new Float32Array(u.length), new Float32Array(u.length)]
        const sum = await fast.gradient('unembed', u, await fast.prefix(rows), a)
        const expected = await reference.gradient('unembed', u, await reference.prefix(rows), b)
        expect(Math.abs(sum.lossSum / expected.lossSum - 1)).toBeLessThan(1e-5)
        expect(difference(a, b)).toBeLessThan(1e-4)
      })
    })

    describe.each(Object.entries(architectures))('%s layer by layer', (_name, short) => {
      const layerwise = (): boolean => true
      const uniform = uniforms(17)
      // Two blocks of queries, the second short, where there are blocks.
      const rowLength = engine === 'onnx-cpu' ? 151 : 15
      const architecture = { ...short, layers: 3, contextLength: 151 }
      const weights = randomWeights(architecture, uniform)
      const rows = randomRows(architecture, 2, rowLength, uniform)

      it('has the losses and gradients of whole programs, in float64', async () => {
        const [fast, reference] = await Promise.all([
          evaluatorOn(engine, architecture, weights, layerwise),
          evaluatorOn('reference', architecture, weights)
        ])
        const [prefixA, prefixB] = [await fast.prefix(rows), await reference.prefix(rows)]
        for (const [name, expected] of Object.entries(prefixB.activations))
          expect(difference(prefixA.activations[name], expected), name).toBeLessThan(1e-5)
        for (const component of ['embed', 'head:0.1', 'head:1.0', 'mlp:0', 'mlp:2', 'unembed', 'full'].filter(
          (name) => name !== 'unembed' || architecture.family === 'gpt_neox'
        )) {
          const u = flatten(weights, componentSlices(architecture, weights, component)).map(
            (x) => x + 0.3 * (uniform() - 0.5)
          )
          expect(
            difference(await fast.losses(component, u, prefixA), await reference.losses(component, u, prefixB)),
            component
          ).toBeLessThan(1e-5)
          const [a, b] = [new Float32Array(u.length).fill(0.25), new Float32Array(u.length)]
          const [sumA, sumB] = [
            await fast.gradient(component, u, prefixA, a),
            await reference.gradient(component, u, prefixB, b)
          ]
          expect(Math.abs(sumA.lossSum / sumB.lossSum - 1), component).toBeLessThan(1e-5)
          expect(
            difference(
              a.map((x) => x - 0.25),
              b
            ),
            component
          ).toBeLessThan(1e-4)
        }
      })

      it('is right where a token is so unlikely that its exponent overflows', async () => {
        const [fast, reference] = await Promise.all([
          evaluatorOn(engine, architecture, weights, layerwise),
          evaluatorOn('reference', architecture, weights)
        ])
        const u = flatten(weights, componentSlices(architecture, weights, 'full')).map((x) => 12 * x)
        const short = randomRows(architecture, 1, 9, uniforms(18))
        const losses = await fast.losses('full', u, await fast.prefix(short))
        expect(Math.max(...losses)).toBeGreaterThan(100)
        const [a, b] = [new Float32Array(u.length), new Float32Array(u.length)]
        await fast.gradient('full', u, await fast.prefix(short), a)
        await reference.gradient('full', u, await reference.prefix(short), b)
        expect(difference(losses, await reference.losses('full', u, await reference.prefix(short)))).toBeLessThan(1e-5)
        expect(difference(a, b)).toBeLessThan(1e-3)
      })
    })

    describe('the losses of a vocabulary that is not in whole blocks', () => {
      const uniform = uniforms(13)
      const architecture = { ...base, vocabulary: 1030 }
      const weights = randomWeights(architecture, uniform)
      const rows = randomRows(architecture, 1, 9, uniform)
      const unembed = flatten(weights, componentSlices(architecture, weights, 'unembed'))

      it('agree with float64, as do their gradients', async () => {
        expect(vocabularyBlocks(architecture.vocabulary).rows).toBeGreaterThan(architecture.vocabulary)
        const [fast, reference] = await Promise.all([
          evaluatorOn(engine, architecture, weights),
          evaluatorOn('reference', architecture, weights)
        ])
        const [prefixA, prefixB] = [await fast.prefix(rows), await reference.prefix(rows)]
        for (const component of ['head:1.0', 'unembed']) {
          const u = flatten(weights, componentSlices(architecture, weights, component)).map(
            (x) => x + 0.3 * (uniform() - 0.5)
          )
          expect(
            difference(await fast.losses(component, u, prefixA), await reference.losses(component, u, prefixB)),
            component
          ).toBeLessThan(1e-5)
          const [a, b] = [new Float32Array(u.length), new Float32Array(u.length)]
          await fast.gradient(component, u, prefixA, a)
          await reference.gradient(component, u, prefixB, b)
          expect(difference(a, b), component).toBeLessThan(1e-4)
        }
      })

      // Moving all rows of the unembedding together moves every logit of a token alike, which softmax does not
      // notice.
      it.each([60, -60])(
        'stay the same when every logit moves by as much as %i times the hidden state',
        async (factor) => {
          const fast = await evaluatorOn(engine, architecture, weights)
          const prefix = await fast.prefix(rows)
          const expected = [await fast.losses('unembed', unembed, prefix), new Float32Array(unembed.length)]
          await fast.gradient('unembed', unembed, prefix, expected[1])
          const moved = unembed.map((x) => x + factor)
          const losses = await fast.losses('unembed', moved, prefix)
          expect(losses.every(Number.isFinite)).toBe(true)
          expect(difference(losses, expected[0])).toBeLessThan(1e-3)
          const gradient = new Float32Array(unembed.length)
          await fast.gradient('unembed', moved, prefix, gradient)
          expect(difference(gradient, expected[1])).toBeLessThan(1e-2)
        }
      )

      it('are right where a token is so unlikely that its exponent overflows', async () => {
        const [fast, reference] = await Promise.all([
          evaluatorOn(engine, architecture, weights),
          evaluatorOn('reference', architecture, weights)
        ])
        const far = unembed.map((x) => 100 * x)
        const losses = await fast.losses('unembed', far, await fast.prefix(rows))
        expect(Math.max(...losses)).toBeGreaterThan(100)
        expect(difference(losses, await reference.losses('unembed', far, await reference.prefix(rows)))).toBeLessThan(
          1e-5
        )
      })
    })
  })
}

describe('engines', () => {
  it('refuse a name that there is none of, and say which there are', async () => {
    await expect(createEvaluator('abacus', base, new Map())).rejects.toThrow(/no engine "abacus".*onnx-cpu/)
  })
})
