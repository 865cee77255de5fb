import { readFileSync } from 'node:fs'
import { beforeAll, expect, it } from 'vitest'
import { loadModel } from '../../main/models/load'
import type { Evaluator } from '../../main/engine/core/evaluator'
import type { Model } from '../../main/models/architecture'
import { Minibatches } from '../../main/sampling/philox'
import { localLane } from '../local-lane'
import { sample } from '../../main/sampling/sample'
import type { SamplingResult } from '../../main/sampling/estimates'
import type { SamplingInput } from '../../main/sampling/input'
import { estimate } from '../../main/sampling/susceptibility'
import type { Group } from '../../main/sampling/susceptibility'
import type { ChainsRun } from '../../main/sampling/tasks'
import { evaluatorOn, executorCases, slow } from '../executors'
import { describeWithShared, sharedPath } from '../shared'

interface Golden {
  readonly hyperparameters: {
    readonly n_beta: number
    readonly gamma: number
    readonly step_size: number
    readonly rms_decay: number
    readonly rms_epsilon: number
    readonly batch_size: number
    readonly burn_in: number
    readonly steps_between_draws: number
    readonly draws: number
    readonly chains: number
    readonly seed: number
  }
  readonly init_loss: number
  readonly data: readonly (readonly number[])[]
  readonly pretrain: readonly (readonly number[])[]
  readonly probe: readonly (readonly number[])[]
  readonly runs: readonly {
    readonly component: string
    readonly n_beta: number
    readonly parameters: number
    readonly weights: readonly (readonly {
      readonly distance: number
      readonly first: readonly number[]
      readonly last: readonly number[]
    }[])[]
    readonly pretrain_loss: readonly (readonly number[])[]
    readonly probe_losses: readonly (readonly (readonly number[])[])[]
    readonly susceptibility: { readonly restricted: readonly number[]; readonly two_chain: readonly number[] } | null
  }[]
}

const largest = (values: readonly number[]): number => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)

/** Largest difference over the largest expected value. */
const deviation = (actual: ArrayLike<number>, expected: readonly number[]): number =>
  largest(expected.map((value, i) => actual[i] - value)) / largest(expected)

const groupsOf = (
  losses: readonly (readonly number[])[],
  probe: readonly (readonly (readonly number[])[])[],
  initial: number
): Group[] =>
  losses.flatMap((chain, c) =>
    ([0, 1] as const).map((half): Group => {
      const middle = Math.floor(chain.length / 2)
      const draws = chain.flatMap((loss, k) =>
        k < middle === (half === 0) ? [{ loss, phi: loss - initial, tokens: probe[c][k] }] : []
      )
      const sum = (value: (draw: (typeof draws)[number]) => number): number =>
        draws.reduce((total, draw) => total + value(draw), 0)
      return {
        half,
        draws: draws.length,
        phi: sum(({ phi }) => phi),
        observed: sum(({ loss }) => loss),
        phiObserved: sum(({ phi, loss }) => phi * loss),
        loss: Float64Array.from(probe[c][0], (_, token) => sum(({ tokens }) => tokens[token])),
        product: Float64Array.from(probe[c][0], (_, token) => sum(({ phi, tokens }) => phi * tokens[token])),
        productShift: 0
      }
    })
  )

/**
 * What is sampled on each: everything on the processor's own engine. How the estimators and nβ enter is the same on
 * all, so the others sample at nβ 3 by one. Stand-ins for GPUs that take minutes for all components sample one each
 * time, a head or an MLP.
 */
const onlyComponent = { 'neox-2m': 'head:3.1', 'gpt2-2m': 'mlp:3' } as const

