import type { RunProgress } from '../../preload/contract'
import type { RunRecord } from '../../preload/records'
import { comparisonsOf, type Variant } from '../clustering/variants'
import type { Workspace } from '../store/store'
import type { ClusterRequest } from './messages'
import { comparisonProgress } from './progress'
import type { Compute } from './session'
import { sendHalf } from './transfer'

interface CompareOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: RunProgress) => void
}

const wordsOf = (variant: Variant, splits: number): string => {
  if (variant.kind === 'whole') return variant.name
  const of = variant.kind === 'half' ? variant : variant.of
  const half = of === 'whole' ? null : `half ${of.half + 1} of split ${of.split + 1} of ${splits}`
  if (variant.kind === 'half') return half!
  return half === null ? 'a cloud without clusters' : `a cloud without clusters, ${half}`
}

/**
 * Clusters the comparison matrices in a compute process that has clustered the whole matrix: halves of the draws, and
 * a cloud without clusters (docs/method.md, section 5.4). Skips those already done, also by an earlier process.
 */
export const compareWith = async (
  compute: Compute,
  workspace: Workspace,
  run: RunRecord,
  request: ClusterRequest,
  { signal, onProgress }: CompareOptions
): Promise<void> => {
  const variants = comparisonsOf(request.parts)
  const splits = variants.filter((variant) => variant.kind === 'half' && variant.half === 0).length
  const startedAt = Date.now()
  for (const [at, variant] of variants.entries()) {
    if (await compute.call('isClustered', { ...request, variant })) continue
    if (variant.kind === 'half') await sendHalf(workspace, run, compute, variant.parts)
    const off = compute.on('clustering', (report) =>
      onProgress(comparisonProgress(report, { at, of: variants.length, words: wordsOf(variant, splits), startedAt }))
    )
    try {
      await compute.call('cluster', { ...request, variant }, { signal })
    } finally {
      off()
    }
  }
}
