import { checkedConfiguration, clusteringMethods, clusteringSchema } from '../../preload/contract'
import type { ClusteringMethod } from '../../preload/contract'
import { isDraft, valueAt, withValue } from './draft'
import type { Draft } from './draft'

/** Name of a method inside a sentence. */
export const clusteringMethodNames: Readonly<Record<ClusteringMethod, string>> = {
  communities: 'communities',
  acl: 'ACL'
}

export const isClusteringMethod = (value: unknown): value is ClusteringMethod =>
  clusteringMethods.some((method) => method === value)

/** Default settings of a clustering requested on its own, by method. */
export const clusteringDefaults = (method: ClusteringMethod): Draft => ({ ...clusteringSchema.parse({ method }) })

/** Keys of `clustering` that a method uses. */
export const clusteringKeys = (method: ClusteringMethod): readonly string[] => Object.keys(clusteringDefaults(method))

const known = new Map<string, Draft>()

/** Default clustering settings of a preset, optionally with another method. */
export const presetClustering = (preset: string, method?: ClusteringMethod): Draft => {
  const key = `${preset} ${method}`
  const found =
    known.get(key) ??
    (() => {
      const given = {
        model: '-',
        rows: '-',
        sampler: { preset },
        ...(method === undefined ? {} : { clustering: { method } })
      }
      const clustering = checkedConfiguration(given).configuration?.clustering
      return { ...(clustering === false ? undefined : clustering) }
    })()
  known.set(key, found)
  return found
}

/** Clustering method of a draft: the given one, or the preset's. */
export const clusteringMethodOf = (draft: Draft, preset: string): ClusteringMethod => {
  const given = valueAt(draft, 'clustering.method')
  const method = isClusteringMethod(given) ? given : presetClustering(preset).method
  return isClusteringMethod(method) ? method : 'communities'
}

/** Clustering settings without those of other methods, and the keys that were removed. */
export const settingsOfMethod = (
  settings: Draft,
  method: ClusteringMethod
): { readonly settings: Draft; readonly dropped: readonly string[] } => {
  const keys = clusteringKeys(method)
  const dropped = Object.keys(settings).filter((key) => !keys.includes(key))
  return { settings: Object.fromEntries(Object.entries(settings).filter(([key]) => keys.includes(key))), dropped }
}

/** A draft with another clustering method; the default method, `usual`, gets no key. */
export const withClusteringMethod = (
  draft: Draft,
  method: ClusteringMethod,
  usual: ClusteringMethod
): { readonly draft: Draft; readonly dropped: readonly string[] } => {
  const given = valueAt(draft, 'clustering')
  const { settings, dropped } = settingsOfMethod(isDraft(given) ? given : {}, method)
  const { method: _, ...others } = settings
  const next = { ...(method === usual ? {} : { method }), ...others }
  return { draft: withValue(draft, 'clustering', Object.keys(next).length === 0 ? undefined : next), dropped }
}
