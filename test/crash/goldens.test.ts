import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { hasShared, sharedPath } from '../shared'
import { exportedSusceptibilities, isBuilt, run, scratch } from './command'

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

interface Diagnosed {
  readonly diagnostics: readonly {
    readonly component: string
    readonly blocks: { readonly rounds: number; readonly effectiveShare: number }
  }[]
}

const cases = ['first-order', 'gradient'].flatMap((method) =>
  ['neox-2m', 'gpt2-2m'].flatMap((model) => [3, 0].map((nBeta) => [method, model, nBeta] as const))
)

describe.skipIf(skipped !== '')(`susceptibilities from the terminal against the float64 oracle${skipped}`, () => {
  afterAll(remove)

  it.each(cases)(
    '%s on %s, nβ %i',
    async (method, model, nBeta) => {
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

      const values = await exportedSusceptibilities(name, workspace)
      expect(JSON.parse(readFileSync(path(`workspace-export-${name}`, 'components.json'), 'utf8'))).toEqual(components)
      expected.forEach(({ component, susceptibility }, column) => {
        const difference = susceptibility.map((value, token) => values[token * components.length + column] - value)
        expect(norm(difference) / norm(susceptibility), component).toBeLessThan(2e-3)
      })

      if (nBeta === 0) return
      const { diagnostics } = JSON.parse(
        (await run(['diagnose', name, '--workspace', workspace, '--json'])).stdout
      ) as Diagnosed
      const { rounds, draws } = golden.hyperparameters
      diagnostics.forEach(({ component, blocks }, column) => {
        expect(component).toBe(components[column])
        expect(blocks.rounds).toBe(rounds ?? draws! / 4)
        expect(blocks.effectiveShare).toBeCloseTo(expected[column].effective_share, 4)
      })
    },
    180_000
  )
})
