import type { ClusteringConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { clusteredColumns } from './transfer'
import { fingerprintOf, programVersion } from './versions'

/** Part of a run's matrix to cluster, and its comparisons. */
export interface ClusteringOrder {
  readonly columns: readonly number[]
  /** Number of parts of the draws used for comparison; 0 for none. */
  readonly parts: number
  /** Hash of everything that determines the numbers. */
  readonly fingerprint: string
  readonly notes: readonly { readonly message: string; readonly warning?: true }[]
}

const unsoundWords = (components: readonly string[], included: boolean): string => {
  const more = components.length > 8 ? `, and ${components.length - 8} more` : ''
  const names = `${components.slice(0, 8).join(', ')}${more}`
  const [are, these] = components.length === 1 ? ['is', 'this column'] : ['are', 'these columns']
  return included
    ? `The estimate is unreliable for ${names} (effective share below 0.3), but "clustering.allColumns" includes ` +
        `${these}.`
    : `${names} ${are} excluded from the clustering: the effective share of the draws is below 0.3, so the ` +
        'estimate ' +
        'is unreliable; set "sampler.method" to "psgld".'
}

const withoutParts =
  'This run has no saved parts of its draws, so the stability of its clusters cannot be measured; ' +
  'sample it again or continue it with more rounds.'

/**
 * Chooses the columns and comparisons of a clustering. Throws a `clustering` error if no column has a valid estimate.
 */
export const clusteringOrder = async (
  workspace: Workspace,
  run: RunRecord,
  configuration: ClusteringConfiguration
): Promise<ClusteringOrder> => {
  const {
    id,
    components,
    provenance,
    configuration: { seed }
  } = run
  const { columns, unsound } = await clusteredColumns(workspace, run, configuration)
  if (columns.length === 0) {
    throw new SpectroscopeError(
      'clustering',
      `The estimate is unreliable for every column (${unsound.join(', ')}); set "sampler.method" to "psgld", ` +
        'or lower sampler.nBeta or raise sampler.gamma.'
    )
  }
  const parts = configuration.stability ? await workspace.countParts(id) : 0
  return {
    columns,
    parts,
    fingerprint: fingerprintOf([
      programVersion,
      id,
      provenance.modelHash,
      provenance.studyHash,
      components,
      configuration,
      seed,
      parts
    ]),
    notes: [
      ...(unsound.length > 0
        ? [{ message: unsoundWords(unsound, configuration.allColumns), warning: true as const }]
        : []),
      ...(configuration.stability && parts === 0 ? [{ message: withoutParts }] : [])
    ]
  }
}
