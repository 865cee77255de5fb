import type { DiagnosticsRecord } from '../../preload/records'
import type { ComponentDiagnostics } from '../sampling/diagnostics'
import type { Sampled } from './messages'

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length

/** Diagnostics as they are stored: with the mean loss of every chain in nats, NaN for failed chains. */
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
 * Diagnostics as computed by the sampler. All chains have the same number of draws, so the mean over draws is the
 * mean of the chains' means.
 */
export const componentDiagnostics = (record: DiagnosticsRecord): ComponentDiagnostics => ({
  ...record,
  meanLoss: mean(record.meanLoss.filter(Number.isFinite))
})
