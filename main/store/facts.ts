import type { DuckDBConnection } from '@duckdb/node-api'
import { briefly } from '../../preload/quoting'
import { groupKinds, leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, GroupKind } from '../../preload/records'
import { GroupTree, treeFlaw } from '../base/group-tree'
import type { TreeNode } from '../base/group-tree'
import { forEachBlock } from './blocks'
import { select } from './database'
import { UnfitRows } from './fitting'
import { findColumns } from './reads'
import type { Columns } from './reads'
import { chooseClustering, getRun, runNumber } from './runs'
import { readStudyMemory } from './study-memory'
import type { StudyMemory } from './study-memory'
import { getSubsetsOfRows, getTexts } from './token-columns'

/** Caches the most recently used results. */
export class Cache {
  readonly #entries = new Map<string, Promise<unknown>>()

  constructor(private readonly most: number) {}

  /** Returns the result for a key, calling `load` if it is not cached. */
  get<T>(key: string, load: () => Promise<T>): Promise<T> {
    const known = (this.#entries.get(key) as Promise<T> | undefined) ?? load()
    this.#entries.delete(key)
    this.#entries.set(key, known)
    known.catch(() => {
      if (this.#entries.get(key) === known) this.#entries.delete(key)
    })
    if (this.#entries.size > this.most) this.#entries.delete(this.#entries.keys().next().value!)
    return known
  }

  clear(): void {
    this.#entries.clear()
  }
}

const facts = new Cache(32)
/** Caches a small result under a key that names everything it depends on, until `forgetFacts`. */
export const cached = <T>(key: string, load: () => Promise<T>): Promise<T> => facts.get(key, load)
/** Large results: tens of megabytes for a million tokens. */
const studies = new Cache(2)

/** Call whenever results of a run are stored, replaced or deleted. */
export const forgetFacts = (): void => {
  facts.clear()
  studies.clear()
}

export interface KnownRun {
  readonly number: number
  readonly clusterings: readonly ClusteringRecord[]
  /** Number of studied tokens; 0 before rows are prepared. */
  readonly tokens: number
  /** Undefined for a run without a matrix. */
  readonly columns: Columns | undefined
}

/**
 * Facts about a run that every reading call needs. Cached, because planning these queries would take longer than the
 * reading itself. Do not use in a transaction.
 */
export const knownRun = (connection: DuckDBConnection, run: string): Promise<KnownRun> =>
  facts.get(`run ${run}`, async () => {
    const number = await runNumber(connection, run)
    const { clusterings, tokens } = await getRun(connection, run)
    return { number, clusterings, tokens, columns: await findColumns(connection, number) }
  })

export interface KnownClustering extends KnownRun {
  readonly clustering: ClusteringRecord
  readonly described: boolean
  /** Number of tokens in each cluster, each group above, and the unclustered tokens. */
  readonly sizes: ReadonlyMap<number, number>
  readonly tree: GroupTree
}

/** Facts about a run and one of its clusterings, the latest by default. */
export const knownClustering = async (
  connection: DuckDBConnection,
  run: string,
  number?: number
): Promise<KnownClustering> => {
  const known = await knownRun(connection, run)
  const clustering = chooseClustering(run, known.clusterings, number)
  return facts.get(`clustering ${clustering.number} ${run}`, async () => {
    const values = [known.number, clustering.number]
    const sizes = new Map<number, number>()
    const nodes: TreeNode[] = []
    const columns = 'cluster, size, coalesce(parent, -1), kind'
    const where = `clustering ${clustering.number} of run ${known.number}`
    const sql = `SELECT ${columns} FROM clusters WHERE run = $1 AND clustering = $2 ORDER BY cluster`
    await forEachBlock(connection, sql, values, (block) => {
      const [clusters, each, parents] = [0, 1, 2].map((column) => block.integers(column))
      const kinds = block.texts(3)
      for (let i = 0; i < block.rows; i++) {
        const isNext = clusters[i] === nodes.length && groupKinds.includes(kinds[i] as GroupKind)
        if (!isNext) {
          const kind = JSON.stringify(briefly(kinds[i] ?? ''))
          throw new UnfitRows('clusters', where, `cluster ${clusters[i]}, of the kind ${kind}`)
        }
        sizes.set(clusters[i], each[i])
        nodes.push({ kind: kinds[i] as GroupKind, parent: parents[i] < 0 ? null : parents[i] })
      }
    })
    const flaw = treeFlaw(nodes)
    const count = clustering.clusters + clustering.groupsAbove
    if (flaw !== undefined || nodes.length !== count) {
      throw new UnfitRows('clusters', where, flaw ?? `${nodes.length} groups of ${count}`)
    }
    if (clustering.leftoverSize > 0) sizes.set(leftoverCluster, clustering.leftoverSize)
    const described =
      (await select(connection, 'SELECT 1 FROM clustering_descriptions WHERE run = $1 AND clustering = $2', values))
        .length > 0
    const tokens = nodes.reduce(
      (sum, { kind }, number) => sum + (kind === 'cluster' ? sizes.get(number)! : 0),
      clustering.leftoverSize
    )
    if (tokens !== known.tokens) {
      const what = `${tokens} tokens clustered or unclustered, but ${known.tokens} in the study`
      throw new UnfitRows('clusterings', where, what)
    }
    return { ...known, clustering, described, sizes, tree: new GroupTree(nodes) }
  })
}

/** Texts of the token ids in probe rows, by id. Empty if the run has no tokenizer. */
export const knownTexts = (connection: DuckDBConnection, run: number): Promise<ReadonlyMap<number, string>> =>
  facts.get(`texts ${run}`, async () => {
    const { ids, texts } = await getTexts(connection, run)
    return new Map(texts.map((text, i) => [ids[i], text]))
  })

export const knownSubsets = (
  connection: DuckDBConnection,
  run: number
): Promise<{ readonly subsets: readonly string[]; readonly ofRow: Int32Array }> =>
  facts.get(`subsets ${run}`, () => getSubsetsOfRows(connection, run))

export const knownStudy = (connection: DuckDBConnection, runId: string, run: number): Promise<StudyMemory> =>
  studies.get(`study ${run}`, () => readStudyMemory(connection, runId, run))
