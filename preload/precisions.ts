/**
 * Precision of matrix products. Operands are rounded to it and sums are in float32. float16 and bfloat16 also round
 * the results. Everything else is float32.
 */
export const precisions = ['float32', 'tf32', 'float16', 'bfloat16'] as const

export type Precision = (typeof precisions)[number]
