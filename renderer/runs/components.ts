/** Place of a component in a model: a head or a group of heads (layer, number), an MLP (layer), or another one. */
export type Place =
  | { readonly kind: 'head'; readonly layer: number; readonly head: number }
  | { readonly kind: 'mlp'; readonly layer: number }
  | { readonly kind: 'other' }

export const componentPlace = (component: string): Place => {
  const head = /^(?:head|group):(\d+)\.(\d+)$/.exec(component)
  if (head !== null) return { kind: 'head', layer: Number(head[1]), head: Number(head[2]) }
  const mlp = /^mlp:(\d+)$/.exec(component)
  return mlp === null ? { kind: 'other' } : { kind: 'mlp', layer: Number(mlp[1]) }
}

/**
 * Components as a grid: one row for each layer with its heads and MLP (null without one), then the others.
 */
export interface ComponentRows {
  readonly heads: number
  readonly layers: readonly {
    readonly layer: number
    readonly heads: readonly (string | null)[]
    readonly mlp: string | null
  }[]
  readonly others: readonly string[]
}

export const componentRows = (components: readonly string[]): ComponentRows => {
  const placed = components.map((component) => ({ component, place: componentPlace(component) }))
  const numbers = placed.flatMap(({ place }) => (place.kind === 'other' ? [] : [place.layer]))
  const heads = Math.max(0, ...placed.map(({ place }) => (place.kind === 'head' ? place.head + 1 : 0)))
  const layers = [...new Set(numbers)].sort((a, b) => a - b)
  const there = new Set(components)
  const named = (component: string): string | null => (there.has(component) ? component : null)
  return {
    heads,
    layers: layers.map((layer) => ({
      layer,
      heads: Array.from(
        { length: heads },
        (_, head) => named(`head:${layer}.${head}`) ?? named(`group:${layer}.${head}`)
      ),
      mlp: named(`mlp:${layer}`)
    })),
    others: placed.filter(({ place }) => place.kind === 'other').map(({ component }) => component)
  }
}

/**
 * Toggles some components: off if all were chosen, else on. The result is in the model's order, or "all".
 */
export const toggled = (
  all: readonly string[],
  chosen: 'all' | readonly string[],
  some: readonly string[]
): 'all' | readonly string[] => {
  const now = new Set(chosen === 'all' ? all : chosen)
  const off = some.every((component) => now.has(component))
  for (const component of some) {
    if (off) now.delete(component)
    else now.add(component)
  }
  const next = all.filter((component) => now.has(component))
  return next.length === all.length ? 'all' : next
}
