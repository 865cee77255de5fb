import { z } from 'zod'
import { limits } from '../../preload/limits'
import { componentOf } from './devinterp-names'
import type { ForeignBlock, ForeignResults, ForeignRow } from './foreign-run'
import type { ZarrArray, ZarrFolder } from './zarr-folder'

/** Groups of the tree, as devinterp names them. */
export const groups = { susceptibilities: 'susceptibilities', context: 'context' } as const

/** Numbers of a matrix that are read at once. */
const numbersAtOnce = 2 ** 22

const names = z.object({ dataset_id_to_name: z.array(z.string().max(limits.text)).optional() })

const noPart: () => AsyncGenerator<Float32Array> = async function* () {}

/** Reads a coordinate as int32. Throws an `input` error for other numbers. */
const coordinate = async (store: ZarrFolder, path: string, dimension: string): Promise<Int32Array> => {
  const array = await store.array(path, [dimension])
  if (array.head.shape[0] > limits.tokens) throw store.fault(path, 'it is longer than a study can be')
  const values = await store.numbers(array, [null])
  const wrong = values.findIndex((value) => !Number.isInteger(value) || value < 0 || value > limits.integer)
  if (wrong >= 0) throw store.fault(path, `element ${wrong} is ${values[wrong]}, and must be a whole number from 0 on`)
  return Int32Array.from(values)
}

interface Context {
  readonly dataset: number
  readonly batch: number
  readonly ids: Int32Array
}

/** Rows of the context in the order in which they are stored. */
const readContext = async (store: ZarrFolder): Promise<Context[]> => {
  const [dataset, batch, position, ids] = await Promise.all(
    ['dataset_id', 'batch', 'position', 'input_ids'].map((name) =>
      coordinate(store, `${groups.context}/${name}`, 'ctx_flat')
    )
  )
  const rows: Context[] = []
  for (let first = 0, at = 1; at <= ids.length; at++) {
    if (at < ids.length && dataset[at] === dataset[first] && batch[at] === batch[first]) continue
    rows.push({ dataset: dataset[first], batch: batch[first], ids: ids.slice(first, at) })
    first = at
  }
  const wrong = position.findIndex((value, at) => value !== (at > 0 && position[at - 1] + 1 === value ? value : 0))
  const keys = new Set(rows.map((row) => `${row.dataset} ${row.batch}`))
  if (wrong < 0 && keys.size === rows.length) return rows
  throw store.fault(`${groups.context}/position`, 'the ids of a row do not follow one another from position 0 on')
}

interface Placed {
  readonly rows: ForeignRow[]
  /** For every token in order of rows and positions, its place in the file. */
  readonly order: Int32Array
}

/** Puts the tokens of the file in the order of rows and positions. */
const placeTokens = async (
  store: ZarrFolder,
  contexts: readonly Context[],
  subsets: readonly string[]
): Promise<Placed> => {
  const path = `${groups.susceptibilities}/target_position`
  const [dataset, batch, target] = await Promise.all(
    ['dataset_id', 'batch', 'target_position'].map((name) =>
      coordinate(store, `${groups.susceptibilities}/${name}`, 'sus_flat')
    )
  )
  if (dataset.length !== target.length || batch.length !== target.length)
    throw store.fault(path, 'the coordinates of sus have different lengths')
  const numbers = new Map(contexts.map((row, at) => [`${row.dataset} ${row.batch}`, at]))
  const places = contexts.map((): number[] => [])
  for (let at = 0; at < target.length; at++) {
    const row = numbers.get(`${dataset[at]} ${batch[at]}`)
    if (row === undefined)
      throw store.fault(path, `element ${at} is of row ${batch[at]} of dataset ${dataset[at]}, which has no context`)
    if (target[at] < 1 || target[at] >= contexts[row].ids.length)
      throw store.fault(
        path,
        `element ${at} is ${target[at]}, and its row has the targets 1 to ${contexts[row].ids.length - 1}`
      )
    places[row].push(at)
  }
  const rows = contexts.map(({ dataset: id, ids }, row): ForeignRow => {
    const own = places[row].sort((a, b) => target[a] - target[b])
    const twice = own.find((at, index) => index > 0 && target[own[index - 1]] === target[at])
    if (twice !== undefined) throw store.fault(path, `element ${twice} is of a token that occurs twice`)
    return { subset: subsets[id] ?? `dataset ${id}`, ids, targets: Int32Array.from(own, (at) => target[at]) }
  })
  return { rows, order: Int32Array.from(places.flat()) }
}

