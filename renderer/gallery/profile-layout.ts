import type { ColumnTrust } from '../runs/trust'

/**
 * Place of a component in a profile, which runs through the embedding, each layer's heads and MLP, the unembedding.
 */
export interface ProfileColumn {
  readonly component: string
  /** Index among the run's components. */
  readonly index: number
  /** "embed", "0", "1", …, "unembed" */
  readonly layer: string
  readonly kind: 'head' | 'mlp' | 'other'
}

const layered = /^(head|group|mlp):(\d+)(?:\.(\d+))?$/

/**
 * Components in the order of a forward pass. Components without a known layer stay first or last.
 */
export const inLayerOrder = (components: readonly string[]): ProfileColumn[] => {
  const keyed = components.map((component, index) => {
    const found = layered.exec(component)
    if (found === null)
      return {
        column: { component, index, layer: component, kind: 'other' as const },
        rank: [component === 'embed' ? -1 : Infinity, index]
      }
    const layer = Number(found[2])
    const kind = found[1] === 'mlp' ? ('mlp' as const) : ('head' as const)
    return {
      column: { component, index, layer: String(layer), kind },
      rank: [layer, kind === 'mlp' ? Infinity : Number(found[3] ?? 0)]
    }
  })
  return keyed
    .sort((a, b) => compare(a.rank[0], b.rank[0]) || compare(a.rank[1], b.rank[1]))
    .map(({ column }) => column)
}

const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1)

/** "head:3.2" → "layer 3, head 2"; "group:3.0" → "layer 3, group 0"; "mlp:3" → "layer 3, MLP". */
export const componentWords = (component: string): string => {
  const found = layered.exec(component)
  if (found === null) return component === 'embed' ? 'embedding' : component === 'unembed' ? 'unembedding' : component
  return found[1] === 'mlp' ? `layer ${found[2]}, MLP` : `layer ${found[2]}, ${found[1]} ${found[3] ?? ''}`
}

/** Meaning of the sign of χ. */
export const signWords = (value: number): string => (value > 0 ? 'suppression' : value < 0 ? 'expression' : 'neither')

export interface ProfileGeometry {
  readonly width: number
  readonly height: number
  /** Width of one component, with its gap. */
  readonly step: number
  readonly zero: number
  readonly limit: number
  /** Paths of all bars above zero, and below. */
  readonly positive: string
  readonly negative: string
  /** Lines from mean - spread to mean + spread; empty without spreads. */
  readonly spread: string
  /** Short lines at another cluster's values. */
  readonly other: string
  /** Bars of mostly noisy components, above zero and below: separate paths, to be drawn dimmed. */
  readonly dimPositive: string
  readonly dimNegative: string
  /** Reliability of each component as a bar of up to `trustHeight`, from 0 down: of signal, and of noise. */
  readonly reliable: string
  readonly unreliable: string
  /** Middles of the components that are noise. */
  readonly signs: readonly number[]
  /** `named` where there is room for the layer's name. */
  readonly layers: readonly {
    readonly layer: string
    readonly from: number
    readonly to: number
    readonly named: boolean
  }[]
  readonly y: (value: number) => number
}

interface ProfileInput {
  readonly columns: readonly ProfileColumn[]
  /** By index among the run's components. */
  readonly values: ArrayLike<number>
  readonly spreads?: ArrayLike<number> | undefined
  readonly others?: ArrayLike<number> | undefined
  /** By component; empty if unknown. */
  readonly trust?: ReadonlyMap<string, Pick<ColumnTrust, 'least' | 'noisy'>> | undefined
  readonly width: number
  readonly height: number
}

/** Height of the reliability bars, pixels. */
export const trustHeight = 8

const leastStep = 3
const nameWidth = 17
const round = (value: number): number => Math.round(100 * value) / 100

/** Bars up and down from zero, one for each component, drawn with a fixed number of paths. */
export const profileGeometry = (input: ProfileInput): ProfileGeometry => {
  const { columns, values, spreads, others, trust, width, height } = input
  const step = Math.max(leastStep, Math.min(22, width / Math.max(1, columns.length)))
  const bar = Math.max(1, Math.min(step - 1, step * 0.72))
  const limit = columns.reduce((most, { index }) => {
    const reach = [Math.abs(values[index]) + (spreads?.[index] ?? 0), Math.abs(others?.[index] ?? 0)].filter(
      Number.isFinite
    )
    return Math.max(most, ...reach)
  }, 0)
  const zero = height / 2
  const y = (value: number): number =>
    round(zero - (limit === 0 ? 0 : (Math.max(-limit, Math.min(limit, value)) / limit) * (zero - 2)))
  let [positive, negative, dimPositive, dimNegative, spread, other] = ['', '', '', '', '', '']
  let [reliable, unreliable] = ['', '']
  const signs: number[] = []
  columns.forEach(({ component, index }, place) => {
    const value = values[index]
    const left = round(place * step + (step - bar) / 2)
    const known = trust?.get(component)
    if (known !== undefined) {
      const path = `M${left} 0v${round(Math.max(0.5, trustHeight * known.least))}h${round(bar)}V0z`
      if (known.noisy) unreliable += path
      else reliable += path
      if (known.noisy) signs.push(round(place * step + step / 2))
    }
    if (!Number.isFinite(value)) return
    const path = `M${left} ${zero}V${y(value)}h${round(bar)}V${zero}z`
    if (known?.noisy === true) {
      if (value >= 0) dimPositive += path
      else dimNegative += path
    } else if (value >= 0) positive += path
    else negative += path
    const middle = round(place * step + step / 2)
    const around = spreads?.[index]
    if (around !== undefined && Number.isFinite(around))
      spread += `M${middle} ${y(value - around)}V${y(value + around)}`
    const beside = others?.[index]
    if (beside !== undefined && Number.isFinite(beside)) other += `M${round(place * step)} ${y(beside)}h${round(step)}`
  })
  const layers: { layer: string; from: number; to: number; named: boolean }[] = []
  columns.forEach(({ layer }, place) => {
    const last = layers.at(-1)
    if (last?.layer === layer) last.to = (place + 1) * step
    else layers.push({ layer, from: place * step, to: (place + 1) * step, named: false })
  })
  let free = -nameWidth / 2
  for (const layer of layers) {
    const middle = (layer.from + layer.to) / 2
    layer.named = middle - nameWidth / 2 >= free
    if (layer.named) free = middle + nameWidth / 2
  }
  return {
    width: Math.max(1, columns.length * step),
    height,
    step,
    zero,
    limit,
    positive,
    negative,
    dimPositive,
    dimNegative,
    reliable,
    unreliable,
    signs,
    spread,
    other,
    layers,
    y
  }
}

/** The components whose values are furthest from zero, furthest first. */
export const furthest = (
  columns: readonly ProfileColumn[],
  values: ArrayLike<number>,
  count: number
): ProfileColumn[] =>
  columns
    .filter(({ index }) => Number.isFinite(values[index]))
    .sort((a, b) => Math.abs(values[b.index]) - Math.abs(values[a.index]))
    .slice(0, count)
