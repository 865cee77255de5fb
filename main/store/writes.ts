import { DOUBLE, LIST, VARCHAR, listValue } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { DiagnosticsRecord, StudyRecord, TracePointRecord, TraceRecord } from '../../preload/records'
import { concatenate } from '../base/concatenate'
import { append, listsOf, raggedLists } from './blocks'
import { select } from './database'
import { jsonOf } from './json'

const clear = async (connection: DuckDBConnection, run: number, ...tables: string[]): Promise<void> => {
  for (const table of tables) await connection.run(`DELETE FROM ${table} WHERE run = $1`, [run])
}

const range = (count: number, first = 0): Int32Array => Int32Array.from({ length: count }, (_, i) => first + i)

export type StudyRows = Omit<StudyRecord, 'contents'>

/** Replaces a run's study. `texts[i]` is the text of token id `ids[i]`. */
export const saveStudy = async (
  connection: DuckDBConnection,
  run: number,
  study: StudyRows,
  ids: Int32Array,
  texts: readonly string[]
): Promise<void> => {
  await clear(connection, run, 'studies', 'study_rows', 'segments', 'documents', 'tokens', 'vocabulary')
  const { probe, targets, provenance, documents } = study
  for (const kind of ['sampling', 'observation', 'probe'] as const) {
    const rows = study[kind]
    const subsets = rows.map((_, row) => (kind === 'probe' ? (provenance[row]?.subset ?? '') : ''))
    await append(connection, 'study_rows', rows.length, [
      run,
      rows.map(() => kind),
      range(rows.length),
      subsets,
      raggedLists(rows)
    ])
  }
  const segments = provenance.flatMap((row, index) =>
    row.segments.map((segment) => [index, segment.start, segment.document, segment.offset])
  )
  await append(connection, 'segments', segments.length, [
    run,
    ...[0, 1, 2, 3].map((part) => Int32Array.from(segments, (segment) => segment[part]))
  ])
  await append(connection, 'documents', documents.length, [
    run,
    Int32Array.from(documents, ({ id }) => id),
    documents.map(({ file }) => file),
    Int32Array.from(documents, ({ record }) => record),
    documents.map(({ subset }) => subset)
  ])
  const positions = concatenate(targets)
  const rows = concatenate(targets.map(({ length }, row) => new Int32Array(length).fill(row)))
  await append(connection, 'tokens', positions.length, [
    run,
    range(positions.length),
    rows,
    positions,
    positions.map((position, token) => probe[rows[token]][position])
  ])
  await append(connection, 'vocabulary', ids.length, [run, ids, texts])
  await connection.run('INSERT INTO studies VALUES ($1, $2, $3, $4)', [run, study.hash, positions.length, probe.length])
}

/** Writes a run's matrix block by block, and computes mean and population standard deviation of its columns. */
export class MatrixWriter {
  readonly #sums: Float64Array
  readonly #squares: Float64Array
  #shift: Float64Array | undefined
  #tokens = 0
  /** Number of tokens written so far for each part. */
  #parts: readonly number[] = []

  private constructor(
    private readonly connection: DuckDBConnection,
    private readonly run: number,
    private readonly components: readonly string[],
    private readonly initialLoss: number
  ) {
    this.#sums = new Float64Array(components.length)
    this.#squares = new Float64Array(components.length)
  }

  static async begin(
    connection: DuckDBConnection,
    run: number,
    components: readonly string[],
    initialLoss: number
  ): Promise<MatrixWriter> {
    await clear(connection, run, 'samplings', 'susceptibilities', 'parts', 'layouts', 'layout_places')
    return new MatrixWriter(connection, run, components, initialLoss)
  }

