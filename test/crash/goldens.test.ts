import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { hasShared, sharedPath } from '../shared'
import { isBuilt, numbersOf, run, scratch, valuesOf } from './command'

interface Golden {
  readonly hyperparameters: {
    readonly gamma: number
    readonly observation_batch: number
    readonly seed: number
    readonly pairs?: number
    readonly rounds?: number
    readonly draws?: number
  }
  readonly observation: readonly (readonly number[])[]
  readonly probe: readonly (readonly number[])[]
  readonly runs: readonly {
    readonly component: string
    readonly n_beta: number
    readonly effective_share: number
    readonly susceptibility: readonly number[]
  }[]
}

const skipped = !isBuilt
  ? ' (skipped: run `npm run build` first)'
  : hasShared
    ? ''
    : ' (skipped: the development data is not beside this checkout)'
const { path, remove } = scratch()

const norm = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))

const samplerOf = (
  method: string,
  { gamma, observation_batch: observationBatch, pairs, rounds, draws }: Golden['hyperparameters'],
  nBeta: number
): object => ({
  method,
  nBeta,
  gamma,
  observationBatch,
  targetReliability: false,
  ...(method === 'first-order' ? { pairs, rounds } : { draws })
})

/** Both methods on both models; at nβ 0 each on one of them. (test/golden/blocks.test.ts has all at nβ 0 too.) */
const cases = [
  ['first-order', 'neox-2m', 3],
  ['first-order', 'gpt2-2m', 3],
  ['gradient', 'neox-2m', 3],
  ['gradient', 'gpt2-2m', 3],
  ['first-order', 'neox-2m', 0],
  ['gradient', 'gpt2-2m', 0]
] as const

describe.skipIf(skipped !== '')(`susceptibilities from the terminal against the float64 oracle${skipped}`, () => {
  afterAll(remove)

  it.each(cases)('%s on %s, nβ %i', async (method, model, nBeta) => {
    const golden = JSON.parse(
      readFileSync(sharedPath('oracle', 'goldens', `${method}-${model}.json`), 'utf8')
    ) as Golden
    const expected = golden.runs.filter((each) => each.n_beta === nBeta)
    const components = expected.map(({ component }) => component)
    const name = `${method}-${model}-${nBeta}`
    writeFileSync(path(`${name}-rows.json`), JSON.stringify({ observation: golden.observation, probe: golden.probe }))
    writeFileSync(
      path(`${name}.json`),
      JSON.stringify({
        model: sharedPath('fixtures', model),
        rows: `${name}-rows.json`,
        components,
        sampler: samplerOf(method, golden.hyperparameters, nBeta),
        clustering: false,
        seed: golden.hyperparameters.seed
      })
    )
    const workspace = path('workspace')
    const { code, stderr } = await run(['run', path(`${name}.json`), '--workspace', workspace, '--name', name])
    expect({ code, stderr }).toMatchObject({ code: 0 })

    const numbers = await numbersOf(name, workspace)
    const values = valuesOf(numbers, 'susceptibilities.npy')
    expect(JSON.parse(Buffer.from(numbers.files['components.json'], 'base64').toString())).toEqual(components)
    expected.forEach(({ component, susceptibility }, column) => {
      const difference = susceptibility.map((value, token) => values[token * components.length + column] - value)
      expect(norm(difference) / norm(susceptibility), component).toBeLessThan(2e-3)
    })

    if (nBeta === 0) return
    const { rounds, draws } = golden.hyperparameters
    numbers.diagnostics.forEach(({ component, blocks }, column) => {
      expect(component).toBe(components[column])
      expect(blocks!.rounds).toBe(rounds ?? draws! / 4)
      expect(blocks!.effectiveShare).toBeCloseTo(expected[column].effective_share, 4)
    })
  })
})
