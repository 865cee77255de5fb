import { readFileSync } from 'node:fs'
import { beforeAll, expect, it } from 'vitest'
import type { Evaluator, Rows } from '../../main/engine/core/evaluator'
import type { Model } from '../../main/models/architecture'
import { TransformerEvaluator } from '../../main/engine/core/transformer-evaluator'
import { componentSlices, flatten } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { evaluatorOn, executorCases, openCase, slow, withMemory } from '../executors'
import { describeWithShared, sharedPath } from '../shared'

interface Reference {
  readonly sequences: readonly { readonly token_ids: readonly number[] }[]
  readonly arrays: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly offset: number; readonly nbytes: number }>
  >
}

interface SamplingGolden {
  readonly data: readonly (readonly number[])[]
  readonly runs: readonly {
    readonly component: string
    readonly n_beta: number
    readonly gradient_at_w_star_on_first_4_rows: {
      readonly norm: number
      readonly first: readonly number[]
      readonly last: readonly number[]
    }
  }[]
}

type OracleGradient = SamplingGolden['runs'][number]['gradient_at_w_star_on_first_4_rows']

const rowsOf = (rows: readonly (readonly number[])[]): Rows => ({
  ids: Int32Array.from(rows.flat()),
  count: rows.length,
  length: rows[0].length
})

const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0))

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  norm(Array.from(a, (x, at) => x - b[at])) / norm(b)

/** That the gradient of a sum over so many targets is the oracle's. */
const expectOracle = (gradient: Float32Array, targets: number, expected: OracleGradient, component: string): void => {
  const scaled = gradient.map((x) => x / targets)
  expect(Math.abs(norm(scaled) / expected.norm - 1), component).toBeLessThan(1e-5)
  const ends = [...scaled.slice(0, 4), ...scaled.slice(-4)]
  const wanted = [...expected.first, ...expected.last]
  expect(norm(ends.map((x, at) => x - wanted[at])), component).toBeLessThan(1e-4 * norm(wanted) + 1e-6 * expected.norm)
}

const read = <T>(...parts: string[]): T => JSON.parse(readFileSync(sharedPath(...parts), 'utf8')) as T

const cases = ['neox-2m', 'gpt2-2m'].flatMap((name) =>
  executorCases.map(({ name: executor, ...one }) => ({ name, executor, ...one }))
)

