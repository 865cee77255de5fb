import { readFile, stat } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import { briefly } from '../../preload/quoting'
import { faultCode } from '../base/faults'
import { parseJson } from '../base/json-text'
import { readHeader, readTensors } from '../models/safetensors'
import { componentNames } from './annotated-values'
import type { ForeignResults, ForeignRow } from './foreign-run'
import { readNpy } from './npy'

/** Files of matrices that are read. */
export const isMatrixFile = (path: string): boolean => /\.(npy|safetensors)$/i.test(path)

const mostTableBytes = 2 ** 29

const fault = (path: string, why: string): SpectroscopeError => new SpectroscopeError('input', `${path}: ${why}.`)

const bytesOf = async (path: string, what: string): Promise<Buffer> => {
  const refused = (error: unknown): never => {
    throw fault(path, `${what} cannot be read (${faultCode(error)}); put it there, or correct its path`)
  }
  if ((await stat(path).catch(refused)).size > mostTableBytes) throw fault(path, 'it has more than 512 MiB; split it')
  return readFile(path).catch(refused)
}

/** Names of the columns: components.json beside the matrix, as `export --format npy` writes it. */
const readComponents = async (matrix: string): Promise<string[]> => {
  const path = join(dirname(matrix), 'components.json')
  const bytes = await bytesOf(path, 'the list of the names of the columns')
  try {
    return componentNames.parse(parseJson(bytes))
  } catch (error) {
    throw new SpectroscopeError('input', `${path}: it must be a JSON list of names, each once; correct it.`, {
      cause: error
    })
  }
}

const whole = z.coerce.number().int().min(0).max(limits.integer)
const tokenSchema = z.object({ row: whole, position: whole, id: whole, subset: z.string().default('') })
const columns = 'the columns row, position (from 1), id and, if known, subset'

interface Placed {
  readonly subset: string
  readonly positions: number[]
  readonly ids: Map<number, number>
}

/** Rows of a table of tokens in CSV, one line for each row of the matrix, by row and then by position. */
const readRows = async (path: string): Promise<ForeignRow[]> => {
  const rows: Placed[] = []
  let [last, highest] = [-1, 0]
  let lines: unknown[]
  try {
    lines = parse(await bytesOf(path, 'the table of tokens'), { columns: true, bom: true })
  } catch (error) {
    if (error instanceof SpectroscopeError) throw error
    throw fault(path, `it is not a CSV table (${briefly((error as Error).message)}); it needs ${columns}`)
  }
  for (const [at, line] of lines.entries()) {
    const token = tokenSchema.safeParse(line)
    const where = `line ${at + 2}`
    if (!token.success)
      throw fault(path, `${where} is wrong at "${token.error.issues[0].path.join('.')}"; it needs ${columns}`)
    const { row, position, id, subset } = token.data
    if (row !== last) rows.push({ subset, positions: [], ids: new Map() })
    const own = rows[rows.length - 1]
    if (row < last || position < 1 || position >= limits.rowLength || position <= (own.positions.at(-1) ?? 0))
      throw fault(path, `${where} is out of order; sort it by row, then by position from 1 on`)
    own.positions.push(position)
    own.ids.set(position, id)
    last = row
    highest = Math.max(highest, id)
  }
  // Stands for ids that the table does not have, such as the first of each row.
  const unknown = highest + 1
  return rows.map(({ subset, positions, ids }) => ({
    subset,
    ids: Int32Array.from({ length: positions[positions.length - 1] + 1 }, (_, at) => ids.get(at) ?? unknown),
    targets: Int32Array.from(positions)
  }))
}

interface Matrix {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

const readMatrix = async (path: string): Promise<Matrix> => {
  if (extname(path).toLowerCase() === '.npy') return readNpy(path)
  const matrices = (await readHeader(path)).filter(({ shape }) => shape.length === 2)
  const chosen = matrices.length === 1 ? matrices[0] : matrices.find(({ name }) => name === 'susceptibilities')
  if (chosen === undefined) throw fault(path, 'it needs one matrix, or one of the name "susceptibilities"')
  return (await readTensors(path, [chosen])).get(chosen.name)!
}

/**
 * Reads χ from a file: NPY or safetensors [tokens, components], with components.json beside it and a table of tokens.
 * Throws `input` errors.
 */
export const readMatrixFile = async (path: string, table: string): Promise<ForeignResults> => {
  const [{ shape, data }, components, rows] = [
    await readMatrix(path),
    await readComponents(path),
    await readRows(table)
  ]
  const tokens = rows.reduce((sum, { targets }) => sum + targets.length, 0)
  if (shape.length !== 2 || shape[0] !== tokens || shape[1] !== components.length) {
    const has = `${tokens} tokens in ${table} × ${components.length} names in components.json`
    throw fault(path, `its shape is ${shape.join(' × ')}, and it must be that of ${has}`)
  }
  const susceptibilities = Float32Array.from(data)
  const wrong = susceptibilities.findIndex((value) => !Number.isFinite(value))
  if (wrong >= 0) throw fault(path, `row ${Math.floor(wrong / shape[1])} is not finite; leave out its token`)
  return {
    kind: 'a matrix',
    rows,
    components,
    sampler: undefined,
    initialLoss: Number.NaN,
    blocks: async function* () {
      yield await Promise.resolve({
        susceptibilities,
        standardErrors: new Float32Array(susceptibilities.length).fill(Number.NaN)
      })
    },
    parts: 0,
    part: async function* () {},
    diagnostics: [],
    traces: [],
    notes: ['The file has χ alone: no standard errors, no reliability, and not how it was sampled.'],
    close: () => Promise.resolve()
  }
}
