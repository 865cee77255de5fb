import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { RunConfiguration } from '../../preload/configuration'
import type { CorpusPreview, ModelDescription, SignalPreview } from '../../preload/contract'
import { familyOf } from '../models/architectures'
import { componentNames, groupedComponentNames } from '../models/components'
import { outlineModel } from '../models/load'
import { relayPart } from './describe'
import type { PartOptions } from './describe'
import { inNewProcess } from './session'

/** Seconds after which a preview shows what has been read so far. */
const previewSeconds = 10

/**
 * Previews a configuration's rows as a run would pack them: counts by subset, and `rows` of those to be studied.
 * Reads the corpus in a new compute process for a few seconds at most, and counts what was read. Faults of the corpus
 * are returned as `problem`. Throws an `interrupted` error after `signal`.
 */
export const previewCorpus = (
  configuration: RunConfiguration,
  baseFolder: string,
  rows: number,
  options: PartOptions
): Promise<CorpusPreview> =>
  inNewProcess('preview', options, async (compute) => {
    const off = relayPart(compute, [0, 1], 'reading the corpus', options.onProgress)
    try {
      return await compute.call('preview', { configuration, baseFolder, rows, seconds: previewSeconds })
    } finally {
      off()
    }
  })

/** Samples a few components of a configuration for about `seconds`, in a new compute process (signal-preview.ts). */
export const previewSignalApart = (
  configuration: RunConfiguration,
  baseFolder: string,
  seconds: number,
  options: PartOptions
): Promise<SignalPreview> =>
  inNewProcess('preview', options, async (compute) => {
    const off = relayPart(compute, [0, 1], 'sampling some components', options.onProgress)
    try {
      return await compute.call(
        'previewSignal',
        { configuration, baseFolder, seconds, threads: configuration.threads ?? availableParallelism() },
        { signal: options.signal }
      )
    } finally {
      off()
    }
  })

/** Mean loss at w* over rows, in nats per token, measured in a new compute process. Throws as `meanLossOf` does. */
export const meanLossApart = (model: string, rows: readonly Int32Array[], options: PartOptions): Promise<number> =>
  inNewProcess('preview', options, async (compute) => {
    const off = relayPart(compute, [0, 1], 'measuring L(w*)', options.onProgress)
    try {
      return await compute.call('meanLoss', { model, rows, engine: 'auto' }, { signal: options.signal })
    } finally {
      off()
    }
  })

/**
 * Describes a model folder from config.json and the headers of the weights. `weights` names another checkpoint.
 * Throws an `input` error that says what is missing or does not fit.
 */
export const describeModel = async (folder: string, weights?: string): Promise<ModelDescription> => {
  const { architecture, parameters, bytes } = await outlineModel(folder, weights)
  const { family, layers, hidden, heads, groups, vocabulary, contextLength } = architecture
  return {
    folder,
    layers,
    heads,
    vocabulary,
    parameters,
    bytes,
    architecture: familyOf({ family }).title,
    width: hidden,
    positions: contextLength,
    hasTokenizer: existsSync(join(folder, 'tokenizer.json')),
    components: componentNames(architecture),
    groups: groups < heads ? groupedComponentNames(architecture) : null
  }
}