/** Rows of χ by their places in the file. Reads a stretch of the file at once, which are few where it is in order. */
const matrixBlocks = async function* (
  store: ZarrFolder,
  sus: ZarrArray,
  order: Int32Array
): AsyncGenerator<ForeignBlock> {
  const [, width] = sus.head.shape
  const step = Math.max(1, Math.floor(numbersAtOnce / width))
  let held: { readonly first: number; readonly values: Float64Array } = { first: 0, values: new Float64Array(0) }
  for (let first = 0; first < order.length; first += step) {
    const places = order.subarray(first, first + step)
    const susceptibilities = new Float32Array(places.length * width)
    for (const [at, place] of places.entries()) {
      if (place < held.first || (place - held.first) * width >= held.values.length) {
        const from = place - (place % step)
        held = { first: from, values: await store.numbers(sus, [[from, Math.min(from + step, order.length)], null]) }
      }
      const start = (place - held.first) * width
      susceptibilities.set(held.values.subarray(start, start + width), at * width)
    }
    const wrong = susceptibilities.findIndex((value) => !Number.isFinite(value))
    if (wrong >= 0) {
      const place = `${sus.path}: row ${places[Math.floor(wrong / width)]}, column ${wrong % width}`
      throw store.fault('', `${place} is not a finite number, as of a diverged chain`, 'sample that restriction again')
    }
    yield { susceptibilities, standardErrors: new Float32Array(susceptibilities.length).fill(Number.NaN) }
  }
}

/** Whether a store is a tree of results. */
export const isResults = async (store: ZarrFolder): Promise<boolean> =>
  (await store.attributes(groups.susceptibilities)) !== undefined

/** Reads a tree that devinterp's `compute_susceptibilities` made. Throws `input` errors. */
export const readResults = async (store: ZarrFolder): Promise<ForeignResults> => {
  const attributes = names.safeParse(await store.attributes(groups.susceptibilities))
  const sus = await store.array(`${groups.susceptibilities}/sus`, ['sus_flat', 'wr'])
  const restrictions = await store.texts(await store.array(`${groups.susceptibilities}/wr`, ['wr'], 'text'))
  const components = restrictions.map(componentOf)
  const twice = components.find((one, at) => components.indexOf(one) < at)
  if (twice !== undefined) throw store.fault(`${groups.susceptibilities}/wr`, `${twice} occurs twice`)
  if (components.length !== sus.head.shape[1] || components.length === 0)
    throw store.fault(sus.path, `it has ${sus.head.shape[1]} columns, and wr names ${components.length}`)
  const contexts = await readContext(store)
  const subsets = attributes.success ? (attributes.data.dataset_id_to_name ?? []) : []
  const { rows, order } = await placeTokens(store, contexts, subsets)
  if (order.length !== sus.head.shape[0])
    throw store.fault(sus.path, `it has ${sus.head.shape[0]} rows, and its coordinates ${order.length}`)
  return {
    kind: "devinterp's results",
    rows,
    components,
    sampler: undefined,
    initialLoss: Number.NaN,
    blocks: () => matrixBlocks(store, sus, order),
    parts: 0,
    part: noPart,
    diagnostics: [],
    traces: [],
    notes: [
      'χ is as devinterp computed it: two-chain, φ centred by the loss of sampling batches, ' +
        'without standard errors or reliability; import the raw samples to have them.',
      'The file does not say how it was sampled.'
    ],
    close: () => Promise.resolve()
  }
}