for (const name of ['neox-2m', 'gpt2-2m'] as const) {
  describeWithShared(`sampling ${name} against the float64 oracle`, () => {
    const golden = JSON.parse(readFileSync(sharedPath('oracle', 'goldens', `sampling-${name}.json`), 'utf8')) as Golden
    const { hyperparameters: hp } = golden
    const runOf = (component: string, nBeta: number): Golden['runs'][number] =>
      golden.runs.find((run) => run.component === component && run.n_beta === nBeta)!
    const components = [...new Set(golden.runs.map(({ component }) => component))].filter(
      (component) => component !== 'full'
    )
    const rows = (lists: readonly (readonly number[])[]): Int32Array[] => lists.map((ids) => Int32Array.from(ids))
    let model: Model

    beforeAll(async () => {
      model = await loadModel(sharedPath('fixtures', name))
    })

    it.each([3, 0])('both estimators agree with its losses at nβ = %d', (nBeta) => {
      const full = runOf('full', nBeta)
      const fullGroups = groupsOf(full.pretrain_loss, full.probe_losses, golden.init_loss)
      for (const component of components) {
        const run = runOf(component, nBeta)
        const groups = groupsOf(run.pretrain_loss, run.probe_losses, golden.init_loss)
        expect(deviation(estimate(groups, null).susceptibilities, run.susceptibility!.restricted)).toBeLessThan(1e-9)
        expect(deviation(estimate(groups, fullGroups).susceptibilities, run.susceptibility!.two_chain)).toBeLessThan(
          1e-9
        )
      }
    })

    const configured = (
      chosen: readonly string[],
      nBeta: number,
      estimator: 'restricted' | 'two-chain'
    ): SamplingInput => ({
      model,
      study: {
        sampling: rows(golden.data),
        observation: rows(golden.pretrain),
        probe: rows(golden.probe),
        targets: golden.probe.map(({ length }) => Int32Array.from({ length: length - 1 }, (_, i) => i + 1))
      },
      components: chosen,
      sampler: {
        preset: 'paper',
        method: 'psgld',
        nBeta,
        gamma: hp.gamma,
        stepSize: hp.step_size,
        rmsDecay: hp.rms_decay,
        rmsEpsilon: hp.rms_epsilon,
        batchSize: hp.batch_size,
        burnIn: hp.burn_in,
        draws: hp.draws,
        stepsBetweenDraws: hp.steps_between_draws,
        chains: hp.chains,
        estimator
      },
      seed: hp.seed,
      observationIncludesProbe: false,
      engine: 'onnx-cpu',
      threads: 1
    })

    /** Samples and looks at the weights whenever a draw is committed. */
    const observed = async (
      executor: string,
      chosen: readonly string[],
      nBeta: number,
      estimator: 'restricted' | 'two-chain'
    ): Promise<{
      result: SamplingResult
      weights: Map<string, { first: number[]; last: number[] }>
      losses: Map<string, Float32Array>
    }> => {
      let shared: ChainsRun | undefined
      const weights = new Map<string, { first: number[]; last: number[] }>()
      const losses = new Map<string, Float32Array>()
      const ofProbe = new Map<Float32Array, number[]>()
      const recording = (evaluator: Evaluator): Evaluator => ({
        prefix: (rows) => evaluator.prefix(rows),
        gradient: (...call) => evaluator.gradient(...call),
        operations: (...call) => evaluator.operations(...call),
        dispose: () => evaluator.dispose(),
        losses: async (component, u, prefix) => {
          const values = await evaluator.losses(component, u, prefix)
          if (golden.probe.some((ids) => ids.join() === prefix.rows.ids.subarray(0, ids.length).join()))
            ofProbe.set(u, [...(ofProbe.get(u) ?? []), ...values])
          return values
        }
      })
      const result = await sample(
        {
          ...configured(chosen, nBeta, estimator),
          onTrace: ({ component, chain, draw }) => {
            const replica = shared!.replicas.find((other) => other.component === component && other.chain === chain)!
            weights.set(`${component} ${chain} ${draw}`, {
              first: [...replica.weights.subarray(0, 4)],
              last: [...replica.weights.subarray(-4)]
            })
            losses.set(`${component} ${chain} ${draw}`, Float32Array.from(ofProbe.get(replica.weights)!))
            ofProbe.delete(replica.weights)
          }
        },
        {
          openLane: localLane(async (run) => {
            shared = run as ChainsRun
            return recording(await evaluatorOn(executor, run.architecture, run.weights))
          })
        }
      )
      return { result, weights, losses }
    }

    for (const { name: executor, title, skipped } of executorCases) {
      const few = slow.includes(executor)
      const whole = executor === 'onnx-cpu'
      const chosen = few ? [onlyComponent[name]] : components
      const estimators = (['two-chain', 'restricted'] as const).filter((one) => whole || few === (one === 'restricted'))
      const what = `weights, losses and susceptibilities agree at nβ = %d on ${title}`
      it.skipIf(skipped).each(whole ? [3, 0] : [3])(what, async (nBeta) => {
        for (const estimator of estimators) {
          const { result, weights, losses } = await observed(executor, chosen, nBeta, estimator)
          expect(Math.abs(result.initialLoss / golden.init_loss - 1)).toBeLessThan(1e-6)
          for (const { component, chain, distances, losses: traced } of result.traces) {
            const run = runOf(component, nBeta)
            for (let draw = 0; draw < hp.draws; draw++) {
              const expected = run.weights[chain][draw]
              const seen = weights.get(`${component} ${chain} ${draw}`)!
              const perWeight = expected.distance / Math.sqrt(run.parameters)
              expect(Math.abs(distances[draw] / expected.distance - 1)).toBeLessThan(1e-5)
              expect(
                largest(
                  [...expected.first, ...expected.last].map((value, i) => [...seen.first, ...seen.last][i] - value)
                )
              ).toBeLessThan(1e-4 * perWeight)
              expect(Math.abs(traced[draw] / run.pretrain_loss[chain][draw] - 1)).toBeLessThan(1e-5)
              expect(
                deviation(losses.get(`${component} ${chain} ${draw}`)!, [...run.probe_losses[chain][draw]])
              ).toBeLessThan(1e-5)
            }
          }
          chosen.forEach((component, column) => {
            const { restricted, two_chain: twoChain } = runOf(component, nBeta).susceptibility!
            const values = Array.from(
              { length: result.tokens },
              (_, token) => result.susceptibilities[token * chosen.length + column]
            )
            expect(deviation(values, [...(estimator === 'restricted' ? restricted : twoChain)])).toBeLessThan(2e-4)
          })
        }
      })
    }

    it('takes the minibatches in the order of docs/method.md, section 4', () => {
      const batches = new Minibatches(hp.seed, 12, 4)
      const epoch = [0, 1, 2].flatMap((step) => [...batches.at(step)])
      expect([...epoch].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i))
    })
  })
}
