import { briefly } from '../../../preload/quoting'
import type { Hookpoint, Refuse } from './autoencoder'

const known = 'choose one of the residual stream, of the output of attention or of the MLP'

const refusal = (name: string, refuse: Refuse, why = 'which is not computed here'): Error =>
  refuse(`its activations are those at "${briefly(name)}", ${why}; ${known}`)

/** A place by TransformerLens's name. */
export const lensHookpoint = (name: string, refuse: Refuse): Hookpoint => {
  if (name === 'hook_embed') return { kind: 'stream', layer: 0 }
  const [, block, hook] = /^blocks\.(\d{1,4})\.(?:hook_)?(\w+)$/.exec(name) ?? []
  const layer = Number(block)
  switch (hook) {
    case 'resid_pre':
      return { kind: 'stream', layer }
    case 'resid_mid':
      return { kind: 'middle', layer }
    case 'resid_post':
      return { kind: 'stream', layer: layer + 1 }
    case 'attn_out':
      return { kind: 'attention out', layer }
    case 'mlp_out':
      return { kind: 'mlp out', layer }
    default:
      throw refusal(name, refuse)
  }
}

/** A place by a module's path, as sparsify names its folders: the module's output, or its input for a transcoder. */
export const moduleHookpoint = (path: string, isTranscoder: boolean, refuse: Refuse): Hookpoint => {
  const bare = path.replace(/^(gpt_neox|transformer|model)\./, '')
  if (/^(embed_in|wte|embed_tokens)$/.test(bare) && !isTranscoder) return { kind: 'stream', layer: 0 }
  const [, block, part] = /^(?:layers|h)\.(\d{1,4})(?:\.(\w+))?$/.exec(bare) ?? []
  if (block === undefined) throw refusal(path, refuse)
  const layer = Number(block)
  if (part === undefined) return { kind: 'stream', layer: isTranscoder ? layer : layer + 1 }
  if (part === 'mlp') return { kind: isTranscoder ? 'mlp in' : 'mlp out', layer }
  if (/^(attention|attn|self_attn)$/.test(part) && !isTranscoder) return { kind: 'attention out', layer }
  throw refusal(path, refuse)
}

/** A place by dictionary_learning's `submodule_name`, and its layer. */
export const submoduleHookpoint = (name: string, layer: number, refuse: Refuse): Hookpoint => {
  const kind = name.replace(/_?layer_?\d+$/, '')
  switch (kind) {
    case 'resid_pre':
      return { kind: 'stream', layer }
    case 'resid_post':
    case 'resid':
      return { kind: 'stream', layer: layer + 1 }
    case 'mlp_out':
    case 'mlp':
      return { kind: 'mlp out', layer }
    case 'attn_out':
    case 'attention_out':
    case 'attn':
      return { kind: 'attention out', layer }
    default:
      throw refusal(name, refuse)
  }
}