  async append(susceptibilities: Float32Array, standardErrors: Float32Array): Promise<void> {
    const width = this.components.length
    const count = susceptibilities.length / width
    if (!Number.isInteger(count) || standardErrors.length !== susceptibilities.length)
      throw new Error(`susceptibilities come in rows of ${width}`)
    await append(this.connection, 'susceptibilities', count, [
      this.run,
      range(count, this.#tokens),
      listsOf(susceptibilities, width),
      listsOf(standardErrors, width)
    ])
    this.#shift ??= Float64Array.from(susceptibilities.subarray(0, width))
    for (let at = 0; at < susceptibilities.length; at += width) {
      for (let column = 0; column < width; column++) {
        const value = susceptibilities[at + column] - this.#shift[column]
        this.#sums[column] += value
        this.#squares[column] += value * value
      }
    }
    this.#tokens += count
  }

  beginParts(count: number): void {
    if (this.#parts.length > 0) throw new Error('the parts of a matrix are begun once')
    this.#parts = new Array<number>(count).fill(0)
  }

  async appendPart(part: number, susceptibilities: Float32Array): Promise<void> {
    const width = this.components.length
    const count = susceptibilities.length / width
    if (!Number.isInteger(count)) throw new Error(`susceptibilities come in rows of ${width}`)
    const tokens = this.#parts.at(part)
    if (tokens === undefined) throw new Error(`there is no part ${part} of ${this.#parts.length}`)
    const columns = [this.run, part, range(count, tokens), listsOf(susceptibilities, width)]
    await append(this.connection, 'parts', count, columns)
    this.#parts = this.#parts.with(part, tokens + count)
  }

  async finish(): Promise<void> {
    await checkComplete(this.connection, this.run, this.#tokens, 'susceptibilities')
    for (const [part, tokens] of this.#parts.entries()) {
      await checkComplete(this.connection, this.run, tokens, `susceptibilities of part ${part}`)
    }
    const means = this.#sums.map((sum, column) => this.#shift![column] + sum / this.#tokens)
    const deviations = this.#squares.map((square, column) =>
      Math.sqrt(Math.max(0, square / this.#tokens - (this.#sums[column] / this.#tokens) ** 2))
    )
    await this.connection.run(
      'INSERT INTO samplings VALUES ($1, $2, $3, $4, $5)',
      [this.run, this.initialLoss, listValue([...this.components]), listValue([...means]), listValue([...deviations])],
      [undefined, DOUBLE, LIST(VARCHAR), LIST(DOUBLE), LIST(DOUBLE)] as never
    )
  }
}

const checkComplete = async (
  connection: DuckDBConnection,
  run: number,
  tokens: number,
  what: string
): Promise<void> => {
  const [study] = await select(connection, 'SELECT tokens FROM studies WHERE run = $1', [run])
  const expected = Number(study?.tokens ?? 0)
  if (expected !== tokens) throw new Error(`${what} of ${tokens} tokens were stored, but the study has ${expected}`)
}

/** Writes a run's neighbours block by block. */
export class NeighboursWriter {
  #tokens = 0

  private constructor(
    private readonly connection: DuckDBConnection,
    private readonly run: number,
    private readonly k: number,
    private readonly key: number
  ) {}

  static async begin(connection: DuckDBConnection, run: number, k: number, key: number): Promise<NeighboursWriter> {
    await connection.run('DELETE FROM neighbours WHERE run = $1 AND whiten = $2', [run, key])
    return new NeighboursWriter(connection, run, k, key)
  }

  async append(indices: Int32Array, distances: Float32Array): Promise<void> {
    const count = indices.length / this.k
    if (!Number.isInteger(count) || indices.length !== distances.length)
      throw new Error(`neighbours come in rows of ${this.k}`)
    await append(this.connection, 'neighbours', count, [
      this.run,
      this.key,
      range(count, this.#tokens),
      listsOf(indices, this.k),
      listsOf(distances, this.k)
    ])
    this.#tokens += count
  }

  finish(): Promise<void> {
    return checkComplete(this.connection, this.run, this.#tokens, 'neighbours')
  }
}

export const saveDiagnostics = async (
  connection: DuckDBConnection,
  run: number,
  diagnostics: readonly DiagnosticsRecord[]
): Promise<void> => {
  await clear(connection, run, 'diagnostics')
  const list = (values: readonly number[]): ReturnType<typeof listValue> => listValue([...values])
  for (const [ordinal, record] of diagnostics.entries()) {
    const { first, last, min, max } = record.lossTrace
    await connection.run(
      `INSERT INTO diagnostics VALUES (${Array.from({ length: 14 }, (_, i) => `$${i + 1}`).join(', ')}, ` +
        '$15::JSON, $16::JSON)',
      [
        run,
        ordinal,
        record.component,
        record.splitRHat,
        record.learningCoefficient,
        record.reliability,
        record.centredReliability,
        list(record.meanDistance),
        list(record.finalDistance),
        list(record.meanLoss),
        first,
        last,
        min,
        max,
        jsonOf(record.failedChains),
        record.blocks === null ? null : jsonOf(record.blocks)
      ],
      [
        undefined,
        undefined,
        undefined,
        DOUBLE,
        DOUBLE,
        DOUBLE,
        DOUBLE,
        LIST(DOUBLE),
        LIST(DOUBLE),
        LIST(DOUBLE),
        DOUBLE,
        DOUBLE,
        DOUBLE,
        DOUBLE,
        undefined,
        VARCHAR
      ] as never
    )
  }
}

export const saveTraces = async (
  connection: DuckDBConnection,
  run: number,
  traces: readonly TraceRecord[]
): Promise<void> => {
  await clear(connection, run, 'traces')
  for (const { component, chain, losses, distances } of traces) {
    await append(connection, 'traces', losses.length, [
      run,
      Array.from(losses, () => component),
      chain,
      range(losses.length),
      losses,
      distances
    ])
  }
}

export const appendTrace = async (
  connection: DuckDBConnection,
  run: number,
  points: readonly TracePointRecord[]
): Promise<void> => {
  const firstDraws = new Map<string, TracePointRecord>()
  for (const point of points) {
    const key = JSON.stringify([point.component, point.chain])
    const known = firstDraws.get(key)
    if (known === undefined || point.draw < known.draw) firstDraws.set(key, point)
  }
  for (const { component, chain, draw } of firstDraws.values()) {
    await connection.run('DELETE FROM traces WHERE run = $1 AND component = $2 AND chain = $3 AND draw >= $4', [
      run,
      component,
      chain,
      draw
    ])
  }
  await append(connection, 'traces', points.length, [
    run,
    points.map(({ component }) => component),
    Int32Array.from(points, ({ chain }) => chain),
    Int32Array.from(points, ({ draw }) => draw),
    Float64Array.from(points, ({ loss }) => loss),
    Float64Array.from(points, ({ distance }) => distance)
  ])
}
