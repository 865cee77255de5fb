import type { BlocksPlan } from './blocks-plan'
import { type RowBlock, cutRows, targetsOf } from './rows'
import type { SharedSlice } from './tasks'

/** Slices of observation rows shared by the tasks of a stage. */
export class SharedSlices {
  /** Chunks of all slices. */
  readonly blocks: readonly RowBlock[]
  readonly #bySlice: ReadonlyMap<number, readonly RowBlock[]>

  constructor({ input, observed, slices, atOnce }: BlocksPlan, numbers: readonly number[]) {
    this.#bySlice = new Map(
      [...new Set(numbers)].map((slice) => [
        slice,
        cutRows(input.model.architecture, observed, slices.at(slice), atOnce.chunk)
      ])
    )
    this.blocks = [...this.#bySlice.values()].flat()
  }

  blocksOf(slice: number): readonly RowBlock[] {
    return this.#bySlice.get(slice)!
  }

  /**
   * A slice as a task takes it. `keys` identify the prefixes of `blocks`; `rowLosses` are the losses of all
   * observation rows at w*.
   */
  of(slice: number, keys: readonly number[], rowLosses: readonly number[]): SharedSlice {
    const blocks = this.blocksOf(slice)
    const targets = blocks.reduce((sum, block) => sum + targetsOf(block), 0)
    const sum = blocks.reduce((total, { indices }) => indices.reduce((own, row) => own + rowLosses[row], total), 0)
    return { prefixes: blocks.map((block) => keys[this.blocks.indexOf(block)]), targets, initialLoss: sum / targets }
  }
}
