import { join } from 'node:path'
import { sweepSettingNames } from '../../preload/contract-sweeps'
import type { SweepReport } from '../../preload/contract-sweeps'
import { buildFolder, writeFileAtomically } from '../base/files'
import type { FolderIdentity } from '../base/files'
import { guarded } from '../base/spreadsheet-cells'
import { pretty } from './json'

type Cell = string | number | null

const csvCell = (cell: Cell): string => {
  if (typeof cell !== 'string') return cell === null || !Number.isFinite(cell) ? '' : String(cell)
  return `"${guarded(cell).replaceAll('"', '""')}"`
}

const csv = (columns: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  [columns.join(','), ...rows.map((row) => row.map(csvCell).join(','))].map((line) => `${line}\n`).join('')

const membersTable = ({ members, sweep }: SweepReport): string => {
  const varied = sweepSettingNames.filter((name) => sweep.settings[name] !== undefined)
  return csv(
    [
      ...['member', ...varied, 'run', 'clustering', 'state', 'tokens', 'clusters', 'conductance', 'share_clustered'],
      ...['stable_share', 'separation', 'reliability', 'effective_share_least', 'effective_share_median']
    ],
    members.map((member, at) => [
      at + 1,
      ...varied.map((name) => member.values[name] ?? null),
      member.run,
      member.clustering,
      member.state,
      member.tokens,
      member.clusters,
      member.conductance,
      member.shareClustered,
      member.stableShare,
      member.separation,
      member.reliability,
      member.effectiveShares?.least ?? null,
      member.effectiveShares?.median ?? null
    ])
  )
}

const clustersTable = ({ clusters, members, base }: SweepReport): string => {
  const others = members.flatMap((_, at) => (at === base ? [] : [at]))
  return csv(
    [
      ...['cluster', 'label', 'size', 'conductance', 'stability', 'separation', 'found_in', 'appears_in'],
      ...others.flatMap((at) => ['cluster', 'jaccard', 'size', 'conductance'].map((what) => `${what}_in_${at + 1}`))
    ],
    clusters.map(({ cluster, name, size, conductance, stability, separation, foundIn, appears, best }) => [
      ...[cluster, name, size, conductance, stability, separation, foundIn, appears + 1],
      ...others.flatMap((at) => {
        const found = best[at]
        return [found?.cluster ?? null, found?.jaccard ?? null, found?.size ?? null, found?.conductance ?? null]
      })
    ])
  )
}

const agreementsTable = ({ agreements }: SweepReport): string =>
  csv(
    ['left', 'right', 'tokens', 'adjusted_rand'],
    agreements.map(({ left, right, tokens, adjustedRand }) => [left + 1, right + 1, tokens, adjustedRand])
  )

const files = {
  'sweep.json': (report: SweepReport) => `${pretty(report)}\n`,
  'members.csv': membersTable,
  'clusters.csv': clustersTable,
  'agreements.csv': agreementsTable
} as const

/**
 * Writes the report of a sweep into a folder: `sweep.json` has all of it, the tables its members, the clusters of its
 * base and the agreements. Members are numbered from 1. Replaces only an earlier export of this kind, if `overwrite`.
 */
export const exportSweep = (report: SweepReport, folder: string, overwrite: boolean): Promise<FolderIdentity> =>
  buildFolder(folder, { overwrite: (present) => overwrite && present.every((name) => name in files) }, async (into) => {
    for (const [name, content] of Object.entries(files)) await writeFileAtomically(join(into, name), content(report))
  })
