import { limits } from '../../preload/limits'

interface Form {
  /** A component here, and a restriction there; layer and number are captured. */
  readonly component: RegExp
  readonly restriction: RegExp
  readonly write: (layer: string, number: string) => { readonly component: string; readonly restriction: string }
}

/** Components with a layer, in the order of columns: heads, groups of heads, attention blocks, MLPs, whole layers. */
const forms: readonly Form[] = [
  {
    component: /^head:(\d+)\.(\d+)$/,
    restriction: /^l(\d+)\s*h(\d+)$/,
    write: (layer, head) => ({ component: `head:${layer}.${head}`, restriction: `l${layer}h${head}` })
  },
  {
    component: /^group:(\d+)\.(\d+)$/,
    restriction: /^l(\d+)\s*g(\d+)$/,
    write: (layer, group) => ({ component: `group:${layer}.${group}`, restriction: `l${layer}g${group}` })
  },
  {
    component: /^attn:(\d+)$/,
    restriction: /^l(\d+)[ _]+attn$/,
    write: (layer) => ({ component: `attn:${layer}`, restriction: `l${layer} attn` })
  },
  {
    component: /^mlp:(\d+)$/,
    restriction: /^l(\d+)[ _]+mlp$/,
    write: (layer) => ({ component: `mlp:${layer}`, restriction: `l${layer} mlp` })
  },
  {
    component: /^layer:(\d+)$/,
    restriction: /^l(\d+)$/,
    write: (layer) => ({ component: `layer:${layer}`, restriction: `l${layer}` })
  }
]

/** Names that are the same on both sides. */
const alike = ['embed', 'unembed', 'full']

/** A component's name for devinterp ("l0h1", "l0 mlp"). Other names stay as they are. */
export const restrictionOf = (component: string): string => {
  for (const { component: form, write } of forms) {
    const found = form.exec(component)
    if (found !== null) return write(found[1], found[2]).restriction
  }
  return component
}

/**
 * A component's name for a restriction of devinterp ("head:0.1", "mlp:0"). A tensor's name stays as it is, without the
 * characters that no component's name has.
 */
export const componentOf = (restriction: string): string => {
  const lower = restriction.trim().toLowerCase()
  if (alike.includes(lower)) return lower
  for (const { restriction: form, write } of forms) {
    const found = form.exec(lower)
    if (found !== null) return write(found[1], found[2]).component
  }
  const plain = restriction.replace(/[^A-Za-z0-9:._-]/g, '_').replace(/^[^A-Za-z0-9]+/, '')
  return plain === '' ? 'restriction' : plain.slice(0, limits.word)
}

const ending = /(?:^|[ _.-])(full|embed|unembed|l\d+(?:\s*[hg]\d+|[ _](?:mlp|attn))?)$/i

/** Component of a store of samples, by the end of its folder's name: "samples_l2 mlp.zarr" is mlp:2. */
export const componentOfFolder = (name: string): string => {
  const stem = name.replace(/\.zarr$/i, '')
  return componentOf(ending.exec(stem)?.[1] ?? stem)
}

/** Key by which components are put in the order of a study's columns. */
const rankOf = (component: string): readonly number[] => {
  const at = forms.findIndex(({ component: form }) => form.test(component))
  if (component === 'embed') return [0]
  if (component === 'unembed') return [forms.length + 1]
  if (at < 0) return [forms.length + 2]
  const [, layer, number = '0'] = forms[at].component.exec(component)!
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
