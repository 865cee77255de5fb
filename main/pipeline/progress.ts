import type { SamplerConfiguration } from '../../preload/configuration'
import type { RunProgress } from '../../preload/contract'
import type { ClusteringProgress } from '../clustering/cluster'
import type { SamplingProgress } from '../sampling/input'
import type { PartProgress } from './describe'

const known = <K extends string>(key: K, value: number | undefined): Partial<Record<K, number>> =>
  (value === undefined || !Number.isFinite(value) ? {} : { [key]: value }) as Partial<Record<K, number>>

/** Bytes of the corpus that have been read. */
export const preparingProgress = (done: number, total: number): RunProgress => ({ stage: 'prepare', done: done / 1e6, total: total / 1e6, unit: 'MB of text' })

export const samplingProgress = (sampler: SamplerConfiguration, report: SamplingProgress): RunProgress => ({
  stage: 'sample',
  done: report.fractionDone,
  total: 1,
  unit: '',
  component: report.component,
  ...(sampler.method === 'psgld'
    ? { chain: report.chain + 1, chains: sampler.chains, draw: report.draw, draws: report.draws }
    : { round: report.draw + 1, rounds: report.draws, reliabilities: report.reliabilities ?? [] }),
  ...(report.steps > 0 ? { step: report.step, steps: report.steps } : {}),
  ...known('tokensPerSecond', report.tokensPerSecond),
  ...known('secondsLeft', report.secondsLeft)
})

/** A search for clusters ends when few tokens remain or none is found for long: no share of it that is done can be told. */
export const clusteringProgress = (report: ClusteringProgress): RunProgress =>
  report.stage === 'neighbours'
    ? { stage: 'neighbours', done: report.fraction, total: 1, unit: '', ...known('secondsLeft', report.secondsLeft) }
    : { stage: 'cluster', done: report.attempts, total: 0, unit: 'attempts', detail: `${report.clusters} clusters, ${report.remaining} tokens remain, ${report.rejectionsInARow} rejections in a row` }

/** What comes after the search: the clusters that were found are described. */
export const describingProgress = ({ fraction, detail, secondsLeft }: PartProgress): RunProgress =>
  ({ stage: 'cluster', done: fraction, total: 1, unit: '', detail, ...known('secondsLeft', secondsLeft) })
