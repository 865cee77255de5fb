import type { Lockstep } from './lockstep'
import type { Pool } from './pool'
import type { RowBlock } from './rows'
import type { Operations } from './tasks'

/** Floating-point operations of every row length through every component. */
export class OperationCounts {
  readonly #table: ReadonlyMap<string, ReadonlyMap<number, Operations>>

  private constructor(table: ReadonlyMap<string, ReadonlyMap<number, Operations>>) {
    this.#table = table
  }

  /** Asks the evaluator of a lane. `lengths` are in token ids. */
  static async count(
    pool: Pool,
    lockstep: Lockstep,
    components: readonly string[],
    lengths: readonly number[]
  ): Promise<OperationCounts> {
    const distinct = [...new Set(lengths)]
    const [table] = await lockstep.settled([
      pool.run<'operations'>({ kind: 'operations', components, lengths: distinct }, 0)
    ])
    return new OperationCounts(
      new Map(
        components.map((component, i) => [component, new Map(distinct.map((length, j) => [length, table[i][j]]))])
      )
    )
  }

  of(component: string, blocks: readonly RowBlock[], kind: keyof Operations): number {
    const table = this.#table.get(component)!
    return blocks.reduce((sum, { rows: { count, length } }) => sum + count * table.get(length)![kind], 0)
  }
}
