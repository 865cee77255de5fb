import type { DuckDBConnection } from '@duckdb/node-api'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import type {
  DiagnosticsRecord,
  DocumentRecord,
  Segment,
  StudyRecord,
  SusceptibilityRecord,
  TraceRecord
} from '../../preload/records'
import { forEachBlock } from './blocks'
import { select } from './database'
import type { Row } from './database'
import { checkIndex, fitting, parsed, UnfitRows } from './fitting'
import { diagnosticsRow } from './row-schemas'

const readRows = async (
  connection: DuckDBConnection,
  run: number,
  kind: string
): Promise<{ ids: Int32Array[]; subsets: string[] }> => {
  const ids: Int32Array[] = []
  const subsets: string[] = []
  let count = 0
  await forEachBlock(
    connection,
    'SELECT row_index, token_ids, subset FROM study_rows WHERE run = $1 AND kind = $2',
    [run, kind],
    (block) => {
      const rows = block.integers(0)
      const names = block.texts(2)
      block.lists(1, Int32Array, (list, row) => {
        checkIndex(rows[row], limits.rows, 'study_rows', `rows of run ${run}`)
        ids[rows[row]] = list.slice()
        subsets[rows[row]] = names[row] ?? ''
        count++
      })
    }
  )
  if (count !== ids.length) throw new UnfitRows('study_rows', `rows of run ${run}`, `${count} of ${ids.length}`)
  return { ids, subsets }
}

export const getStudy = async (connection: DuckDBConnection, runId: string, run: number): Promise<StudyRecord> => {
  const [study] = await select(connection, 'SELECT hash, tokens FROM studies WHERE run = $1', [run])
  if (study === undefined)
    throw new SpectroscopeError('input', `Run ${runId} has no rows yet; \`resume ${runId}\` prepares them.`)
  const probe = await readRows(connection, run, 'probe')
  const segments: Segment[][] = probe.ids.map(() => [])
  await forEachBlock(
    connection,
    'SELECT row_index, start_position, document, document_offset FROM segments WHERE run = $1',
    [run],
    (block) => {
      const [rows, starts, documents, offsets] = [0, 1, 2, 3].map((column) => block.integers(column))
      rows.forEach((row) => checkIndex(row, segments.length, 'segments', `rows of run ${run}`))
      rows.forEach((row, i) => segments[row].push({ start: starts[i], document: documents[i], offset: offsets[i] }))
    }
  )
  const targets: number[][] = probe.ids.map(() => [])
  await forEachBlock(connection, 'SELECT row_index, position FROM tokens WHERE run = $1', [run], (block) => {
    const positions = block.integers(1)
    block.integers(0).forEach((row, i) => {
      checkIndex(row, targets.length, 'tokens', `rows of run ${run}`)
      targets[row].push(positions[i])
    })
  })
  const tokens = targets.reduce((sum, { length }) => sum + length, 0)
  if (tokens !== study.tokens) throw new UnfitRows('tokens', `run ${run}`, `${tokens} of ${String(study.tokens)}`)
  const documents = await select(
    connection,
    'SELECT document, file, record, subset FROM documents WHERE run = $1 ORDER BY rowid',
    [run]
  )
  return {
    sampling: (await readRows(connection, run, 'sampling')).ids,
    observation: (await readRows(connection, run, 'observation')).ids,
    probe: probe.ids,
    targets: targets.map((positions) => Int32Array.from(positions).sort()),
    provenance: probe.subsets.map((subset, row) => ({
      subset,
      segments: segments[row].sort((a, b) => a.start - b.start)
    })),
    documents: documents.map((row): DocumentRecord => ({
      id: row.document as number,
      file: row.file as string,
      record: row.record as number,
      subset: row.subset as string
    })),
    hash: study.hash as string
  }
}

/** Reads two list columns of the rows first … into row-major matrices of the given width. */
const readMatrices = async <A extends Int32Array | Float32Array, B extends Int32Array | Float32Array>(
  connection: DuckDBConnection,
  query: string,
  values: number[],
  first: number,
  width: number,
  left: A,
  right: B
): Promise<void> => {
  await forEachBlock(connection, query, values, (block) => {
    const tokens = block.integers(0)
    const place =
      (matrix: A | B) =>
      (list: Int32Array | Float32Array, row: number): void =>
        matrix.set(list.subarray(0, width), (tokens[row] - first) * width)
    block.lists(1, left.constructor as new (length: number) => A, place(left))
    block.lists(2, right.constructor as new (length: number) => B, place(right))
  })
}

