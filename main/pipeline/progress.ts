import type { SamplerConfiguration } from '../../preload/configuration'
import type { RunProgress } from '../../preload/contract'
import type { ClusteringProgress } from '../clustering/cluster'
import type { SamplingProgress } from '../sampling/input'
import type { PartProgress } from './describe'

const known = <K extends string>(key: K, value: number | undefined): Partial<Record<K, number>> =>
  (value === undefined || !Number.isFinite(value) ? {} : { [key]: value }) as Partial<Record<K, number>>

/** Bytes of the corpus that have been read. */
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

/** A search by acl ends when few tokens remain or none is found for long: no share of it that is done can be told. */
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

/** Which of the matrices that a clustering is compared with is at work, and since when. */
export interface ComparisonAt {
  readonly at: number
  readonly of: number
  readonly words: string
  readonly startedAt: number
}

const searchWords = { neighbours: 'neighbours', communities: 'partitions', cluster: 'clusters' } as const
/** Share of one matrix's work that its neighbours are, about. */
const neighboursShare = 0.5

const withinMatrix = (report: ClusteringProgress): number =>
  report.stage === 'neighbours'
    ? neighboursShare * report.fraction
    : report.stage === 'communities'
      ? neighboursShare + (1 - neighboursShare) * report.fraction
      : neighboursShare

/** Halves of the draws, and a cloud without clusters, are clustered one after another. */
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

/** What comes after the search: the clusters that were found are described. */
export const describingProgress = ({ fraction, detail, secondsLeft }: PartProgress): RunProgress => ({
  stage: 'cluster',
  done: fraction,
  total: 1,
  unit: '',
  detail,
  ...known('secondsLeft', secondsLeft)
})
