import { SpectroscopeError } from '../../preload/errors'
import { permutation } from '../base/philox'

/**
 * Random stream (docs/method.md, section 4, purpose 5). Index 0 selects the probe rows (epoch: number of the subset),
 * index 1 the others.
 */
const stream = 5 * 2 ** 24

/** A row, by its subset's number and its index there. */
export interface RowPlace {
  readonly subset: number
  readonly row: number
}

export interface RowCounts {
  readonly sampling: number
  readonly observation: number
  readonly probe: number
}

export interface Selection {
  readonly sampling: readonly RowPlace[]
  readonly observation: readonly RowPlace[]
  readonly probe: readonly RowPlace[]
}

/**
 * Divides `wanted` evenly among subsets with `available` rows. A subset with too few gives all of its rows, and the
 * others make up the difference evenly. A remainder goes to the first subsets. The shares sum to `wanted`, if there
 * are enough rows.
 */
export const evenShares = (available: readonly number[], wanted: number): number[] => {
  const shares = available.map(() => 0)
  let left = Math.min(
    wanted,
    available.reduce((sum, rows) => sum + rows, 0)
  )
  while (left > 0) {
    const open = available.flatMap((rows, i) => (rows > shares[i] ? [i] : []))
    const each = Math.floor(left / open.length)
    for (const i of open) {
      const more = Math.min(available[i] - shares[i], each > 0 ? each : 1, left)
      shares[i] += more
      left -= more
    }
  }
  return shares
}

/**
 * Selects disjoint rows from subsets with `available` rows each (docs/method.md, section 4, purpose 5). Probe rows
 * are spread evenly over the subsets, chosen uniformly within each, and sorted by subset and index. Observation and
 * sampling rows are then drawn uniformly from all other rows, and stay in the order drawn. `names` are the subsets'
 * names for the message. Throws an `input` error if there are too few rows.
 */
export const selectRows = (
  available: readonly number[],
  names: readonly string[],
  counts: RowCounts,
  seed: number
): Selection => {
  const total = available.reduce((sum, rows) => sum + rows, 0)
  const needed = counts.sampling + counts.observation + counts.probe
  if (needed > total) {
    const list =
      names
        .slice(0, 20)
        .map((name, i) => `${name} ${available[i]}`)
        .join(', ') + (names.length > 20 ? ', …' : '')
    throw new SpectroscopeError(
      'input',
      `The corpus makes ${total} rows (${list}), and ${counts.sampling} sampling + ` +
        `${counts.observation} observation + ${counts.probe} probe rows = ${needed} are asked for; ` +
        'add text, or lower "corpus.sampling", "corpus.observation", "corpus.probe" or "corpus.rowLength".'
    )
  }
  const starts = available.map((_, subset) => available.slice(0, subset).reduce((sum, rows) => sum + rows, 0))
  const probe: RowPlace[] = []
  const others = new Uint32Array(total - counts.probe)
  let kept = 0
  evenShares(available, counts.probe).forEach((share, subset) => {
    const chosen = new Set(permutation(seed, available[subset], subset, stream).subarray(0, share))
    for (let row = 0; row < available[subset]; row++) {
      if (chosen.has(row)) probe.push({ subset, row })
      else others[kept++] = starts[subset] + row
    }
  })
  const drawn = permutation(seed, others.length, 0, stream + 1)
  const place = (row: number): RowPlace => {
    const subset = starts.findLastIndex((start, i) => start <= row && available[i] > 0)
    return { subset, row: row - starts[subset] }
  }
  const draw = (start: number, count: number): RowPlace[] =>
    Array.from(drawn.subarray(start, start + count), (i) => place(others[i]))
  return { probe, observation: draw(0, counts.observation), sampling: draw(counts.observation, counts.sampling) }
}
