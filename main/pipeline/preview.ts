import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { RunConfiguration } from '../../preload/configuration'
import type { CorpusPreview, ModelDescription, SignalPreview } from '../../preload/contract'
import { familyOf } from '../models/architectures'
import { componentNames } from '../models/components'
import { outlineModel } from '../models/load'
import { relayPart } from './describe'
import type { PartOptions } from './describe'
import { besideRuns } from './session'

/** After this long a preview makes do with what has been read. */
const previewSeconds = 10

/**
 * The rows of a configuration as a run would pack them: counts by subset, and `rows` of those that it would study.
 * Reads the corpus in a process of its own, for some seconds at most; then counts are those of what was read. What is
 * wrong with the corpus, or too little, is told as `problem`. Throws an `interrupted` error after `signal`.
 */
export const previewCorpus = (
  configuration: RunConfiguration,
  baseFolder: string,
  rows: number,
  options: PartOptions
): Promise<CorpusPreview> =>
  besideRuns('preview', options, async (compute) => {
    const off = relayPart(compute, [0, 1], 'reading the corpus', options.onProgress)
    try {
      return await compute.call('preview', { configuration, baseFolder, rows, seconds: previewSeconds })
    } finally {
      off()
    }
  })

/**
 * Samples a few components of a configuration for about so many seconds, in a process of its own: see
 * signal-preview.ts.
 */
export const previewSignalApart = (
  configuration: RunConfiguration,
  baseFolder: string,
  seconds: number,
  options: PartOptions
): Promise<SignalPreview> =>
  besideRuns('preview', options, async (compute) => {
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

/**
 * What a model folder holds, from config.json and the headers of the weights. `weights` is another checkpoint. Throws
 * an `input` error that says what is missing or does not fit.
 */
export const describeModel = async (folder: string, weights?: string): Promise<ModelDescription> => {
  const { architecture, parameters, bytes } = await outlineModel(folder, weights)
  const { family, layers, hidden, heads, vocabulary, contextLength } = architecture
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
    components: componentNames(architecture)
  }
}