export interface Columns {
  readonly tokens: number
  readonly components: readonly string[]
  readonly means: readonly number[]
  readonly deviations: readonly number[]
}

/** Facts about the columns of a run's matrix; undefined if there is none (not sampled yet, or imported). */
export const findColumns = async (connection: DuckDBConnection, run: number): Promise<Columns | undefined> => {
  const [row] = await select(
    connection,
    'SELECT tokens, components, column_means, column_deviations FROM samplings JOIN studies USING (run) WHERE ' +
      'run = $1',
    [run]
  )
  if (row === undefined) return undefined
  return {
    tokens: row.tokens as number,
    components: row.components as string[],
    means: row.column_means as number[],
    deviations: row.column_deviations as number[]
  }
}

export const getColumns = async (connection: DuckDBConnection, runId: string, run: number): Promise<Columns> => {
  const columns = await findColumns(connection, run)
  if (columns === undefined)
    throw new SpectroscopeError('input', `Run ${runId} has no susceptibilities yet; \`resume ${runId}\` continues it.`)
  return columns
}

export const readSusceptibilities = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  first: number,
  count: number
): Promise<{ susceptibilities: Float32Array; standardErrors: Float32Array }> => {
  const { tokens, components } = await getColumns(connection, runId, run)
  const rows = Math.max(0, Math.min(count, tokens - first))
  const susceptibilities = new Float32Array(rows * components.length)
  const standardErrors = new Float32Array(rows * components.length)
  await readMatrices(
    connection,
    'SELECT token, chi, standard_error FROM susceptibilities WHERE run = $1 AND token >= $2 AND token < $3',
    [run, first, first + rows],
    first,
    components.length,
    susceptibilities,
    standardErrors
  )
  return { susceptibilities, standardErrors }
}

/** Rows of χ̂ and its standard errors, with the names of the components. */
export const readMatrix = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  first: number,
  count: number
): Promise<SusceptibilityRecord> => {
  const { components } = await getColumns(connection, runId, run)
  const block = await readSusceptibilities(connection, runId, run, first, count)
  return { tokens: block.susceptibilities.length / components.length, components, ...block }
}

export const countParts = async (connection: DuckDBConnection, run: number): Promise<number> => {
  const [row] = await select(connection, 'SELECT count(*) AS parts FROM parts WHERE run = $1 AND token = 0', [run])
  return Number(row.parts)
}

interface PartRows {
  readonly run: number
  readonly part: number
  readonly first: number
  readonly count: number
}

/** Adds a part's rows first … first + count - 1 to `sums`, [count, components]. Returns the number of rows found. */
const addPart = async (
  connection: DuckDBConnection,
  { run, part, first, count }: PartRows,
  sums: Float64Array
): Promise<number> => {
  const width = sums.length / count
  let found = 0
  const query = 'SELECT token, chi FROM parts WHERE run = $1 AND part = $2 AND token >= $3 AND token < $4'
  await forEachBlock(connection, query, [run, part, first, first + count], (block) => {
    const tokens = block.integers(0)
    block.lists(1, Float32Array, (list, row) => {
      const start = (tokens[row] - first) * width
      for (let column = 0; column < width; column++) sums[start + column] += list[column]
    })
    found += block.rows
  })
  return found
}

/**
 * Mean χ̂ over some parts of the draws in nats², [rows, components]. Throws an `input` error if a part is not stored.
 */
export const readHalf = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  parts: readonly number[],
  first: number,
  count: number
): Promise<Float32Array> => {
  const { tokens, components } = await getColumns(connection, runId, run)
  const rows = Math.max(0, Math.min(count, tokens - first))
  const sums = new Float64Array(rows * components.length)
  for (const part of parts) {
    if ((await addPart(connection, { run, part, first, count: rows }, sums)) === rows) continue
    const remedy = 'sample it again with this version of the program'
    throw new SpectroscopeError('input', `Run ${runId} has no saved part ${part} of its draws; ${remedy}.`)
  }
  for (let i = 0; i < sums.length; i++) sums[i] /= parts.length
  return new Float32Array(sums)
}

