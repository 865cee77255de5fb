import type { DuckDBConnection } from '@duckdb/node-api'
import { forEachBlock } from './blocks'
import { select } from './database'
import { checkIndex } from './fitting'
import { getRowsAndPositions } from './token-columns'

/** A document that part of a row comes from. */
export interface Source {
  readonly file: string
  readonly record: number
}

/** Contexts of tokens, at 4 bytes per id in probe rows and 8 per token. Showing a context then needs no query. */
export interface StudyMemory {
  /** Row and target position of every token. */
  readonly rows: Int32Array
  readonly positions: Int32Array
  /** Ids of row r: starts[r] … starts[r + 1] - 1. */
  readonly ids: Int32Array
  readonly starts: Int32Array
  readonly subsetOf: (row: number) => string
  /** What the tokenizer put before the token at a position, which begins a document; "" elsewhere. */
  readonly prefixOf: (row: number, position: number) => string
  /** Document of the token at a position; undefined for rows from a file of ids. */
  readonly sourceOf: (row: number, position: number) => Source | undefined
}

const readRows = async (
  connection: DuckDBConnection,
  run: number
): Promise<{ ids: Int32Array; starts: Int32Array; subsets: string[] }> => {
  const [{ rows, length }] = await select(
    connection,
    'SELECT count(*)::INTEGER AS rows, coalesce(sum(len(token_ids)), 0)::BIGINT AS length FROM study_rows ' +
      "WHERE run = $1 AND kind = 'probe'",
    [run]
  )
  const lists: Int32Array[] = new Array<Int32Array>(rows as number)
  const subsets: string[] = new Array<string>(rows as number)
  await forEachBlock(
    connection,
    "SELECT row_index, token_ids, subset FROM study_rows WHERE run = $1 AND kind = 'probe'",
    [run],
    (block) => {
      const indices = block.integers(0)
      const names = block.texts(2)
      block.lists(1, Int32Array, (list, i) => {
        checkIndex(indices[i], lists.length, 'study_rows', `rows of run ${run}`)
        lists[indices[i]] = list.slice()
        subsets[indices[i]] = names[i] ?? ''
      })
    }
  )
  const ids = new Int32Array(Number(length))
  const starts = new Int32Array(lists.length + 1)
  lists.forEach((list, row) => {
    ids.set(list, starts[row])
    starts[row + 1] = starts[row] + list.length
  })
  return { ids, starts, subsets }
}

/** Segments of rows, ordered by row and position. */
const readSegments = async (
  connection: DuckDBConnection,
  run: number,
  rows: number
): Promise<{ firsts: Int32Array; positions: number[]; documents: number[]; offsets: number[] }> => {
  const firsts = new Int32Array(rows + 1)
  const positions: number[] = []
  const documents: number[] = []
  const offsets: number[] = []
  await forEachBlock(
    connection,
    'SELECT row_index, start_position, document, document_offset FROM segments WHERE run = $1 ' +
      'ORDER BY row_index, start_position',
    [run],
    (block) => {
      const [row, position, document, offset] = [0, 1, 2, 3].map((column) => block.integers(column))
      for (let i = 0; i < block.rows; i++) {
        firsts[row[i] + 1]++
        positions.push(position[i])
        documents.push(document[i])
        offsets.push(offset[i])
      }
    }
  )
  for (let row = 0; row < rows; row++) firsts[row + 1] += firsts[row]
  return { firsts, positions, documents, offsets }
}

export const readStudyMemory = async (
  connection: DuckDBConnection,
  runId: string,
  run: number
): Promise<StudyMemory> => {
  const { rows, positions } = await getRowsAndPositions(connection, runId, run)
  const { ids, starts, subsets } = await readRows(connection, run)
  rows.forEach((row, token) => {
    checkIndex(row, subsets.length, 'tokens', `token ${token} of run ${run}`)
    checkIndex(positions[token], starts[row + 1] - starts[row], 'tokens', `token ${token} of run ${run}`)
  })
  const segments = await readSegments(connection, run, subsets.length)
  const documents = new Map<number, Source>()
  await forEachBlock(connection, 'SELECT document, record, file FROM documents WHERE run = $1', [run], (block) => {
    const [numbers, records] = [block.integers(0), block.integers(1)]
    block.texts(2).forEach((file, i) => documents.set(numbers[i], { file: file ?? '', record: records[i] }))
  })
  const [{ prefix }] = await select(
    connection,
    "SELECT json_extract_string(provenance, '$.tokenizerPrefix') AS prefix FROM runs WHERE number = $1",
    [run]
  )
  /** The segment that a token is in; undefined if none. */
  const segmentAt = (row: number, position: number): number | undefined => {
    for (let at = segments.firsts[row + 1] - 1; at >= segments.firsts[row]; at--)
      if (segments.positions[at] <= position) return at
    return undefined
  }
  return {
    rows,
    positions,
    ids,
    starts,
    subsetOf: (row) => subsets[row],
    prefixOf: (row, position) => {
      if (typeof prefix !== 'string') return ''
      const at = segmentAt(row, position)
      return at !== undefined && segments.positions[at] === position && segments.offsets[at] === 0 ? prefix : ''
    },
    sourceOf: (row, position) => {
      const at = segmentAt(row, position)
      return at === undefined ? undefined : documents.get(segments.documents[at])
    }
  }
}
