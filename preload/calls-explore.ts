import { z } from 'zod'
import { call, gives } from './call'
import { context, run, tokens, where } from './call-parameters'
import { clusterSchema as cluster } from './contract-annotations'
import { strata } from './contract-explore'
import type {
  ClusterDetails,
  ClusteringOverview,
  ClusterLayout,
  GalleryPage,
  Job,
  SelectionDetails,
  TokenDetails,
  TokenLayout
} from './contract-explore'
import { index, limits, text } from './limits'
import { groupKinds } from './records'
import type { TokenInContext } from './records'

const searched = text(1000).min(1)

export const clustersCalls = {
  /** Describes the clustering first if needed. That takes a while; a job reports progress. */
  overview: call(where, gives<ClusteringOverview>()),
  details: call({ ...where, cluster }, gives<ClusterDetails>()),
  /**
   * Numbers of the clusters with a token whose text contains `text`, or with a token, name, note or tag that matches
   * it as a regular expression.
   */
  search: call({ ...where, text: searched, regularExpression: z.boolean().default(false) }, gives<Int32Array>()),
  tokens: call(
    {
      ...where,
      cluster,
      stratum: z.enum(strata).default('central'),
      seed: z.int().min(0).default(1),
      toward: cluster.optional(),
      tokenId: index.optional(),
      subset: text(limits.text).optional(),
      offset: index.default(0),
      limit: index.max(1000).default(60),
      ...context
    },
    gives<GalleryPage>()
  ),
  members: call({ ...where, cluster }, gives<Int32Array>())
}

export const tokensCalls = {
  contexts: call({ run, tokens, ...context }, gives<readonly TokenInContext[]>()),
  details: call({ ...where, token: index, ...context }, gives<TokenDetails>()),
  /** What any tokens have in common, and the clusters that they are in. */
  summary: call({ ...where, tokens }, gives<SelectionDetails>()),
  /** Tokens whose own text contains `text`, in order. */
  find: call({ run, text: searched, limit: index.max(10_000).default(500) }, gives<Int32Array>()),
  /** Number of every token's cluster, or of its group at another level; -1 for tokens in none. */
  membership: call({ ...where, level: z.enum(groupKinds).default('cluster') }, gives<Int32Array>()),
  /**
   * Strength of every token in its cluster, 0 to 1; NaN for unclustered tokens. Empty if the draws were not split.
   */
  strengths: call(where, gives<Float32Array>()),
  /** Index of every token's subset in `ClusteringOverview.subsets`. */
  subsets: call(where, gives<Int32Array>()),
  /** χ̂ of every token in one component, in nats². */
  column: call({ run, component: text(limits.word) }, gives<Float32Array>()),
  /** Edges of the neighbour graph with an end among the given tokens, and their weights. */
  edges: call(
    { ...where, tokens, most: index.max(1_000_000).default(20_000) },
    gives<{
      readonly from: Int32Array
      readonly to: Int32Array
      readonly weights: Float32Array
      readonly cut: boolean
    }>()
  )
}

export const graphCalls = {
  /** Returns the stored layout, or starts computing it and returns the job. */
  tokens: call(
    { ...where, again: z.boolean().default(false) },
    gives<TokenLayout | { readonly state: 'working'; readonly job: Job }>()
  ),
  clusters: call(where, gives<ClusterLayout>())
}
