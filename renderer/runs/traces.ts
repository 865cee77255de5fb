import type { TracePointRecord, TraceRecord } from '../../preload/contract'

/**
 * Values of one chain so far; grows without copying at every point. NaN for draws that are missing or after a
 * failure.
 */
export class ChainTrace {
  readonly component: string
  readonly chain: number
  length = 0
  #losses = new Float64Array(128)
  #distances = new Float64Array(128)

  constructor(component: string, chain: number) {
    this.component = component
    this.chain = chain
  }

  set(draw: number, loss: number, distance: number): void {
    if (draw >= this.#losses.length) {
      const size = Math.max(draw + 1, 2 * this.#losses.length)
      const [losses, distances] = [new Float64Array(size), new Float64Array(size)]
      losses.set(this.#losses)
      distances.set(this.#distances)
      this.#losses = losses
      this.#distances = distances
    }
    for (let missing = this.length; missing < draw; missing++) this.#losses[missing] = this.#distances[missing] = NaN
    this.#losses[draw] = loss
    this.#distances[draw] = distance
    this.length = Math.max(this.length, draw + 1)
  }

  get losses(): Float64Array {
    return this.#losses.subarray(0, this.length)
  }

  get distances(): Float64Array {
    return this.#distances.subarray(0, this.length)
  }
}

/** Traces of all chains of a run, by component. */
export class Traces {
  readonly #chains = new Map<string, ChainTrace[]>()

  static of(records: readonly TraceRecord[]): Traces {
    const traces = new Traces()
    for (const { component, chain, losses, distances } of records) {
      const kept = traces.#chain(component, chain)
      for (let draw = 0; draw < losses.length; draw++) kept.set(draw, losses[draw], distances[draw])
    }
    return traces
  }

  #chain(component: string, chain: number): ChainTrace {
    const chains = this.#chains.get(component) ?? []
    this.#chains.set(component, chains)
    const present = chains.find((each) => each.chain === chain)
    if (present !== undefined) return present
    const made = new ChainTrace(component, chain)
    chains.push(made)
    chains.sort((a, b) => a.chain - b.chain)
    return made
  }

  /** Adds points; a repeated point replaces the earlier one. */
  add(points: readonly TracePointRecord[]): void {
    for (const { component, chain, draw, loss, distance } of points)
      this.#chain(component, chain).set(draw, loss, distance)
  }

  get components(): readonly string[] {
    return [...this.#chains.keys()]
  }

  of(component: string): readonly ChainTrace[] {
    return this.#chains.get(component) ?? []
  }

  /** Number of draws of a component over all its chains. */
  draws(component: string): number {
    return this.of(component).reduce((sum, { length }) => sum + length, 0)
  }
}

/**
 * About `most` indices, ascending, that show every peak and dip of series of one length: both ends, and in each
 * interval the minimum and maximum of every series. Short series keep all indices.
 */
export const keptIndices = (series: readonly Float64Array[], length: number, most: number): number[] => {
  if (length <= most) return Array.from({ length }, (_, index) => index)
  const stretches = Math.max(1, Math.floor(most / (2 * Math.max(1, series.length))))
  const kept = new Set([0, length - 1])
  for (let stretch = 0; stretch < stretches; stretch++) {
    const [from, to] = [Math.floor((stretch * length) / stretches), Math.floor(((stretch + 1) * length) / stretches)]
    for (const values of series) {
      let [least, greatest] = [-1, -1]
      for (let index = from; index < Math.min(to, values.length); index++) {
        if (Number.isNaN(values[index])) continue
        if (least < 0 || values[index] < values[least]) least = index
        if (greatest < 0 || values[index] > values[greatest]) greatest = index
      }
      if (least >= 0) kept.add(least).add(greatest)
    }
  }
  return [...kept].sort((a, b) => a - b)
}

/** Series of unequal lengths for a chart: places, and a value or null (NaN or missing) at each. */
export const aligned = (
  series: readonly Float64Array[],
  most: number
): { readonly places: number[]; readonly values: (number | null)[][] } => {
  const length = Math.max(0, ...series.map((values) => values.length))
  const places = keptIndices(series, length, most)
  return {
    places,
    values: series.map((values) =>
      places.map((index) => (index < values.length && Number.isFinite(values[index]) ? values[index] : null))
    )
  }
}
