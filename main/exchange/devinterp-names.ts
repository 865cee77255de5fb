import { componentNamed } from '../../preload/devinterp-names'
import { limits } from '../../preload/limits'

/** Names that are the same on both sides. */
const alike = ['embed', 'unembed', 'full']

/**
 * A component's name for a restriction of devinterp ("head:0.1", "mlp:0"). A tensor's name stays as it is, without the
 * characters that no component's name has.
 */
export const componentOf = (restriction: string): string => {
  const lower = restriction.trim().toLowerCase()
  const known = componentNamed(lower)
  if (known !== lower || alike.includes(lower)) return known
  const plain = restriction.replace(/[^A-Za-z0-9:._-]/g, '_').replace(/^[^A-Za-z0-9]+/, '')
  return plain === '' ? 'restriction' : plain.slice(0, limits.word)
}

const ending = /(?:^|[ _.-])(full|embed|unembed|l\d+(?:\s*[hg]\d+|[ _](?:mlp|attn))?)$/i

/** Component of a store of samples, by the end of its folder's name: "samples_l2 mlp.zarr" is mlp:2. */
export const componentOfFolder = (name: string): string => {
  const stem = name.replace(/\.zarr$/i, '')
  return componentOf(ending.exec(stem)?.[1] ?? stem)
}

/** Kinds of components with a layer, in the order of columns. */
const kinds = ['head', 'group', 'attn', 'mlp', 'layer']

/** Key by which components are put in the order of a study's columns. */
const rankOf = (component: string): readonly number[] => {
  const [, kind, layer, number = '0'] = /^(\w+):(\d+)(?:\.(\d+))?$/.exec(component) ?? []
  const at = kinds.indexOf(kind)
  if (component === 'embed') return [0]
  if (component === 'unembed') return [kinds.length + 1]
  if (at < 0) return [kinds.length + 2]
  return [at + 1, Number(layer), Number(number)]
}

/** Compares components by the order of columns in docs/method.md, section 1. */
export const byColumn = (left: string, right: string): number => {
  const [a, b] = [rankOf(left), rankOf(right)]
  const at = a.findIndex((value, index) => value !== b[index])
  return at < 0 ? (left < right ? -1 : Number(left > right)) : a[at] - b[at]
}

/** How devinterp makes an identifier of an observable's name. */
export const observableId = (name: string): string => {
  const id = name.replace(/[^A-Za-z0-9_]/g, '_')
  return /^\d/.test(id) ? `_${id}` : id
}