for (const { name, title, executor, skipped } of cases) {
  describeWithShared(`${name} on ${title} against float64`, () => {
    let model: Model
    let evaluator: Evaluator
    const reference = read<Reference>('fixtures', name, 'reference.json')
    const binary = readFileSync(sharedPath('fixtures', name, 'reference.bin'))
    const array = (key: string): Float64Array => {
      const { offset, nbytes } = reference.arrays[key]
      return new Float64Array(binary.buffer.slice(binary.byteOffset + offset, binary.byteOffset + offset + nbytes))
    }
    const golden = read<SamplingGolden>('oracle', 'goldens', `sampling-${name}.json`)

    beforeAll(async () => {
      if (skipped) return
      model = await loadModel(sharedPath('fixtures', name))
      evaluator = await evaluatorOn(executor, model.architecture, model.weights)
    })

    const star = (component: string): Float32Array =>
      flatten(model.weights, componentSlices(model.architecture, model.weights, component))

    it.skipIf(skipped)('gives the reference losses at w*, whichever component stands in', async () => {
      const prefix = await evaluator.prefix(rowsOf(reference.sequences.map(({ token_ids }) => token_ids)))
      const expected = array('token_losses')
      for (const component of ['embed', 'head:0.0', 'head:2.1', 'head:5.3', 'mlp:0', 'mlp:5', 'full']) {
        const losses = await evaluator.losses(component, star(component), prefix)
        expect(
          Math.max(...Array.from(losses, (loss, at) => Math.abs(loss - expected[at]) / (1 + expected[at])))
        ).toBeLessThan(1e-5)
      }
    })

    it.skipIf(skipped)('gives the gradient of the reference for head 2.1', async () => {
      const prefix = await evaluator.prefix(rowsOf(reference.sequences.map(({ token_ids }) => token_ids)))
      const weights = star('head:2.1')
      const gradient = new Float32Array(weights.length)
      await evaluator.gradient('head:2.1', weights, prefix, gradient)
      const scaled = gradient.map((x) => x / (4 * 63))
      const parts =
        name === 'neox-2m'
          ? ['q_weight', 'k_weight', 'v_weight', 'q_bias', 'k_bias', 'v_bias', 'o_weight']
          : Object.keys(reference.arrays)
              .filter((key) => key.startsWith('grad_mean.'))
              .map((key) => key.slice(10))
      expect(norm(scaled)).toBeCloseTo(norm(parts.flatMap((part) => Array.from(array(`grad_mean.${part}`)))), 4)
      if (name === 'neox-2m')
        expect(
          distance(
            scaled,
            parts.flatMap((part) => Array.from(array(`grad_mean.${part}`)))
          )
        ).toBeLessThan(1e-5)
    })

    it.skipIf(skipped)('gives the oracle gradient of every component of the goldens', async () => {
      const rows = rowsOf(golden.data.slice(0, 4))
      const targets = rows.count * (rows.length - 1)
      const prefix = await evaluator.prefix(rows)
      for (const { component, gradient_at_w_star_on_first_4_rows: expected } of golden.runs.filter(
        ({ n_beta }) => n_beta === 3
      )) {
        const weights = star(component)
        const gradient = new Float32Array(weights.length)
        await evaluator.gradient(component, weights, prefix, gradient)
        expectOracle(gradient, targets, expected, component)
      }
    })

    it.skipIf(skipped)("gives replicas together the losses of the reference and the oracle's gradients", async () => {
      const device = new TransformerEvaluator(
        withMemory(await openCase(executor), 2 ** 40),
        model.architecture,
        model.weights
      )
      const stacked = device.stacked!
      const prefix = await device.prefix(rowsOf(reference.sequences.map(({ token_ids }) => token_ids)))
      const expected = array('token_losses')
      const rows = rowsOf(golden.data.slice(0, 4))
      const own = await device.prefix(rows)
      const all = golden.runs.filter(({ n_beta, component }) => n_beta === 3 && component !== 'full')
      const kindOf = ({ component }: SamplingGolden['runs'][number]): string => component.split(':')[0]
      const firstOfKind = all.filter((run, at) => all.findIndex((other) => kindOf(other) === kindOf(run)) === at)
      expect(firstOfKind.length).toBeGreaterThan(2)
      const components = slow.includes(executor) ? firstOfKind : all
      for (const { component, gradient_at_w_star_on_first_4_rows: wanted } of components) {
        const weights = star(component)
        // Beside one that has other weights, and another head's, whose numbers must stay their own.
        const other = {
          component: component.startsWith('head:') ? `${component.split('.')[0]}.0` : component,
          weights: weights.map((x) => 1.01 * x)
        }
        const replicas = [other, { component, weights }]
        for (const losses of (await stacked.losses(replicas, 2, prefix)).slice(1)) {
          expect(
            Math.max(...Array.from(losses, (loss, at) => Math.abs(loss - expected[at]) / (1 + expected[at]))),
            component
          ).toBeLessThan(1e-5)
        }
        const gradients = replicas.map(() => new Float32Array(weights.length))
        await stacked.gradient(replicas, 2, own, gradients)
        expectOracle(gradients[1], rows.count * (rows.length - 1), wanted, component)
      }
    })

    it.skipIf(skipped)('adds up chunks of rows to the same gradient', async () => {
      const whole = await evaluator.prefix(rowsOf(golden.data.slice(0, 4)))
      const weights = star('mlp:3')
      const once = new Float32Array(weights.length)
      await evaluator.gradient('mlp:3', weights, whole, once)
      const twice = new Float32Array(weights.length)
      for (const part of [golden.data.slice(0, 1), golden.data.slice(1, 4)])
        await evaluator.gradient('mlp:3', weights, await evaluator.prefix(rowsOf(part)), twice)
      expect(distance(twice, once)).toBeLessThan(1e-5)
    })
  })
}
