import { uniforms } from '../tiny-model'

/**
 * Planted clusters of many sizes in Gaussian noise: [tokens, components], three tokens in ten belong to a cluster.
 */
export const plantedMatrix = (tokens: number, components: number): Float32Array => {
  const next = uniforms(7)
  const normal = (): number => Math.sqrt(-2 * Math.log(next() + 2 ** -33)) * Math.cos(2 * Math.PI * next())
  const centres = Array.from({ length: 120 }, () => Float32Array.from({ length: components }, () => 2.5 * normal()))
  const matrix = new Float32Array(tokens * components)
  for (let token = 0; token < tokens; token++) {
    const centre = next() < 0.3 ? centres[Math.floor(centres.length * next() ** 2)] : undefined
    for (let j = 0; j < components; j++)
      matrix[token * components + j] = (centre?.[j] ?? 0) + normal() * (centre === undefined ? 1 : 0.6)
  }
  return matrix
}
