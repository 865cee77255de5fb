import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SpectroscopeError } from '../../../preload/errors'
import type { Autoencoder } from './autoencoder'
import { readDictionaryLearning } from './dictionary-learning'
import { readSaelens } from './saelens'
import { readSparsify } from './sparsify'

/** Libraries by the files of their folders. */
const libraries: readonly (readonly [files: readonly string[], read: (folder: string) => Promise<Autoencoder>])[] = [
  [['cfg.json', 'sae_weights.safetensors'], readSaelens],
  [['cfg.json', 'sae.safetensors'], readSparsify],
  [['config.json', 'ae.pt'], readDictionaryLearning]
]

/**
 * Opens a folder with a sparse autoencoder of SAELens, sparsify or dictionary_learning. Throws an `input` error that
 * names the file and what cannot be read or computed.
 */
export const readAutoencoder = async (folder: string): Promise<Autoencoder> => {
  const found = libraries.find(([files]) => files.every((file) => existsSync(join(folder, file))))
  if (found !== undefined) return found[1](folder)
  const pairs = libraries.map(([files]) => files.join(' and ')).join(', or ')
  throw new SpectroscopeError('input', `${folder}: it has no sparse autoencoder; give a folder with ${pairs}.`)
}
