import type { Architecture, Weights } from './architecture'

/**
 * A rectangle of a weight tensor: rows [rowStart, rowEnd) and columns [columnStart, columnEnd). A one-dimensional
 * tensor counts as one row.
 */
export interface Slice {
  readonly tensor: string
  readonly rowStart: number
  readonly rowEnd: number
  readonly columnStart: number
  readonly columnEnd: number
  /** Shape of the slice itself, flattened row-major. */
  readonly shape: readonly number[]
}

const whole = (weights: Weights, tensor: string): Slice => {
  const { shape } = weights.get(tensor)!
  const [rows, columns] = shape.length === 1 ? [1, shape[0]] : [shape[0], shape[1]]
  return { tensor, rowStart: 0, rowEnd: rows, columnStart: 0, columnEnd: columns, shape }
}

const rows = (weights: Weights, tensor: string, start: number, end: number): Slice => {
  const columns = weights.get(tensor)!.shape[1]
  return { tensor, rowStart: start, rowEnd: end, columnStart: 0, columnEnd: columns, shape: [end - start, columns] }
}

const columns = (weights: Weights, tensor: string, start: number, end: number): Slice => {
  const { shape } = weights.get(tensor)!
  return shape.length === 1
    ? { tensor, rowStart: 0, rowEnd: 1, columnStart: start, columnEnd: end, shape: [end - start] }
    : { tensor, rowStart: 0, rowEnd: shape[0], columnStart: start, columnEnd: end, shape: [shape[0], end - start] }
}

/** Component names in the order of the susceptibility vector (docs/method.md, section 1). `full` is not included. */
export const componentNames = ({ family, layers, heads }: Architecture): string[] => {
  const layer = Array.from({ length: layers }, (_, i) => i)
  return [
    'embed',
    ...layer.flatMap((i) => Array.from({ length: heads }, (_, j) => `head:${i}.${j}`)),
    ...layer.map((i) => `mlp:${i}`),
    ...(family === 'gpt_neox' ? ['unembed'] : [])
  ]
}

/** Index of a component in a random stream (docs/method.md, section 4). */
export const componentIndex = (architecture: Architecture, component: string): number =>
  component === 'full' ? 2 ** 24 - 1 : componentNames(architecture).indexOf(component)

/** Slices of a component, or of `full`, in the order in which they are flattened (docs/method.md, section 1). */
export const componentSlices = (architecture: Architecture, weights: Weights, component: string): Slice[] => {
  const { family, hidden, heads } = architecture
  const headWidth = hidden / heads
  if (component === 'full') return [...weights.keys()].map((name) => whole(weights, name))
  const [kind, place = ''] = component.split(':')
  const [layer, head = 0] = place.split('.').map(Number)
  if (family === 'gpt_neox') {
    if (kind === 'embed') return [whole(weights, 'gpt_neox.embed_in.weight')]
    if (kind === 'unembed') return [whole(weights, 'embed_out.weight')]
    const block = `gpt_neox.layers.${layer}.`
    if (kind === 'mlp')
      return ['dense_h_to_4h.weight', 'dense_h_to_4h.bias', 'dense_4h_to_h.weight', 'dense_4h_to_h.bias'].map((name) =>
        whole(weights, `${block}mlp.${name}`)
      )
    const qkv = `${block}attention.query_key_value`
    return [
      rows(weights, `${qkv}.weight`, 3 * headWidth * head, 3 * headWidth * (head + 1)),
      columns(weights, `${qkv}.bias`, 3 * headWidth * head, 3 * headWidth * (head + 1)),
      columns(weights, `${block}attention.dense.weight`, headWidth * head, headWidth * (head + 1))
    ]
  }
  if (kind === 'embed') return [whole(weights, 'transformer.wte.weight'), whole(weights, 'transformer.wpe.weight')]
  const block = `transformer.h.${layer}.`
  if (kind === 'mlp')
    return ['c_fc.weight', 'c_fc.bias', 'c_proj.weight', 'c_proj.bias'].map((name) =>
      whole(weights, `${block}mlp.${name}`)
    )
  const starts = [0, 1, 2].map((part) => hidden * part + headWidth * head)
  return [
    ...starts.map((start) => columns(weights, `${block}attn.c_attn.weight`, start, start + headWidth)),
    ...starts.map((start) => columns(weights, `${block}attn.c_attn.bias`, start, start + headWidth)),
    rows(weights, `${block}attn.c_proj.weight`, headWidth * head, headWidth * (head + 1))
  ]
}

export const sliceSize = (slices: readonly Slice[]): number =>
  slices.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)

/** Weights of the slices, flattened in order. */
export const flatten = (weights: Weights, slices: readonly Slice[]): Float32Array => {
  const flat = new Float32Array(sliceSize(slices))
  let at = 0
  for (const { tensor, rowStart, rowEnd, columnStart, columnEnd } of slices) {
    const { shape, data } = weights.get(tensor)!
    const width = shape[shape.length - 1]
    for (let row = rowStart; row < rowEnd; row++) {
      flat.set(data.subarray(row * width + columnStart, row * width + columnEnd), at)
      at += columnEnd - columnStart
    }
  }
  return flat
}

/** Offsets of a component's whole tensors in its vector. */
export const placesOf = (
  slices: readonly Pick<Slice, 'tensor' | 'shape'>[]
): ReadonlyMap<string, { readonly start: number; readonly end: number }> => {
  let start = 0
  return new Map(
    slices.map(({ tensor, shape }) => [tensor, { start, end: (start += shape.reduce((a, b) => a * b, 1)) }])
  )
}

/** Views of a component's whole tensors in its vector. */
export const tensorsIn = (slices: readonly Pick<Slice, 'tensor' | 'shape'>[], vector: Float32Array): Weights =>
  new Map(
    [...placesOf(slices)].map(([name, { start, end }], at) => [
      name,
      { shape: slices[at].shape, data: vector.subarray(start, end) }
    ])
  )
