import type { SamplerConfiguration } from '../../preload/configuration'
import type { RunProgress } from '../../preload/contract'
import type { ClusteringProgress } from '../clustering/cluster'
import type { SamplingProgress } from '../sampling/input'
import type { PartProgress } from './describe'

const known = <K extends string>(key: K, value: number | undefined): Partial<Record<K, number>> =>
  (value === undefined || !Number.isFinite(value) ? {} : { [key]: value }) as Partial<Record<K, number>>

/** Progress by megabytes of the corpus read. */
export const preparingProgress = (done: number, total: number): RunProgress => ({
  stage: 'prepare',
  done: done / 1e6,
  total: total / 1e6,
  unit: 'MB of text'
})

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

/**
 * Progress of clustering. An `acl` search has no known fraction done, because it ends when few tokens remain or after
 * many rejections in a row.
 */
export const clusteringProgress = (report: ClusteringProgress): RunProgress => {
  switch (report.stage) {
    case 'neighbours':
      return {
        stage: 'neighbours',
        done: report.fraction,
        total: 1,
        unit: '',
        ...known('secondsLeft', report.secondsLeft)
      }
    case 'communities':
      return {
        stage: 'cluster',
        done: report.fraction,
        total: 1,
        unit: '',
        detail: 'partitions of the neighbour graph',
        ...known('secondsLeft', report.secondsLeft)
      }
    case 'cluster': {
      const { attempts, clusters, remaining, rejectionsInARow } = report
      return {
        stage: 'cluster',
        done: attempts,
        total: 0,
        unit: 'attempts',
        detail: `${clusters} clusters, ${remaining} tokens remain, ${rejectionsInARow} rejections in a row`
      }
    }
  }
}

/** Position in the list of comparison matrices: the current one, and the start time of the first. */
export interface ComparisonAt {
  readonly at: number
  readonly of: number
  readonly words: string
  readonly startedAt: number
}

const searchWords = { neighbours: 'neighbours', communities: 'partitions', cluster: 'clusters' } as const
/** Approximate share of the neighbour search in the work on one matrix. */
const neighboursShare = 0.5

const withinMatrix = (report: ClusteringProgress): number =>
  report.stage === 'neighbours'
    ? neighboursShare * report.fraction
    : report.stage === 'communities'
      ? neighboursShare + (1 - neighboursShare) * report.fraction
      : neighboursShare

/** Progress over the comparison matrices, which are clustered one after another. */
export const comparisonProgress = (
  report: ClusteringProgress,
  { at, of, words, startedAt }: ComparisonAt,
  now = Date.now()
): RunProgress => {
  const done = (at + withinMatrix(report)) / of
  const secondsLeft = at === 0 ? undefined : ((now - startedAt) / 1000) * (1 / done - 1)
  return {
    stage: 'cluster',
    done,
    total: 1,
    unit: '',
    detail: `stability: ${words}, ${searchWords[report.stage]}`,
    ...known('secondsLeft', secondsLeft)
  }
}

/** Progress of the description, which follows clustering. */
export const describingProgress = ({ fraction, detail, secondsLeft }: PartProgress): RunProgress => ({
  stage: 'cluster',
  done: fraction,
  total: 1,
  unit: '',
  detail,
  ...known('secondsLeft', secondsLeft)
})
