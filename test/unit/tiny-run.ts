import { join } from 'node:path'
import type { Executor } from '../../main/engine/core/executor'
import { TransformerEvaluator } from '../../main/engine/core/transformer-evaluator'
import { loadModel } from '../../main/models/load'
import type { SamplingResult } from '../../main/sampling/estimates'
import type { ChainsInput, SamplingInput, SamplingTransport } from '../../main/sampling/input'
import { localLane } from '../local-lane'
import { sample } from '../../main/sampling/sample'
import { tinyRows, writeTinyModel } from '../tiny-model'

/** A run of a tiny model, whose files go to `folder`, with a checkpoint when it is interrupted. */
export const tinyRun = async (
  folder: string,
  probe = 10
): Promise<ChainsInput & Required<Pick<ChainsInput, 'checkpoint'>>> => {
  const model = await loadModel(await writeTinyModel(join(folder, 'model')))
  const rows = tinyRows({ sampling: 12, observation: 6, probe, length: 12 })
  const of = (name: string): Int32Array[] => rows[name].map((row) => Int32Array.from(row))
  return {
    model,
    study: {
      sampling: of('sampling'),
      observation: of('observation'),
      probe: of('probe'),
      targets: rows['probe'].map(({ length }) => Int32Array.from({ length: length - 1 }, (_, at) => at + 1))
    },
    components: ['head:1.0', 'mlp:0'],
    seed: 3,
    observationIncludesProbe: false,
    engine: 'given',
    threads: 2,
    sampler: {
      preset: 'paper',
      method: 'psgld',
      nBeta: 3,
      gamma: 300,
      stepSize: 1e-4,
      rmsDecay: 0.99,
      rmsEpsilon: 0.1,
      batchSize: 4,
      burnIn: 4,
      draws: 6,
      stepsBetweenDraws: 3,
      chains: 2,
      estimator: 'two-chain'
    },
    checkpoint: { folder, everySeconds: 1e6, fingerprint: 'the same run' }
  }
}

export const withExecutor = (
  input: SamplingInput,
  open: () => Executor | Promise<Executor>,
  transport: SamplingTransport = {}
): Promise<SamplingResult> =>
  sample(input, {
    ...transport,
    openLane: localLane(
      async ({ architecture, weights }) => new TransformerEvaluator(await open(), architecture, weights)
    )
  })

/** The largest difference of two runs' susceptibilities, relative to the largest of them. */
export const runsApart = (a: SamplingResult, b: SamplingResult): number =>
  a.susceptibilities.reduce((most, value, at) => Math.max(most, Math.abs(value - b.susceptibilities[at])), 0) /
  b.susceptibilities.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
