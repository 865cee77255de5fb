import { readFileSync } from 'node:fs'
import { beforeAll, expect, it } from 'vitest'
import { type BlockConfiguration, presets } from '../../preload/configuration'
import type { Model } from '../../main/models/architecture'
import { loadModel } from '../../main/models/load'
import { resultOfBlocks } from '../../main/sampling/block-columns'
import { type SampledBlocks } from '../../main/sampling/sampled'
import { sampleBlocks } from '../../main/sampling/blocks-sampler'
import type { BlocksInput } from '../../main/sampling/input'
import { localLane } from '../local-lane'
import { rowStartsOf } from '../../main/sampling/rows'
import type { SharedRun } from '../../main/sampling/tasks'
import { evaluatorOn, executorCases, slow } from '../executors'
import { describeWithShared, sharedPath } from '../shared'

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
    readonly phi: readonly number[]
    readonly gradient_norm: readonly number[]
    readonly effective_share: number
    readonly susceptibility: readonly number[]
  }[]
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0))
const deviation = (actual: ArrayLike<number>, expected: readonly number[]): number =>
  norm(expected.map((value, i) => actual[i] - value)) / norm(expected)

/**
 * Stand-ins for GPUs on the processor take minutes for all components, so each samples one of either model, a head to
 * first order and an MLP to all orders. (test/golden/engine.test.ts has the gradients of all components on all
 * engines.)
 */
const ofSlow: Partial<Record<string, string>> = { 'first-order neox-2m': 'head:5.3', 'gradient gpt2-2m': 'mlp:3' }
/** At nβ 0 an executor computes the same gradients, and weights alone differ: the usual one has that. */
const casesOf = (golden: string) =>
  executorCases
    .filter(({ name }) => !slow.includes(name) || golden in ofSlow)
    .map((one) => ({
      ...one,
      nBetas: one.name === 'onnx-cpu' ? [3, 0] : [3],
      only: slow.includes(one.name) ? ofSlow[golden] : undefined
    }))

const settingsOf = (
  method: BlockConfiguration['method'],
  { gamma, observation_batch: observationBatch, pairs, rounds, draws }: Golden['hyperparameters'],
  nBeta: number
): BlockConfiguration =>
  method === 'first-order'
    ? {
        ...presets['first-order'],
        preset: 'first-order',
        nBeta,
        gamma,
        observationBatch,
        targetReliability: false,
        pairs: pairs!,
        rounds: rounds!
      }
    : {
        ...presets['all-orders'],
        preset: 'all-orders',
        nBeta,
        gamma,
        observationBatch,
        targetReliability: false,
        draws: draws!
      }

for (const method of ['first-order', 'gradient'] as const) {
  for (const name of ['neox-2m', 'gpt2-2m']) {
    describeWithShared(`${method} ${name} against the float64 oracle`, () => {
      const golden = JSON.parse(
        readFileSync(sharedPath('oracle', 'goldens', `${method}-${name}.json`), 'utf8')
      ) as Golden
      const rows = (lists: readonly (readonly number[])[]): Int32Array[] => lists.map((ids) => Int32Array.from(ids))
      let model: Model

      beforeAll(async () => {
        model = await loadModel(sharedPath('fixtures', name))
      })

      for (const { name: executor, title, skipped, nBetas, only } of casesOf(`${method} ${name}`))
        it.skipIf(skipped)(`gradients, φ and susceptibilities agree on ${title}`, async () => {
          const probe = rows(golden.probe)
          const targets = probe.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, t) => t + 1))
          for (const nBeta of nBetas) {
            const runs = golden.runs.filter(
              (run) => run.n_beta === nBeta && (only === undefined || run.component === only)
            )
            expect(runs).not.toHaveLength(0)
            const sampler = settingsOf(method, golden.hyperparameters, nBeta)
            const components = runs.map(({ component }) => component)
            const input: BlocksInput = {
              model,
              study: { sampling: [], observation: rows(golden.observation), probe, targets },
              components,
              sampler,
              seed: golden.hyperparameters.seed,
              observationIncludesProbe: false,
              engine: 'reference',
              threads: 1
            }
            const openLane = localLane(({ architecture, weights }: SharedRun) =>
              evaluatorOn(executor, architecture, weights)
            )
            const sampled: SampledBlocks = await sampleBlocks(input, undefined, { openLane })
            const result = await resultOfBlocks(input, rowStartsOf(targets), sampled)
            runs.forEach(({ component, phi, gradient_norm: norms, effective_share: share, susceptibility }, column) => {
              const own = sampled.chains.filter((block) => block.component === component).map(({ record }) => record)
              // The oracle's draws are in the order of turns.
              const perTurn = own[0].phis.length / own[0].observedSlopes.length
              const inTurns = (values: (record: (typeof own)[number]) => readonly number[]): number[] =>
                own[0].observedSlopes.flatMap((_, round) =>
                  own.flatMap((record) => values(record).slice(round * perTurn, (round + 1) * perTurn))
                )
              expect(
                deviation(
                  inTurns((record) => record.gradientNorms),
                  norms
                ),
                `${component}: gradient norms`
              ).toBeLessThan(1e-4)
              expect(
                deviation(
                  inTurns((record) => record.phis),
                  phi
                ),
                `${component}: φ`
              ).toBeLessThan(2e-3)
              expect(result.diagnostics[column].blocks!.effectiveShare).toBeCloseTo(share, 4)
              const column32 = Array.from(
                { length: result.tokens },
                (_, token) => result.susceptibilities[token * components.length + column]
              )
              expect(deviation(column32, susceptibility), `${component} at nβ ${nBeta}`).toBeLessThan(2e-3)
            })
          }
        })
    })
  }
}
