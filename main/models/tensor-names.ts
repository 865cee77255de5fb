import type { Architecture } from './architecture'
import { families } from './architectures'
import type { TensorEntry } from './safetensors-header'

/**
 * Name parts that torch.compile, FSDP and activation checkpointing insert for the modules they wrap, at any depth.
 */
const wrapperParts = /(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+/g

/**
 * The prefix, up to a full stop, that all names share and that is not the family's own: "module." or "model.", as
 * training loops write them.
 */
const sharedPrefix = (family: Architecture['family'], names: readonly string[]): string => {
  if (names.length < 2) return ''
  const [first, last] = [names.reduce((a, b) => (a < b ? a : b)), names.reduce((a, b) => (a > b ? a : b))]
  let length = 0
  while (length < first.length && first[length] === last[length]) length++
  const prefix = first.slice(0, first.lastIndexOf('.', length - 1) + 1)
  const own = prefix.lastIndexOf(families[family].root)
  return own < 0 ? prefix : prefix.slice(0, own)
}

/**
 * Renames tensors to the model's own names: without parts that wrappers insert, and without a prefix shared by every
 * tensor. Two tensors may end up with the same name.
 */
export const withoutWrappers = <T extends Pick<TensorEntry, 'name'>>(
  family: Architecture['family'],
  entries: readonly T[]
): T[] => {
  const bare = entries.map(({ name }) => name.replaceAll(wrapperParts, '$1'))
  const prefix = sharedPrefix(family, bare)
  return entries.map((entry, i) => ({ ...entry, name: bare[i].slice(prefix.length) }))
}

/** Whether a tensor is a mask or frequency table that old checkpoints store beside the weights. */
export const isBuffer = (name: string): boolean =>
  /(^|\.)(attention|attn)\.(masked_)?bias$|(^|\.)rotary_emb\.inv_freq$/.test(name)
