/**
 * What matrix products can be computed in: their operands are rounded to it and summed in float32; float16 and
 * bfloat16 round the results too. Everything else is float32.
 */
export const precisions = ['float32', 'tf32', 'float16', 'bfloat16'] as const

export type Precision = (typeof precisions)[number]
