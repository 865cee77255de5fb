import type { Architecture } from './architecture'
import type { TensorEntry } from './safetensors-header'

/** Parts that torch.compile, FSDP and activation checkpointing put into the names of what they wrap, at any depth. */
const wrapperParts = /(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+/g

/** Where a family's own names begin, if all have that beginning. */
const roots: Readonly<Record<Architecture['family'], string>> = { gpt_neox: 'gpt_neox.', gpt2: 'transformer.' }

/**
 * What all names begin with, up to a full stop, less the family's own beginning: "module." or "model.", as training
 * loops write them.
 */
const sharedPrefix = (family: Architecture['family'], names: readonly string[]): string => {
  if (names.length < 2) return ''
  const [first, last] = [names.reduce((a, b) => (a < b ? a : b)), names.reduce((a, b) => (a > b ? a : b))]
  let length = 0
  while (length < first.length && first[length] === last[length]) length++
  const prefix = first.slice(0, first.lastIndexOf('.', length - 1) + 1)
  const own = prefix.indexOf(roots[family])
  return own < 0 ? prefix : prefix.slice(0, own)
}

/**
 * The tensors by the names that the model has by itself: without the parts that wrappers put into names, and without
 * a prefix that every tensor of the model has. Two tensors may come to one name.
 */
export const withoutWrappers = <T extends Pick<TensorEntry, 'name'>>(
  family: Architecture['family'],
  entries: readonly T[]
): T[] => {
  const bare = entries.map(({ name }) => name.replaceAll(wrapperParts, '$1'))
  const prefix = sharedPrefix(family, bare)
  return entries.map((entry, i) => ({ ...entry, name: bare[i].slice(prefix.length) }))
}

/** Masks and frequencies that old checkpoints store beside the weights. */
export const isBuffer = (name: string): boolean =>
  /(^|\.)(attention|attn)\.(masked_)?bias$|(^|\.)rotary_emb\.inv_freq$/.test(name)

/** GPT-2's names always with "transformer.", which files leave out or have. */
export const canonicalName = (family: Architecture['family'], name: string): string =>
  family === 'gpt2' && !name.startsWith('transformer.') && name !== 'lm_head.weight' ? `transformer.${name}` : name