export const hasNeighbours = async (
  connection: DuckDBConnection,
  run: number,
  k: number,
  key: number
): Promise<boolean> => {
  const [row] = await select(
    connection,
    'SELECT len(nearest) AS k FROM neighbours WHERE run = $1 AND whiten = $2 AND token = 0',
    [run, key]
  )
  return row !== undefined && Number(row.k) >= k
}

export const readNeighbours = async (
  connection: DuckDBConnection,
  run: number,
  k: number,
  key: number,
  first: number,
  count: number
): Promise<{ indices: Int32Array; distances: Float32Array }> => {
  const [study] = await select(connection, 'SELECT tokens FROM studies WHERE run = $1', [run])
  const rows = Math.max(0, Math.min(count, (study.tokens as number) - first))
  const indices = new Int32Array(rows * k)
  const distances = new Float32Array(rows * k)
  await readMatrices(
    connection,
    'SELECT token, nearest, distances FROM neighbours WHERE run = $1 AND whiten = $2 AND token >= $3 AND token < $4',
    [run, key, first, first + rows],
    first,
    k,
    indices,
    distances
  )
  return { indices, distances }
}

const diagnosticsOf = (row: Row): DiagnosticsRecord => {
  const where = `run ${String(row.run)}, place ${String(row.ordinal)}`
  return fitting('diagnostics', where, diagnosticsRow, {
    component: row.component as string,
    splitRHat: row.split_r_hat as number | null,
    learningCoefficient: row.learning_coefficient as number,
    meanDistance: row.mean_distance as number[],
    finalDistance: row.final_distance as number[],
    meanLoss: row.mean_loss as number[],
    reliability: row.reliability as number,
    centredReliability: row.centred_reliability as number,
    lossTrace: {
      first: row.first_loss as number,
      last: row.last_loss as number,
      min: row.min_loss as number,
      max: row.max_loss as number
    },
    failedChains: parsed<DiagnosticsRecord['failedChains']>('diagnostics', where, row.failed_chains),
    blocks: row.blocks === null ? null : parsed<DiagnosticsRecord['blocks']>('diagnostics', where, row.blocks)
  })
}

export const getDiagnostics = async (connection: DuckDBConnection, run: number): Promise<DiagnosticsRecord[]> =>
  (await select(connection, 'SELECT * FROM diagnostics WHERE run = $1 ORDER BY ordinal', [run])).map(diagnosticsOf)

/** Traces in the order in which their chains were first stored. Missing draws are NaN. */
export const getTraces = async (connection: DuckDBConnection, run: number): Promise<TraceRecord[]> => {
  const chains = new Map<string, { component: string; chain: number; points: [number, number, number][] }>()
  await forEachBlock(
    connection,
    'SELECT component, chain, draw, loss, distance FROM traces WHERE run = $1 ORDER BY rowid',
    [run],
    (block) => {
      const components = block.texts(0)
      const [numbers, draws] = [block.integers(1), block.integers(2)]
      const [losses, distances] = [block.doubles(3), block.doubles(4)]
      components.forEach((component, i) => {
        const key = JSON.stringify([component, numbers[i]])
        const chain = chains.get(key) ?? { component: component ?? '', chain: numbers[i], points: [] }
        chains.set(key, chain)
        checkIndex(draws[i], limits.draws, 'traces', `draws of run ${run}`)
        chain.points.push([draws[i], losses[i], distances[i]])
      })
    }
  )
  return [...chains.values()].map(({ component, chain, points }) => {
    const draws = points.reduce((most, [draw]) => Math.max(most, draw), 0) + 1
    const losses = new Float64Array(draws).fill(Number.NaN)
    const distances = new Float64Array(draws).fill(Number.NaN)
    for (const [draw, loss, distance] of points) {
      losses[draw] = loss
      distances[draw] = distance
    }
    return { component, chain, losses, distances }
  })
}
