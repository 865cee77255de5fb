import type { DuckDBConnection } from '@duckdb/node-api'
import { SpectroscopeError } from '../../preload/errors'
import type { ColumnSpread, LayoutRecord } from '../../preload/records'
import { append, forEachBlock } from './blocks'
import { select } from './database'
import { UnfitRows } from './fitting'
import { getColumns } from './reads'

/** Number of tokens in a run's study. Throws an `input` error before its rows are prepared. */
export const tokensOf = async (connection: DuckDBConnection, runId: string, run: number): Promise<number> => {
  const [study] = await select(connection, 'SELECT tokens FROM studies WHERE run = $1', [run])
  if (study === undefined)
    throw new SpectroscopeError('input', `Run ${runId} has no rows yet; \`resume ${runId}\` prepares them.`)
  return study.tokens as number
}

const range = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i)

/** Two integer columns of the table of tokens, by token. */
const readTokens = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  columns: readonly [string, string]
): Promise<[Int32Array, Int32Array]> => {
  const tokens = await tokensOf(connection, runId, run)
  const [{ count }] = await select(connection, 'SELECT count(*) AS count FROM tokens WHERE run = $1', [run])
  if (Number(count) !== tokens) {
    throw new UnfitRows('studies', `run ${run}`, `it says ${tokens} tokens, but there are ${Number(count)}`)
  }
  const [left, right] = [new Int32Array(tokens), new Int32Array(tokens)]
  await forEachBlock(connection, `SELECT token, ${columns.join(', ')} FROM tokens WHERE run = $1`, [run], (block) => {
    const [token, a, b] = [0, 1, 2].map((column) => block.integers(column))
    for (let i = 0; i < block.rows; i++) {
      left[token[i]] = a[i]
      right[token[i]] = b[i]
    }
  })
  return [left, right]
}

/** Row and id of every token. */
export const getRowsAndIds = async (
  connection: DuckDBConnection,
  runId: string,
  run: number
): Promise<{ rows: Int32Array; ids: Int32Array }> => {
  const [rows, ids] = await readTokens(connection, runId, run, ['row_index', 'token_id'])
  return { rows, ids }
}

/** Row and target position of every token. */
export const getRowsAndPositions = async (
  connection: DuckDBConnection,
  runId: string,
  run: number
): Promise<{ rows: Int32Array; positions: Int32Array }> => {
  const [rows, positions] = await readTokens(connection, runId, run, ['row_index', 'position'])
  return { rows, positions }
}

/** Sorted subset names of a run's probe rows, and the index of each row's subset. */
export const getSubsetsOfRows = async (
  connection: DuckDBConnection,
  run: number
): Promise<{ subsets: string[]; ofRow: Int32Array }> => {
  const rows = await select(connection, "SELECT row_index, subset FROM study_rows WHERE run = $1 AND kind = 'probe'", [
    run
  ])
  const subsets = [...new Set(rows.map((row) => row.subset as string))].sort()
  const places = new Map(subsets.map((subset, index) => [subset, index]))
  const ofRow = new Int32Array(rows.length)
  for (const row of rows) ofRow[row.row_index as number] = places.get(row.subset as string)!
  return { subsets, ofRow }
}

/** Index of every token's subset in the sorted names. */
export const getSubsetIndices = async (
  connection: DuckDBConnection,
  runId: string,
  run: number
): Promise<Int32Array> => {
  const { ofRow } = await getSubsetsOfRows(connection, run)
  return (await getRowsAndIds(connection, runId, run)).rows.map((row) => ofRow[row])
}

/** χ̂ of every token in one component in nats², [tokens]. Throws an `input` error for an unknown component. */
export const getColumn = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  component: string
): Promise<Float32Array> => {
  const { tokens, components } = await getColumns(connection, runId, run)
  const place = components.indexOf(component)
  if (place < 0)
    throw new SpectroscopeError('input', `Run ${runId} has no component ${component}; it has ${components.join(', ')}.`)
  const values = new Float32Array(tokens)
  await forEachBlock(
    connection,
    `SELECT token, chi[${place + 1}] FROM susceptibilities WHERE run = $1`,
    [run],
    (block) => {
      const token = block.integers(0)
      block.floats(1).forEach((value, i) => (values[token[i]] = value))
    }
  )
  return values
}

/** Standard deviation of every column, and root mean square of its standard errors, over all tokens. */
export const getColumnSpreads = async (
  connection: DuckDBConnection,
  runId: string,
  run: number
): Promise<ColumnSpread[]> => {
  const { tokens, components, deviations } = await getColumns(connection, runId, run)
  const squares = new Float64Array(components.length)
  await forEachBlock(connection, 'SELECT standard_error FROM susceptibilities WHERE run = $1', [run], (block) =>
    block.lists(0, Float32Array, (errors) => {
      for (let column = 0; column < errors.length; column++) squares[column] += errors[column] ** 2
    })
  )
  return components.map((component, column) => ({
    component,
    deviation: deviations[column],
    standardError: Math.sqrt(squares[column] / tokens)
  }))
}

/** Texts of the token ids in probe rows, ordered by id. */
export const getTexts = async (
  connection: DuckDBConnection,
  run: number
): Promise<{ ids: Int32Array; texts: string[] }> => {
  const ids: number[] = []
  const texts: string[] = []
  await forEachBlock(
    connection,
    'SELECT token_id, text FROM vocabulary WHERE run = $1 ORDER BY token_id',
    [run],
    (block) => {
      ids.push(...block.integers(0))
      texts.push(...block.texts(1).map((text) => text ?? ''))
    }
  )
  return { ids: Int32Array.from(ids), texts }
}

/** Replaces a layout. Call it in a transaction. */
export const saveLayout = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  whiten: boolean,
  { method, positions }: LayoutRecord
): Promise<void> => {
  const tokens = await tokensOf(connection, runId, run)
  if (positions.length !== 2 * tokens)
    throw new Error(`a layout of ${positions.length / 2} tokens was given, but the study has ${tokens}`)
  const coordinate = (axis: 0 | 1): Float32Array =>
    Float32Array.from({ length: tokens }, (_, token) => positions[2 * token + axis])
  for (const table of ['layouts', 'layout_places'])
    await connection.run(`DELETE FROM ${table} WHERE run = $1 AND whiten = $2`, [run, Number(whiten)])
  await append(connection, 'layout_places', tokens, [run, Number(whiten), range(tokens), coordinate(0), coordinate(1)])
  await connection.run('INSERT INTO layouts VALUES ($1, $2, $3)', [run, Number(whiten), method])
}

export const getLayout = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  whiten: boolean
): Promise<LayoutRecord | undefined> => {
  const [layout] = await select(connection, 'SELECT method FROM layouts WHERE run = $1 AND whiten = $2', [
    run,
    Number(whiten)
  ])
  if (layout === undefined) return undefined
  const positions = new Float32Array(2 * (await tokensOf(connection, runId, run)))
  await forEachBlock(
    connection,
    'SELECT token, x, y FROM layout_places WHERE run = $1 AND whiten = $2',
    [run, Number(whiten)],
    (block) => {
      const tokens = block.integers(0)
      const [x, y] = [block.floats(1), block.floats(2)]
      for (let i = 0; i < block.rows; i++) {
        positions[2 * tokens[i]] = x[i]
        positions[2 * tokens[i] + 1] = y[i]
      }
    }
  )
  return { method: layout.method as string, positions }
}
