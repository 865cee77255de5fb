import { readFileSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'
import type { Rows } from '../../main/engine/evaluator'
import { TransformerEvaluator } from '../../main/engine/transformer-evaluator'
import { componentSlices, flatten } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { describeWithShared, sharedPath } from '../shared'
import { openPageExecutor } from './executor'

interface Reference {
  readonly sequences: readonly { readonly token_ids: readonly number[] }[]
  readonly arrays: Readonly<Record<string, { readonly offset: number; readonly nbytes: number }>>
}

interface Golden {
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

const opened = await openPageExecutor().then(
  (page) => ({ page, missing: undefined }),
  (error: unknown) => ({
    page: undefined,
    missing: error instanceof Error ? error.message.split('\n')[0] : String(error)
  })
)

afterAll(() => opened.page?.close())

const read = <T>(...parts: string[]): T => JSON.parse(readFileSync(sharedPath(...parts), 'utf8')) as T
const rowsOf = (rows: readonly (readonly number[])[]): Rows => ({
  ids: Int32Array.from(rows.flat()),
  count: rows.length,
  length: rows[0].length
})
const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0))

// SwiftShader computes a billion products a second: of all components those whose programs have every operation between them.
for (const [name, chosen] of [
  ['neox-2m', ['head:3.1', 'unembed']],
  ['gpt2-2m', ['embed']]
] as const) {
  describeWithShared(`${name} in a page${opened.missing === undefined ? '' : ` (skipped: ${opened.missing})`}`, () => {
    it.skipIf(opened.missing !== undefined)(
      'has the losses of the float64 reference and the gradients of the oracle',
      async () => {
        const model = await loadModel(sharedPath('fixtures', name))
        const evaluator = new TransformerEvaluator(opened.page!.executor, model.architecture, model.weights)
        const star = (component: string): Float32Array =>
          flatten(model.weights, componentSlices(model.architecture, model.weights, component))

        const reference = read<Reference>('fixtures', name, 'reference.json')
        const binary = readFileSync(sharedPath('fixtures', name, 'reference.bin'))
        const { offset, nbytes } = reference.arrays['token_losses']
        const expected = new Float64Array(
          binary.buffer.slice(binary.byteOffset + offset, binary.byteOffset + offset + nbytes)
        )
        const prefix = await evaluator.prefix(rowsOf(reference.sequences.map(({ token_ids }) => token_ids)))
        for (const component of ['head:5.3']) {
          const losses = await evaluator.losses(component, star(component), prefix)
          expect(
            Math.max(...Array.from(losses, (loss, at) => Math.abs(loss - expected[at]) / (1 + expected[at]))),
            component
          ).toBeLessThan(1e-5)
        }

        const golden = read<Golden>('oracle', 'goldens', `sampling-${name}.json`)
        const rows = rowsOf(golden.data.slice(0, 4))
        const own = await evaluator.prefix(rows)
        for (const { component, gradient_at_w_star_on_first_4_rows: wanted } of golden.runs.filter(
          (run) => run.n_beta === 3 && (chosen as readonly string[]).includes(run.component)
        )) {
          const weights = star(component)
          const gradient = new Float32Array(weights.length)
          // A head beside another one, which goes through batched products.
          if (component.startsWith('head:'))
            await evaluator.stacked!.gradient(
              [
                { component: 'head:3.0', weights: star('head:3.0') },
                { component, weights }
              ],
              2,
              own,
              [new Float32Array(weights.length), gradient]
            )
          else await evaluator.gradient(component, weights, own, gradient)
          const scaled = gradient.map((x) => x / (rows.count * (rows.length - 1)))
          expect(Math.abs(norm(scaled) / wanted.norm - 1), component).toBeLessThan(1e-5)
          const ends = [...wanted.first, ...wanted.last]
          expect(
            norm([...scaled.slice(0, 4), ...scaled.slice(-4)].map((x, at) => x - ends[at])),
            component
          ).toBeLessThan(1e-4 * norm(ends) + 1e-6 * wanted.norm)
        }
      }
    )
  })
}
