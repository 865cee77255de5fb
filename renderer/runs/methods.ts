import {
  clusteringMethods,
  presetNames,
  presets,
  samplerKeys,
  samplingMethods,
  standardPreset
} from '../../preload/contract'
import type { ClusteringMethod, PresetName, SamplingMethod } from '../../preload/contract'
import { clusteringMethodOf, presetClustering, withClusteringMethod } from './clustering-methods'
import { isDraft, valueAt, withValue } from './draft'
import type { Draft } from './draft'

/** Name of a method inside a sentence. */
export const methodWords: Readonly<Record<SamplingMethod, string>> = {
  'first-order': 'first order',
  gradient: 'all orders',
  psgld: 'pSGLD'
}

/** Purpose of each preset, in a line. */
export const presetPurpose: Readonly<Record<PresetName, string>> = {
  'first-order': 'Default. Reliable columns in the shortest time.',
  quick: 'Quick look: samples the prior (nβ\u00a00), stops at a lower reliability.',
  'all-orders': 'Checks first order: includes curvature and above, takes longer.',
  paper: 'Published pSGLD chains, to reproduce the paper. By far the slowest.'
}

export const isPresetName = (value: unknown): value is PresetName => presetNames.some((name) => name === value)
export const isMethod = (value: unknown): value is SamplingMethod => samplingMethods.some((name) => name === value)

/** The draft's preset, or the standard one of its method. */
export const presetOf = (draft: Draft): PresetName => {
  const [preset, method] = [valueAt(draft, 'sampler.preset'), valueAt(draft, 'sampler.method')]
  return isPresetName(preset) ? preset : standardPreset(isMethod(method) ? method : 'first-order')
}

/** The draft's sampling method. */
export const methodOf = (draft: Draft): SamplingMethod => {
  const method = valueAt(draft, 'sampler.method')
  return isMethod(method) ? method : presets[presetOf(draft)].method
}

export interface PresetChange {
  readonly draft: Draft
  /** Settings that were removed because the new method does not use them. */
  readonly dropped: readonly string[]
}

/** A draft with another preset: keeps the settings its methods use, removes the others. */
export const withPreset = (draft: Draft, preset: PresetName): PresetChange => {
  const keys = samplerKeys(presets[preset].method)
  const given = valueAt(draft, 'sampler')
  const settings = isDraft(given) ? given : {}
  const dropped = Object.keys(settings).filter((key) => !keys.includes(key))
  // The preset implies the method; the default preset needs no key.
  const kept = Object.entries(settings).filter(
    ([key]) => !dropped.includes(key) && key !== 'method' && key !== 'preset'
  )
  const sampler = { ...(preset === standardPreset('first-order') ? {} : { preset }), ...Object.fromEntries(kept) }
  const sampled = withValue(draft, 'sampler', Object.keys(sampler).length === 0 ? undefined : sampler)
  if (!isDraft(valueAt(draft, 'clustering'))) return { draft: sampled, dropped }
  const clustered = withClusteringMethod(sampled, clusteringMethodOf(sampled, preset), usualClustering(preset))
  return { draft: clustered.draft, dropped: [...dropped, ...clustered.dropped] }
}

/** Default clustering method of a preset. */
export const usualClustering = (preset: PresetName): ClusteringMethod =>
  clusteringMethodOf(presetClustering(preset), preset)

const named = [...samplingMethods, ...clusteringMethods].join('|')
const prefix = new RegExp(`^(?:${named})(?: and (?:${named}))*: `)

/** A setting's description, without the parts about other methods. */
export const wordsForMethod = (words: string, method: SamplingMethod | ClusteringMethod): string => {
  let fits = true
  return words
    .split('; ')
    .flatMap((part) => {
      const found = prefix.exec(part)?.[0]
      if (found !== undefined) fits = found.slice(0, -2).split(' and ').includes(method)
      return fits ? [part.slice(found?.length ?? 0)] : []
    })
    .join('; ')
}
