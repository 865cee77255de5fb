import { z } from 'zod'
import { limits } from './limits'
import { count } from './setting-bounds'

const suited = z.literal('auto')
const neighbours = z.int().min(2).max(limits.neighbours)

/** Lower limit of the recall of approximate neighbours, and what it is a multiple of. */
const [leastRecall, recallStep] = [0.5, 0.001]

export const clusteringMethods = ['communities', 'acl'] as const
export type ClusteringMethod = (typeof clusteringMethods)[number]

/** Settings that belong to one method, with their defaults. */
const clusteringDefaults = {
  communities: { resolution: 'auto', levels: 3, seeds: 4 },
  acl: { alpha: 0.001, epsilon: 1e-7, rule: 'local', maxRejections: 200, remaining: 0.001 }
} as const

/** Lower limit of resolutions. Below it all tokens are one community. */
export const coarsestResolution = 1e-6
/** Upper limit of resolutions. Above it every token is a community of its own. */
export const finestResolution = 10_000

const commonClustering = {
  neighbours: z
    .union([suited, neighbours])
    .default('auto')
    .describe('k of the nearest-neighbour graph; "auto" depends on the number of tokens')
    .meta({ unit: 'neighbours' }),
  recall: z
    .number()
    .min(leastRecall)
    .max(1)
    .multipleOf(recallStep)
    .default(1)
    .describe('share of the nearest neighbours to find: 1 searches exactly; less is approximate, for many tokens')
    .meta({ unit: 'share' }),
  symmetrize: z
    .enum(['union', 'mutual'])
    .default('union')
    .describe('keep an edge if either end (union) or both ends (mutual) list the other'),
  whiten: z
    .union([suited, z.boolean()])
    .default('auto')
    .describe('PCA whitening instead of standardised columns and centred rows'),
  allColumns: z
    .boolean()
    .default(false)
    .describe('include columns with an unreliable estimate (effective share of draws below 0.3)'),
  minSize: z
    .union([suited, count(limits.tokens)])
    .default('auto')
    .describe('minimum cluster size; "auto" depends on the number of tokens')
    .meta({ unit: 'tokens' }),
  stability: z.boolean().default(true).describe('also cluster each half of the draws, to measure which clusters recur')
}
const communityFields = {
  resolution: z
    .union([suited, z.number().min(coarsestResolution).max(finestResolution)])
    .describe('communities: modularity resolution of the finest level; "auto" picks the one that explains most')
    .meta({ default: clusteringDefaults.communities.resolution }),
  levels: z
    .int()
    .min(1)
    .max(3)
    .describe('communities: levels of the tree, each four times coarser than the one below')
    .meta({ unit: 'levels', default: clusteringDefaults.communities.levels }),
  seeds: z
    .int()
    .min(1)
    .max(100)
    .describe('communities: partitions in the consensus')
    .meta({ unit: 'partitions', default: clusteringDefaults.communities.seeds })
}
const aclFields = {
  alpha: z
    .number()
    .min(1e-9)
    .lt(1)
    .describe('acl: teleport probability of the personalised PageRank')
    .meta({ unit: 'probability', default: clusteringDefaults.acl.alpha }),
  epsilon: z
    .number()
    .min(1e-12)
    .max(1)
    .describe('acl: bound on the residual of a node over its degree')
    .meta({ default: clusteringDefaults.acl.epsilon }),
  rule: z
    .enum(['local', 'global'])
    .describe('acl: which prefixes of a sweep are considered')
    .meta({ default: clusteringDefaults.acl.rule }),
  maxRejections: count(limits.tokens)
    .describe('acl: consecutive rejections that end the search')
    .meta({ unit: 'attempts', default: clusteringDefaults.acl.maxRejections }),
  remaining: z
    .number()
    .min(0)
    .lt(1)
    .describe('acl: share of remaining tokens that ends the search')
    .meta({ unit: 'share', default: clusteringDefaults.acl.remaining })
}

