import type { DiagnosticsRecord } from '../../preload/records'
import type { ComponentDiagnostics } from '../sampling/diagnostics'
import type { Sampled } from './messages'

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length

/** What is stored of a sampling's diagnostics: with the mean loss of every chain, NaN for one that failed. */
export const diagnosticsRecords = ({
  diagnostics,
  traces
}: Pick<Sampled, 'diagnostics' | 'traces'>): DiagnosticsRecord[] =>
  diagnostics.map((each) => ({
    ...each,
    meanLoss:
      each.blocks === null
        ? traces.filter(({ component }) => component === each.component).map(({ losses }) => mean(losses))
        : [each.meanLoss]
  }))

/**
 * Diagnostics as the sampler gave them: all chains have as many draws, so the mean of their means is the mean over
 * draws.
 */
export const componentDiagnostics = (record: DiagnosticsRecord): ComponentDiagnostics => ({
  ...record,
  meanLoss: mean(record.meanLoss.filter(Number.isFinite))
})
