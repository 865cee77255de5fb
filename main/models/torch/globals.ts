import { briefly } from '../../../preload/quoting'

/** Elements of a storage, as its class names them: their type in safetensors' words. */
export const storageTypes: Readonly<Record<string, string>> = {
  BFloat16Storage: 'BF16',
  BoolStorage: 'BOOL',
  ByteStorage: 'U8',
  CharStorage: 'I8',
  ComplexFloatStorage: 'C64',
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  IntStorage: 'I32',
  LongStorage: 'I64',
  ShortStorage: 'I16'
}

/** Classes that a state dictionary is built of, beside the storages. Nothing else in a pickle is looked up. */
const builders = [
  'collections.OrderedDict',
  'torch._utils._rebuild_parameter',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2'
] as const

/** A name that a pickle refers to. It stands for itself: nothing is imported or called. */
export type Global = { readonly builder: (typeof builders)[number] } | { readonly storageType: string }

const saveAgain = "save it again with `torch.save(model.state_dict(), 'pytorch_model.bin')`"

/** Kinds of things that are no state dictionary, by what their pickles ask for: what they are, and what to do. */
const foreign: readonly (readonly [RegExp, what: string, remedy: string])[] = [
  [/^torch\.nn\.|^transformers\.|^__torch__\./, 'a whole module, not a state dictionary', saveAgain],
  [/^numpy\b/, 'NumPy arrays, not tensors', `convert them with torch.from_numpy and ${saveAgain}`],
  [
    /qtensor$|\.per_(tensor|channel)_|\.Q\w+Storage$/,
    'quantised tensors',
    `use the weights from before quantisation, or call dequantize() on them and ${saveAgain}`
  ],
  [/_rebuild_sparse/, 'sparse tensors', `call to_dense() on them and ${saveAgain}`],
  [/^torch\./, 'something other than a plain tensor', saveAgain]
]

/** Describes a name that is not on the list, as the end of a sentence that begins with the file. */
export const refusalOf = (name: string): string => {
  const asked = `its pickle asks for ${briefly(name)}`
  const [, what, remedy] = foreign.find(([pattern]) => pattern.test(name)) ?? []
  if (what !== undefined && remedy !== undefined) return `${asked}: it holds ${what}; ${remedy}`
  const danger = 'which no state dictionary needs and which may run a program when Python loads it'
  return `${asked}, ${danger}; nothing was run: do not load it, and get the weights as safetensors from their authors`
}

/** What a name stands for in a state dictionary, or undefined if it has no place in one. */
export const globalOf = (module: string, name: string): Global | undefined => {
  const builder = builders.find((one) => one === `${module}.${name}`)
  if (builder !== undefined) return { builder }
  return module === 'torch' && Object.hasOwn(storageTypes, name) ? { storageType: storageTypes[name] } : undefined
}
