import type { Architecture, Weights } from '../../models/architecture'
import { type Slice, componentSlices } from '../../models/components'
import { size } from './graph'
import { pieceOf } from './operations'
import { logSumBounds } from './vocabulary'

/** How a component's weights lie in its vector: slices in their order, and of a head its projection at w*. */
export interface OwnSlices {
  readonly slices: readonly Slice[]
  readonly projection: Float32Array | undefined
  /** Width of its heads' outputs side by side; 0 of other components. */
  readonly projectionWidth: number
}

/** A component, as its replica's weights are to be read. */
export interface OwnPiece extends OwnSlices {
  readonly name: string
  readonly weights: Float32Array
}

/** What a program gives, by the names of its outputs. */
export type Outputs = Readonly<Record<string, Float32Array>>

/** A head's slice of the projection at w*: its last slice. */
const projectionOf = (weights: Weights, slices: readonly Slice[]): Float32Array => {
  const { tensor, rowStart, rowEnd, columnStart, columnEnd } = slices[slices.length - 1]
  const { data, shape } = weights.get(tensor)!
  const width = columnEnd - columnStart
  const projection = new Float32Array((rowEnd - rowStart) * width)
  for (let row = rowStart; row < rowEnd; row++)
    projection.set(data.subarray(row * shape[1] + columnStart, row * shape[1] + columnEnd), (row - rowStart) * width)
  return projection
}

export const ownSlices = (architecture: Architecture, weights: Weights, component: string): OwnSlices => {
  const slices = componentSlices(architecture, weights, component)
  if (pieceOf(component).kind !== 'head') return { slices, projection: undefined, projectionWidth: 0 }
  const projection = projectionOf(weights, slices)
  return { slices, projection, projectionWidth: projection.length / architecture.hidden }
}

/** Where each slice lies in the component's vector: from `start` up to `end`. */
export const extentsOf = (
  slices: readonly Pick<Slice, 'shape'>[]
): { readonly start: number; readonly end: number }[] => {
  let at = 0
  return slices.map(({ shape }) => ({ start: at, end: (at += size(shape)) }))
}

/** Which head, or group of heads, of its layer a component is. */
export const headOf = (component: string): number => Number(component.split('.')[1])

/** Columns [tokens, width] of a head, or a group of them, of the outputs of all [tokens, all]. */
export const headColumns = (attended: Float32Array, all: number, width: number, head: number): Float32Array => {
  const columns = new Float32Array((attended.length / all) * width)
  for (let token = 0; token < attended.length / all; token++)
    columns.set(attended.subarray(token * all + head * width, token * all + (head + 1) * width), token * width)
  return columns
}

/** Adds `part` to what begins at `start`. */
export const addAt = (gradient: Float32Array, start: number, part: Float32Array, count = part.length): void => {
  for (let i = 0; i < count; i++) gradient[start + i] += part[i]
}

/** Adds what a program gives as `gradient:n` to the place of slice n in the component's gradient. */
export const addSliceGradients = (slices: readonly Slice[], outputs: Outputs, gradient: Float32Array): void => {
  for (const [index, { start }] of extentsOf(slices).entries()) {
    const part = outputs[`gradient:${index}`]
    if (part !== undefined) addAt(gradient, start, part)
  }
}

/** Whether a program without all logits holds for these weights. */
export const isWithinBounds = ({ logSums }: Outputs): boolean =>
  logSums.every((logSum) => logSum > logSumBounds.least && logSum < logSumBounds.most)

/** What a program without all logits gives, or the exact one where that does not hold. */
export const exactIfNeeded = async (run: (exact: boolean) => Promise<Outputs>): Promise<Outputs> => {
  const outputs = await run(false)
  return isWithinBounds(outputs) ? outputs : run(true)
}
