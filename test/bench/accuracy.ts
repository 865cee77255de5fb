import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { presets } from '../../preload/configuration'
import type { Precision } from '../../preload/precisions'
import { createEvaluator, resolveEngine } from '../../main/engine/engines'
import { componentSlices, flatten } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { sample } from '../../main/sampling/sample'

interface GoldenRun {
  readonly component: string
  readonly n_beta: number
  readonly gradient_at_w_star_on_first_4_rows: { readonly norm: number }
  readonly pretrain_loss: readonly number[][]
  readonly susceptibility: { readonly restricted: readonly number[] } | null
}

interface Golden {
  readonly hyperparameters: {
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
  readonly data: readonly number[][]
  readonly pretrain: readonly number[][]
  readonly probe: readonly number[][]
  readonly runs: readonly GoldenRun[]
}

const rows = (ids: readonly number[][]): Int32Array[] => ids.map((row) => Int32Array.from(row))
const largest = (values: readonly number[]): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
const rms = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)

/**
 * Largest float32 errors over components: of the gradient's norm at w* and of losses after sampling steps, relative;
 * of χ in RMS of its column.
 */
export interface Errors {
  readonly gradient: number
  readonly losses: number
  readonly susceptibility: number
}

type Each = (nBeta: number, component: string, errors: Errors) => void

/**
 * Float32 results of one fixture beside the float64 oracle's goldens; undefined where either is not there. `each`
 * hears of every component.
 */
export const float32Errors = async (
  name: string,
  fixtures: string | undefined,
  goldens: string | undefined,
  threads: number,
  each: Each,
  engine: string,
  precision: Precision = 'float32'
): Promise<Errors | undefined> => {
  const file = join(goldens ?? '', `sampling-${name}.json`)
  if (fixtures === undefined || goldens === undefined || !existsSync(file)) return undefined
  const golden = JSON.parse(readFileSync(file, 'utf8')) as Golden
  const hyper = golden.hyperparameters
  const model = await loadModel(join(fixtures, name))
  const evaluator = await createEvaluator(engine, model.architecture, model.weights, precision)
  const first = golden.data.slice(0, 4)
  const length = first[0].length
  const prefix = await evaluator.prefix({ ids: Int32Array.from(first.flat()), count: first.length, length })
  const found: Errors[] = []
  for (const nBeta of [3, 0]) {
    const runs = golden.runs.filter((run) => run.n_beta === nBeta && run.susceptibility !== null)
    const { susceptibilities, traces } = await sample({
      model,
      engine,
      precision,
      threads,
      components: runs.map(({ component }) => component),
      seed: hyper.seed,
      observationIncludesProbe: false,
      study: {
        sampling: rows(golden.data),
        observation: rows(golden.pretrain),
        probe: rows(golden.probe),
        targets: golden.probe.map((row) => Int32Array.from({ length: row.length - 1 }, (_, i) => i + 1))
      },
      sampler: {
        ...presets.paper,
        preset: 'paper',
        estimator: 'restricted',
        nBeta,
        gamma: hyper.gamma,
        stepSize: hyper.step_size,
        rmsDecay: hyper.rms_decay,
        rmsEpsilon: hyper.rms_epsilon,
        batchSize: hyper.batch_size,
        burnIn: hyper.burn_in,
        draws: hyper.draws,
        stepsBetweenDraws: hyper.steps_between_draws,
        chains: hyper.chains
      }
    })
    for (const [at, run] of runs.entries()) {
      const weights = flatten(model.weights, componentSlices(model.architecture, model.weights, run.component))
      const gradient = new Float32Array(weights.length)
      await evaluator.gradient(run.component, weights, prefix, gradient)
      const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0)) / (first.length * (length - 1))
      const losses = traces
        .filter(({ component }) => component === run.component)
        .flatMap((trace) => [...trace.losses].map((loss, draw) => loss / run.pretrain_loss[trace.chain][draw] - 1))
      const expected = run.susceptibility!.restricted
      const error = expected.map((value, token) => susceptibilities[token * runs.length + at] - value)
      const errors = {
        gradient: Math.abs(norm / run.gradient_at_w_star_on_first_4_rows.norm - 1),
        losses: largest(losses),
        susceptibility: largest(error) / rms(expected)
      }
      found.push(errors)
      each(nBeta, run.component, errors)
    }
  }
  await evaluator.dispose()
  return {
    gradient: largest(found.map((one) => one.gradient)),
    losses: largest(found.map((one) => one.losses)),
    susceptibility: largest(found.map((one) => one.susceptibility))
  }
}

/** Prints the float32 errors of both fixtures, component by component. */
export const benchAccuracy = async (
  fixtures: string | undefined,
  goldens: string | undefined,
  threads: number
): Promise<void> => {
  for (const name of ['neox-2m', 'gpt2-2m']) {
    const engine = await resolveEngine('auto')
    console.log(`\n${name}, engine ${engine}, against float64:`)
    const errors = await float32Errors(
      name,
      fixtures,
      goldens,
      threads,
      (nBeta, component, { gradient, losses, susceptibility }) =>
        console.log(
          `  nβ ${nBeta} ${component.padEnd(9)} gradient norm ${gradient.toExponential(1)}, losses ` +
            `${losses.toExponential(1)} relative; χ ${susceptibility.toExponential(1)} of the column's RMS`
        ),
      engine
    )
    if (errors === undefined) console.log('  skipped, because the goldens or the fixture model were not found.')
  }
}
