import type { DiagnosticsRecord, RunHealth } from '../../preload/contract'

/** Row of the diagnostics table; unknown values are null. */
export interface HealthRow {
  readonly component: string
  readonly rHat: number | null
  /** Null at nβ 0, see `noCoefficientWords`. */
  readonly learningCoefficient: number | null
  /** Mean observation loss of the living chains less L(w*), nats per token. */
  readonly lossRise: number | null
  /** Mean over living chains of the distance at the last draw. */
  readonly distance: number | null
  readonly reliability: number
  readonly centredReliability: number
  /** Root of the mean square of the column's standard errors, over its standard deviation. */
  readonly error: number | null
  readonly standardError: number | null
  readonly failed: number
  readonly chains: number
  /** Mostly noise: a reliability, raw or as clustering sees it, is below the threshold. */
  readonly noisy: boolean
}

export const healthColumns = [
  'component',
  'rHat',
  'learningCoefficient',
  'lossRise',
  'distance',
  'reliability',
  'centredReliability',
  'error',
  'failed'
] as const
export type HealthColumn = (typeof healthColumns)[number]

const meanOf = (values: readonly number[]): number | null => {
  const finite = values.filter(Number.isFinite)
  return finite.length === 0 ? null : finite.reduce((sum, value) => sum + value, 0) / finite.length
}

export const isNoisy = (
  { reliability, centredReliability }: Pick<DiagnosticsRecord, 'reliability' | 'centredReliability'>,
  threshold: number
): boolean => !(reliability >= threshold && centredReliability >= threshold)

/** Why λ̂ is missing; null if it is not. */
export const noCoefficientWords = (nBeta: number): string | null =>
  nBeta === 0 ? 'no λ̂ at nβ 0, where nβ (E[L] − L(w*)) is always 0' : null

export const healthRows = ({ run, diagnostics, initialLoss, threshold, columns }: RunHealth): HealthRow[] => {
  const { nBeta } = run.configuration.sampler
  const spreads = new Map(columns.map((column) => [column.component, column]))
  return diagnostics.map((each) => {
    const loss = meanOf(each.meanLoss)
    const spread = spreads.get(each.component)
    return {
      component: each.component,
      rHat: each.splitRHat,
      learningCoefficient: nBeta === 0 ? null : each.learningCoefficient,
      lossRise: loss === null ? null : loss - initialLoss,
      distance: meanOf(each.finalDistance),
      reliability: each.reliability,
      centredReliability: each.centredReliability,
      standardError: spread?.standardError ?? null,
      error: spread === undefined || spread.deviation === 0 ? null : spread.standardError / spread.deviation,
      failed: each.failedChains.length,
      chains: each.finalDistance.length,
      noisy: isNoisy(each, threshold)
    }
  })
}

/**
 * Sorts rows by a numeric column; rows without a value always come last. For 'component', the model's order or its
 * reverse.
 */
export const sortedRows = <K extends string, R extends Readonly<Record<Exclude<K, 'component'>, number | null>>>(
  rows: readonly R[],
  by: K,
  descending: boolean
): R[] => {
  const sign = descending ? -1 : 1
  const known = (value: number | null): value is number => value !== null && Number.isFinite(value)
  const numbered = rows.map((row, index) => ({ row, index }))
  if (by === 'component') return (descending ? numbered.reverse() : numbered).map(({ row }) => row)
  const valueOf = (row: R): number | null => (row as Readonly<Record<string, unknown>>)[by] as number | null
  return numbered
    .sort((a, b) => {
      const [left, right] = [valueOf(a.row), valueOf(b.row)]
      return (
        Number(!known(left)) - Number(!known(right)) ||
        (known(left) && known(right) ? sign * (left - right) : 0) ||
        a.index - b.index
      )
    })
    .map(({ row }) => row)
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`

/** Names the mostly noisy columns, in a sentence or two. The findings of a run in rounds hold advice for each. */
export const noiseWords = ({ diagnostics, threshold }: RunHealth): string => {
  const columns = diagnostics.filter(({ component }) => component !== 'full')
  const noisy = columns.filter((each) => isNoisy(each, threshold)).map(({ component }) => component)
  const inRounds = columns.some(({ blocks }) => blocks !== null)
  const help = inRounds ? 'see the advice below' : 'more draws, chains or observation rows would help'
  if (columns.length === 0) return 'No columns.'
  if (noisy.length === 0)
    return (
      `No column is mostly noise: all ${columns.length} have a reliability of ${threshold} or more, also with ` +
      'centred rows.'
    )
  if (noisy.length === columns.length) {
    const sentence = `${help[0].toUpperCase()}${help.slice(1)}.`
    return (
      `All ${columns.length} columns are mostly noise (reliability below ${threshold}): the clusters show ` +
      `little about the model. ${sentence}`
    )
  }
  const few = noisy.length <= 12 ? `: ${listed(noisy)}` : `, including ${listed(noisy.slice(0, 8))}`
  return (
    `${noisy.length} of ${columns.length} columns are mostly noise (reliability below ${threshold})${few}. Do ` +
    `not rely on ${noisy.length === 1 ? 'this column' : 'these columns'} when you read the clusters; ${help}.`
  )
}
