import { describe, expect, it } from 'vitest'
import { inProcessPool } from '../../main/base/pool'
import { openTeam } from '../../main/base/team'
import { embed } from '../../main/clustering/embed'
import { computeLayout, layOutTokens } from '../../main/clustering/layout'
import { type LayoutOrder } from '../../main/clustering/tasks'
import { prepareSearch, runSearch } from '../../main/clustering/neighbours'
import { preprocess } from '../../main/clustering/preprocess'
import { executeTask } from '../../main/clustering/execute-task'
import { planted, type Planted } from './clustering-fixture'

const orderOf = async ({ matrix, tokens, components }: Planted, k = 20, whiten = false): Promise<LayoutOrder> => {
  const search = prepareSearch(preprocess(matrix, tokens, components, whiten), k, 1)
  await runSearch(search, openTeam(1))
  return { matrix, tokens, components, whiten, neighbours: search.neighbours, seed: 11 }
}

const blobs = planted(9, [120, 90, 60, 150], 8, 0.6, 0)

/** Share of tokens whose nearest token in the plane is of their own group. */
const agreement = (positions: Float32Array, truth: readonly number[]): number => {
  const same = truth.filter((group, i) => {
    let [best, nearest] = [-1, Infinity]
    truth.forEach((_, j) => {
      const distance =
        j === i
          ? Infinity
          : Math.hypot(positions[2 * i] - positions[2 * j], positions[2 * i + 1] - positions[2 * j + 1])
      if (distance < nearest) [best, nearest] = [j, distance]
    })
    return truth[best] === group
  })
  return same.length / truth.length
}

/** Mean distance to the middle of one's own group over that between the middles. */
const compactness = (positions: Float32Array, truth: readonly number[]): number => {
  const groups = [...new Set(truth)]
  const middle = (group: number): readonly [number, number] => {
    const members = truth.flatMap((other, i) => (other === group ? [i] : []))
    return [
      members.reduce((sum, i) => sum + positions[2 * i], 0) / members.length,
      members.reduce((sum, i) => sum + positions[2 * i + 1], 0) / members.length
    ]
  }
  const middles = new Map(groups.map((group) => [group, middle(group)]))
  const within =
    truth.reduce(
      (sum, group, i) =>
        sum + Math.hypot(positions[2 * i] - middles.get(group)![0], positions[2 * i + 1] - middles.get(group)![1]),
      0
    ) / truth.length
  const between = groups.flatMap((a) =>
    groups
      .filter((b) => b > a)
      .map((b) => Math.hypot(middles.get(a)![0] - middles.get(b)![0], middles.get(a)![1] - middles.get(b)![1]))
  )
  return within / Math.min(...between)
}

describe('the layout of tokens', () => {
  it('sets groups apart, further than their principal components do', async () => {
    const order = await orderOf(blobs)
    const { method, positions } = computeLayout(order)
    expect(method).toBe('neighbour graph, 15 nearest of each token, 400 epochs')
    expect(positions).toHaveLength(2 * blobs.tokens)
    expect(positions.every(Number.isFinite)).toBe(true)
    expect(agreement(positions, blobs.truth)).toBeGreaterThan(0.99)
    const { neighbours: _, ...without } = order
    expect(compactness(positions, blobs.truth)).toBeLessThan(
      0.6 * compactness(computeLayout(without).positions, blobs.truth)
    )
  })

  it('is the same to the last bit every time, on a worker too, and another with another seed', async () => {
    const order = await orderOf(blobs)
    const expected = computeLayout(order)
    const told: number[] = []
    const found = await layOutTokens({ ...order, onProgress: (fraction) => told.push(fraction) }, () =>
      inProcessPool(executeTask)
    )
    expect(found).toEqual(expected)
    expect(told.at(-1)).toBe(1)
    expect(computeLayout({ ...order, seed: 12 }).positions).not.toEqual(expected.positions)
  })

  it('takes no more of the neighbours than it uses', async () => {
    const order = await orderOf(blobs, 15)
    expect(computeLayout(order)).toEqual(computeLayout(await orderOf(blobs, 40)))
  })

  it('follows whitened points, duplicates, and few neighbours', async () => {
    const { matrix, tokens } = blobs
    const doubled = {
      ...blobs,
      matrix: Float32Array.from([...matrix, ...matrix]),
      tokens: 2 * tokens,
      truth: [...blobs.truth, ...blobs.truth]
    }
    for (const order of [await orderOf(blobs, 15, true), await orderOf(doubled, 3)]) {
      const { positions } = computeLayout(order)
      expect(positions.every(Number.isFinite)).toBe(true)
      expect(agreement(positions, order.tokens === tokens ? blobs.truth : doubled.truth)).toBeGreaterThan(0.95)
    }
  })

  it('without neighbours is the plane of the principal components', () => {
    const { method, positions } = computeLayout({ ...blobs, whiten: false, seed: 1 })
    expect(method).toBe('principal components')
    const variance = (axis: number): number => {
      const values = Array.from({ length: blobs.tokens }, (_, i) => positions[2 * i + axis])
      const mean = values.reduce((a, b) => a + b, 0) / values.length
      return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    }
    expect(variance(0)).toBeGreaterThan(variance(1))
  })
})

describe('the embedding kernel', () => {
  it('draws two nodes with an edge together and leaves a lone one where it is', () => {
    const graph = {
      nodes: 3,
      starts: Int32Array.of(0, 1, 2, 2),
      columns: Int32Array.of(1, 0),
      shares: Float32Array.of(1, 1)
    }
    const positions = embed({
      graph,
      positions: Float32Array.of(-5, 0, 5, 0, 0, 40),
      epochs: 50,
      seed: 1,
      stream: 6 * 2 ** 24
    })
    expect(Math.hypot(positions[0] - positions[2], positions[1] - positions[3])).toBeLessThan(3)
    expect(Array.from(positions.subarray(4))).toEqual([0, 40])
  })

  it('counts an entry in its share of the epochs', () => {
    // Nothing pushes where the only other node is the neighbour itself at a great distance: each count moves both
    // ends by about 2 / distance.
    const moved = (share: number): number => {
      const graph = {
        nodes: 2,
        starts: Int32Array.of(0, 1, 1),
        columns: Int32Array.of(1),
        shares: Float32Array.of(share)
      }
      return (
        100 - embed({ graph, positions: Float32Array.of(0, 0, 100, 0), epochs: 400, seed: 1, stream: 6 * 2 ** 24 })[2]
      )
    }
    expect(moved(0.25) / moved(1)).toBeCloseTo(0.25, 1)
  })
})
