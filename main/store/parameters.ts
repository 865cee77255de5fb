import { z } from 'zod'
import { clusterSchema } from '../../preload/contract-annotations'
import { index, limits, text } from '../../preload/limits'
import type { ClusterNumber } from '../../preload/records'

/** Schemas of parameters shared by several store methods. */

export const run = text(limits.runName).min(1)
export const name = text(limits.runName)
export const cluster = clusterSchema as z.ZodType<ClusterNumber>
export const clustering = index
/** Number of a clustering; the latest by default. */
const chosen = z.int().min(1).max(limits.number).optional()

export const object = <T extends object>(): z.ZodType<T> =>
  z.custom<T>((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
export const integers = z.custom<Int32Array>((value) => value instanceof Int32Array, 'expected an Int32Array')
export const floats = z.custom<Float32Array>((value) => value instanceof Float32Array, 'expected a Float32Array')
export const doubles = z.custom<Float64Array>((value) => value instanceof Float64Array, 'expected a Float64Array')
export const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected a Uint8Array')
export const real = z.custom<number>((value) => typeof value === 'number', 'expected a number')

/** Number of token ids of context on each side. */
export const context = { before: index.max(4096).optional(), after: index.max(4096).optional() }
export interface Context {
  readonly before?: number | undefined
  readonly after?: number | undefined
}

/** Option of methods on one clustering of a run, the latest by default. */
export const inClustering = { clustering: chosen }
export interface InClustering {
  readonly clustering?: number | undefined
}
