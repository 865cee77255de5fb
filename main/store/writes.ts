import { DOUBLE, LIST, VARCHAR, listValue } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { leftoverCluster } from '../../preload/records'
import type {
  ClusteringRecord,
  DiagnosticsRecord,
  NewClustering,
  NewGroup,
  StudyRecord,
  TracePointRecord,
  TraceRecord
} from '../../preload/records'
import { concatenate } from '../base/concatenate'
import { GroupTree } from '../base/group-tree'
import { append, indicesOrNull, listsOf, raggedLists, realsOrNull } from './blocks'
import type { Column } from './blocks'
import { select } from './database'
import { jsonOf } from './json'
import { findClustering } from './runs'

const clear = async (connection: DuckDBConnection, run: number, ...tables: string[]): Promise<void> => {
  for (const table of tables) await connection.run(`DELETE FROM ${table} WHERE run = $1`, [run])
}

const range = (count: number, first = 0): Int32Array => Int32Array.from({ length: count }, (_, i) => first + i)

/** Replaces a run's study; `texts[i]` is the text of token id `ids[i]`. */
export const saveStudy = async (
  connection: DuckDBConnection,
  run: number,
  study: StudyRecord,
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

/** Takes a run's matrix block by block, and the mean and population standard deviation of its columns meanwhile. */
export class MatrixWriter {
  readonly #sums: Float64Array
  readonly #squares: Float64Array
  #shift: Float64Array | undefined
  #tokens = 0
  /** Tokens of each part so far. */
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

/** Takes a run's neighbours block by block. */
export class NeighboursWriter {
  #tokens = 0

  private constructor(
    private readonly connection: DuckDBConnection,
    private readonly run: number,
    private readonly k: number,
    private readonly whiten: number
  ) {}

  static async begin(connection: DuckDBConnection, run: number, k: number, whiten: boolean): Promise<NeighboursWriter> {
    await connection.run('DELETE FROM neighbours WHERE run = $1 AND whiten = $2', [run, Number(whiten)])
    return new NeighboursWriter(connection, run, k, Number(whiten))
  }

  async append(indices: Int32Array, distances: Float32Array): Promise<void> {
    const count = indices.length / this.k
    if (!Number.isInteger(count) || indices.length !== distances.length)
      throw new Error(`neighbours come in rows of ${this.k}`)
    await append(this.connection, 'neighbours', count, [
      this.run,
      this.whiten,
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
      `INSERT INTO diagnostics VALUES (${Array.from({ length: 14 }, (_, i) => `$${i + 1}`).join(', ')}, $15::JSON, $16::JSON)`,
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

/** A number that no clustering of the run has had, deleted ones included. */
const nextNumber = async (connection: DuckDBConnection, run: number): Promise<number> => {
  const [counter] = await select(connection, 'SELECT last FROM clustering_numbers WHERE run = $1', [run])
  const next = counter === undefined ? 1 : (counter.last as number) + 1
  await connection.run(
    counter === undefined
      ? 'INSERT INTO clustering_numbers VALUES ($1, $2)'
      : 'UPDATE clustering_numbers SET last = $2 WHERE run = $1',
    [run, next]
  )
  return next
}

/** Throws where clusters and what is left over don't cover every token of the study once. */
const checkCover = (tokens: number, clusters: NewClustering['clusters'], leftover: Int32Array): void => {
  const seen = new Uint8Array(tokens)
  const lowest = clusters.filter(({ kind }) => kind === 'cluster')
  for (const members of [...lowest.map((cluster) => cluster.members), leftover]) {
    for (const token of members) {
      const isThere = token >= 0 && token < tokens
      if (!isThere) throw new Error(`a clustering has token ${token}, but the study has ${tokens}`)
      if (seen[token] === 1) throw new Error(`a clustering has token ${token} twice`)
      seen[token] = 1
    }
  }
  const missing = seen.indexOf(0)
  if (missing >= 0) throw new Error(`a clustering lacks token ${missing} of ${tokens}`)
}

/**
 * Throws where a group above does not have just the tokens of the clusters below it, or strengths are not one for each
 * member.
 */
const checkMembers = (tree: GroupTree, clusters: NewClustering['clusters']): void => {
  for (const { order, kind, members, strengths } of clusters) {
    if (strengths !== null && strengths.length !== members.length) {
      throw new Error(`group ${order} has ${strengths.length} strengths for ${members.length} members`)
    }
    if (kind === 'cluster') continue
    const below = concatenate(tree.clustersOf(order).map((cluster) => clusters[cluster].members)).sort()
    if (below.length === members.length && below.every((token, at) => token === members[at])) continue
    throw new Error(`${kind} ${order} does not have just the tokens of its clusters`)
  }
}

/** Strengths of all members of some groups, NaN where there are none. */
const strengthsOf = (groups: readonly Pick<NewGroup, 'members' | 'strengths'>[]): Float32Array =>
  concatenate(groups.map(({ members, strengths }) => strengths ?? new Float32Array(members.length).fill(Number.NaN)))

const tokensOfStudy = async (connection: DuckDBConnection, run: number): Promise<number> => {
  const [study] = await select(connection, 'SELECT tokens FROM studies WHERE run = $1', [run])
  return Number(study?.tokens ?? 0)
}

/**
 * Adds a clustering; memberships are stored group by group, so that one group is one stretch of the table. Throws
 * where groups are no tree, or do not cover the study.
 */
export const saveClustering = async (
  connection: DuckDBConnection,
  run: string,
  number: number,
  clustering: NewClustering
): Promise<ClusteringRecord> => {
  const {
    name,
    configuration,
    seed,
    ending,
    attempts,
    edges,
    volume,
    clusters,
    leftover,
    stability,
    modularity,
    sweep
  } = clustering
  const misplaced = clusters.find(({ order }, place) => order !== place)
  if (misplaced !== undefined) throw new Error(`group ${misplaced.order} is out of order`)
  const tree = new GroupTree(clusters)
  checkCover(await tokensOfStudy(connection, number), clusters, leftover.members)
  checkMembers(tree, clusters)
  const id = await nextNumber(connection, number)
  const integers = (of: (group: NewGroup) => number): Int32Array => Int32Array.from(clusters, of)
  const reals = (of: (group: NewGroup) => number | null): Column =>
    realsOrNull(Float64Array.from(clusters, (group) => of(group) ?? Number.NaN))
  await append(connection, 'clusters', clusters.length, [
    number,
    id,
    integers(({ order }) => order),
    indicesOrNull(integers((group) => group.seed ?? -1)),
    integers(({ members }) => members.length),
    Float64Array.from(clusters, ({ conductance }) => conductance),
    reals(({ conductanceWhenCut }) => conductanceWhenCut),
    clusters.map(({ kind }) => kind),
    indicesOrNull(integers(({ parent }) => parent ?? -1)),
    reals((group) => group.stability)
  ])
  const groups = [...clusters, { order: leftoverCluster, members: leftover.members, strengths: null }]
  const members = concatenate(groups.map((group) => group.members))
  await append(connection, 'memberships', members.length, [
    number,
    id,
    concatenate(groups.map((group) => new Int32Array(group.members.length).fill(group.order))),
    members,
    realsOrNull(strengthsOf(groups))
  ])
  await connection.run(
    `INSERT INTO clusterings (run, clustering, name, configuration, seed, created_at, ending, attempts, edges, volume,
       clusters, leftover_kind, leftover_size, groups_above, structure)
     VALUES ($1, $2, $3, $4::JSON, $5, $6::TIMESTAMP, $7, $8, $9, $10, $11, $12, $13, $14, $15::JSON)`,
    [
      number,
      id,
      name,
      jsonOf(configuration),
      seed,
      new Date().toISOString(),
      ending,
      attempts,
      edges,
      volume,
      tree.clusters,
      leftover.kind,
      leftover.members.length,
      clusters.length - tree.clusters,
      jsonOf({ stability, modularity, sweep })
    ]
  )
  return findClustering(connection, run, id)
}
