import { checkedConfiguration, clusteringMethods, clusteringSchema } from '../../preload/contract'
import type { ClusteringMethod } from '../../preload/contract'
import { isDraft, valueAt, withValue } from './draft'
import type { Draft } from './draft'

/** What a method is called in a sentence. */
export const clusteringMethodNames: Readonly<Record<ClusteringMethod, string>> = {
  communities: 'communities',
  acl: 'ACL'
}

export const isClusteringMethod = (value: unknown): value is ClusteringMethod =>
  clusteringMethods.some((method) => method === value)

/** Settings of a clustering that is asked for by itself, where nothing but its method is given. */
export const clusteringDefaults = (method: ClusteringMethod): Draft => ({ ...clusteringSchema.parse({ method }) })

/** Keys of `clustering` that a method has. */
export const clusteringKeys = (method: ClusteringMethod): readonly string[] => Object.keys(clusteringDefaults(method))

const known = new Map<string, Draft>()

/** What is in force in a run of a preset where its clustering gives nothing, or nothing but a method. */
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

/** The method that a draft of a run is clustered by: the one given, or that of the preset. */
export const clusteringMethodOf = (draft: Draft, preset: string): ClusteringMethod => {
  const given = valueAt(draft, 'clustering.method')
  const method = isClusteringMethod(given) ? given : presetClustering(preset).method
  return isClusteringMethod(method) ? method : 'communities'
}

/** A section of clustering settings without those that only another method has, and which ones these were. */
export const settingsOfMethod = (
  settings: Draft,
  method: ClusteringMethod
): { readonly settings: Draft; readonly dropped: readonly string[] } => {
  const keys = clusteringKeys(method)
  const dropped = Object.keys(settings).filter((key) => !keys.includes(key))
  return { settings: Object.fromEntries(Object.entries(settings).filter(([key]) => keys.includes(key))), dropped }
}

/** A draft of a run that is clustered by another method; `usual` needs no key. */
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
