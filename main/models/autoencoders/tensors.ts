import { SpectroscopeError } from '../../../preload/errors'
import { briefly } from '../../../preload/quoting'
import { readTensors } from '../safetensors'
import { readEntries } from '../weight-files'

/** The encoder's tensors of a file, checked for their shapes before any is read. */
export class EncoderTensors {
  private constructor(private readonly values: ReadonlyMap<string, Float32Array>) {}

  /**
   * Reads those of the named tensors that the file has. Throws an `input` error that names the file and the tensor if
   * one is missing or of another shape.
   */
  static async read(
    path: string,
    required: Readonly<Record<string, readonly number[]>>,
    optional: Readonly<Record<string, readonly number[]>> = {}
  ): Promise<EncoderTensors> {
    const entries = new Map((await readEntries(path)).map((entry) => [entry.name, entry]))
    const wanted = [...Object.entries(required), ...Object.entries(optional).filter(([name]) => entries.has(name))]
    for (const [name, shape] of wanted) {
      const found = entries.get(name)
      const should = `of shape [${shape.join(', ')}]`
      const remedy = 'use the file that belongs to this configuration'
      if (found === undefined)
        throw new SpectroscopeError('input', `${path}: the tensor "${name}" ${should} is missing; ${remedy}.`)
      if (found.shape.join() === shape.join()) continue
      const has = briefly(found.shape.join(', '))
      throw new SpectroscopeError('input', `${path}: "${name}" has shape [${has}], not ${should}; ${remedy}.`)
    }
    const read = await readTensors(
      path,
      wanted.map(([name]) => entries.get(name)!)
    )
    return new EncoderTensors(new Map([...read].map(([name, { data }]) => [name, data])))
  }

  get(name: string): Float32Array {
    return this.values.get(name)!
  }

  /** A tensor that may be missing, as zeros then. */
  orZeros(name: string, length: number): Float32Array {
    return this.values.get(name) ?? new Float32Array(length)
  }
}

/**
 * Products of a vector with an encoder matrix, negated: what taking the vector off every input adds to the
 * pre-activations.
 */
export const foldedBias = (
  vector: Float32Array,
  matrix: Float32Array,
  axes: 'in, out' | 'out, in',
  latents: number
): Float32Array => {
  const sums = new Float64Array(latents)
  const inputs = vector.length
  for (let i = 0; i < inputs; i++)
    for (let latent = 0; latent < latents; latent++)
      sums[latent] -= vector[i] * matrix[axes === 'in, out' ? i * latents + latent : latent * inputs + i]
  return Float32Array.from(sums)
}

export const sumOf = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + b[i])

/** Euclidean length of each row. */
export const rowNorms = (matrix: Float32Array, rows: number): Float32Array => {
  const width = matrix.length / rows
  return Float32Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let i = row * width; i < (row + 1) * width; i++) sum += matrix[i] ** 2
    return Math.sqrt(sum)
  })
}
