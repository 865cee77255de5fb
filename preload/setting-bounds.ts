import { z } from 'zod'

/** A positive integer. */
export const count = (most: number) => z.int().min(1).max(most)
/** A positive factor that neither vanishes nor overflows in float32. */
export const factor = z.number().min(1e-12).max(1e30)

const boundWords = (bound: number): string => {
  if (Math.abs(bound) >= 1e9) return bound.toExponential().replace('e+', 'e')
  return Math.abs(bound) < 0.001 ? String(bound) : bound.toLocaleString('en', { maximumFractionDigits: 20 })
}

/** Bounds of a number in a JSON schema, as text: "0 to 1", "≥ 0, < 1"; "" without bounds. */
export const rangeWords = ({
  minimum,
  maximum,
  exclusiveMinimum,
  exclusiveMaximum
}: {
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
}): string => {
  const least = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? boundWords(minimum) : undefined
  const most = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? boundWords(maximum) : undefined
  if (least !== undefined && most !== undefined) return `${least} to ${most}`
  return [
    exclusiveMinimum !== undefined ? `> ${boundWords(exclusiveMinimum)}` : least === undefined ? '' : `≥ ${least}`,
    exclusiveMaximum !== undefined ? `< ${boundWords(exclusiveMaximum)}` : most === undefined ? '' : `≤ ${most}`
  ]
    .filter((part) => part !== '')
    .join(', ')
}
