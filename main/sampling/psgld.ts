import { readFileSync } from 'node:fs'
import { kernelPath } from '../base/entries'
import type { PsgldConfiguration } from '../../preload/configuration'
import type { NoiseSource } from './philox'

interface Exports extends WebAssembly.Exports {
  readonly memory: WebAssembly.Memory
  readonly capacity: WebAssembly.Global
  readonly weights: WebAssembly.Global
  readonly centre: WebAssembly.Global
  readonly squares: WebAssembly.Global
  readonly gradient: WebAssembly.Global
  readonly noise: WebAssembly.Global
  readonly normals: (
    count: number,
    firstBlock: number,
    step: number,
    chain: number,
    stream: number,
    key0: number,
    key1: number
  ) => void
  readonly update: (
    count: number,
    targets: number,
    decay: number,
    rest: number,
    epsilon: number,
    nBeta: number,
    gamma: number,
    stepSize: number
  ) => number
  readonly gaussian: (count: number, scale: number) => void
}

/** Weights u, centre u*, and squared-gradient average V of one replica: flat float32 arrays of equal length. */
export interface ChainState {
  readonly weights: Float32Array
  readonly centre: Float32Array
  readonly squares: Float32Array
}

/**
 * Compiled kernel `kernels/psgld.ts`, one instance per thread. Works on copies block by block, so arrays may be
 * shared.
 */
export class PsgldKernel {
  readonly #exports = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(kernelPath('sampling', 'psgld'))), {
    env: {
      abort: () => {
        throw new Error('the pSGLD kernel stopped')
      }
    }
  }).exports as Exports
  readonly #capacity = this.#exports.capacity.value
  readonly #weights = this.#float32(this.#exports.weights)
  readonly #centre = this.#float32(this.#exports.centre)
  readonly #squares = this.#float32(this.#exports.squares)
  readonly #gradient = this.#float32(this.#exports.gradient)
  readonly #noise = new Float64Array(this.#exports.memory.buffer, this.#exports.noise.value, this.#capacity)

  #float32(pointer: WebAssembly.Global): Float32Array {
    return new Float32Array(this.#exports.memory.buffer, pointer.value, this.#capacity)
  }

  /**
   * Calls `work` for each block of `length` elements, with its normals in the kernel's memory. The first element is
   * number `first` of the source, a multiple of four.
   */
  #blocks(
    length: number,
    { seed, step, chain, stream }: NoiseSource,
    work: (start: number, end: number) => void,
    first = 0
  ): void {
    for (let start = 0; start < length; start += this.#capacity) {
      const end = Math.min(start + this.#capacity, length)
      this.#exports.normals(
        end - start,
        (first + start) / 4,
        step,
        chain,
        stream,
        seed >>> 0,
        Math.floor(seed / 2 ** 32)
      )
      work(start, end)
    }
  }

  /** The first `count` normals of a source, float64. */
  normals(count: number, source: NoiseSource): Float64Array {
    const out = new Float64Array(count)
    this.#blocks(count, source, (start, end) => out.set(this.#noise.subarray(0, end - start), start))
    return out
  }

  /**
   * One pSGLD step (docs/method.md, section 2), in place on `weights` and `squares`, from the gradient of a loss
   * summed over `targets` positions. For part of a replica's weights, `first` is the index of its first weight, a
   * multiple of four. Returns false if a new weight or square is not finite.
   */
  update(
    { weights, centre, squares }: ChainState,
    gradient: Float32Array,
    targets: number,
    sampler: PsgldConfiguration,
    source: NoiseSource,
    first = 0
  ): boolean {
    const { rmsDecay, rmsEpsilon, nBeta, gamma, stepSize } = sampler
    let finite = true
    this.#blocks(
      weights.length,
      source,
      (start, end) => {
        const count = end - start
        const load = (to: Float32Array, from: Float32Array): void => {
          to.set(from.subarray(start, end))
          to.fill(0, count, Math.min(count + 3, this.#capacity))
        }
        load(this.#weights, weights)
        load(this.#centre, centre)
        load(this.#squares, squares)
        load(this.#gradient, gradient)
        finite =
          this.#exports.update(count, targets, rmsDecay, 1 - rmsDecay, rmsEpsilon, nBeta, gamma, stepSize) !== 0 &&
          finite
        weights.set(this.#weights.subarray(0, count), start)
        squares.set(this.#squares.subarray(0, count), start)
      },
      first
    )
    return finite
  }

  /**
   * Calls `take` with the normals of elements `start` … `end` - 1, block by block. The array is overwritten after
   * each call.
   */
  eachNormals(
    count: number,
    source: NoiseSource,
    take: (noise: Float64Array, start: number, end: number) => void
  ): void {
    this.#blocks(count, source, (start, end) => take(this.#noise, start, end))
  }

  /**
   * Writes an independent draw of N(u*, I/γ), the posterior at nβ = 0, to `weights`. With sign -1, the draw is
   * mirrored at u*.
   */
  gaussian(
    { weights, centre }: Pick<ChainState, 'weights' | 'centre'>,
    gamma: number,
    source: NoiseSource,
    sign: 1 | -1 = 1
  ): void {
    this.#blocks(weights.length, source, (start, end) => {
      this.#centre.set(centre.subarray(start, end))
      this.#exports.gaussian(end - start, sign / Math.sqrt(gamma))
      weights.set(this.#weights.subarray(0, end - start), start)
    })
  }
}