/** Keys of `clustering` that belong to one method only. */
export const keysOfMethod: Readonly<Record<ClusteringMethod, readonly string[]>> = {
  communities: Object.keys(communityFields),
  acl: Object.keys(aclFields)
}

const clusteringFields = z.strictObject({
  method: z
    .enum(clusteringMethods)
    .optional()
    .describe('communities: a tree by modularity (Leiden); acl: local clusters, as published')
    .meta({ default: 'communities' }),
  ...commonClustering,
  ...z.object(communityFields).partial().shape,
  ...z.object(aclFields).partial().shape
})

const common = z.strictObject(commonClustering)
const communitySettings = common.extend({ method: z.literal('communities'), ...communityFields })
const aclSettings = common.extend({ method: z.literal('acl'), ...aclFields })

/** Clustering settings as given; some may be "auto". */
export type ClusteringSettings = z.output<typeof communitySettings> | z.output<typeof aclSettings>

const completeClustering = (given: z.output<typeof clusteringFields>): ClusteringSettings => {
  const { method = 'communities' } = given
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { ...clusteringDefaults[method], ...present, method } as ClusteringSettings
}

export const clusteringSchema = clusteringFields
  .superRefine((clustering, context) => {
    const method = clustering.method ?? 'communities'
    const other = method === 'acl' ? 'communities' : 'acl'
    for (const [key, value] of Object.entries(clustering)) {
      if (value === undefined || !keysOfMethod[other].includes(key)) continue
      const message =
        `this setting belongs to the method "${other}", and this clustering's method is "${method}"; remove it, ` +
        `or set "clustering.method" to "${other}"`
      context.addIssue({ code: 'custom', path: [key], message })
    }
  })
  .transform(completeClustering)

const decided = { neighbours, minSize: count(limits.tokens), whiten: z.boolean() }

/** Clustering settings with "auto" replaced by values for the study. The resolution is the one that was chosen. */
export const clusteringConfigurationSchema = z.discriminatedUnion('method', [
  communitySettings.extend(decided),
  aclSettings.extend(decided)
])

/** Settings in which the preset `paper` differs from the defaults. */
export const paperClustering = { method: 'acl', neighbours: 45, minSize: 20, whiten: false }

export type ClusteringConfiguration = z.output<typeof clusteringConfigurationSchema>

/**
 * Number of neighbours that gave most clusters, and most stable ones, on parts of the development corpus of 5,000 to
 * 100,000 tokens (test/bench/NOTES.md).
 */
const suitedNeighbours = (tokens: number): number =>
  Math.max(
    2,
    Math.min(tokens - 1, Math.max(5, Math.round(10 * (tokens / 13_000) ** (tokens < 13_000 ? 1 / 3 : 1 / 10))))
  )

/** Replaces "auto" by values for a study of `tokens` tokens. */
export const suitClustering = (settings: ClusteringSettings, tokens: number): ClusteringConfiguration => {
  const { neighbours, minSize, whiten } = settings
  return {
    ...settings,
    neighbours: neighbours === 'auto' ? suitedNeighbours(tokens) : neighbours,
    minSize: minSize === 'auto' ? (tokens < 50_000 ? 10 : 20) : minSize,
    whiten: whiten === 'auto' ? true : whiten
  }
}

/**
 * Number under which the store keeps neighbours: exact ones by their preprocessing alone, since any number of them
 * begins with the same; approximate ones by all that they depend on.
 */
export const neighboursKey = ({
  neighbours,
  whiten,
  recall
}: Pick<ClusteringConfiguration, 'neighbours' | 'whiten' | 'recall'>): number =>
  Number(whiten) + (recall === 1 ? 0 : 2 * (Math.round((1 - recall) / recallStep) * 2 ** 14 + neighbours))

/** Adds the method to settings written by older versions, which had only `acl`, without stability. */
export const modernisedClustering = (clustering: object): object =>
  'method' in clustering ? clustering : { stability: false, ...clustering, method: 'acl' }
