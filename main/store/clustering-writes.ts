import type { DuckDBConnection } from '@duckdb/node-api'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, NewClustering, NewGroup } from '../../preload/records'
import { concatenate } from '../base/concatenate'
import { GroupTree } from '../base/group-tree'
import { append, indicesOrNull, realsOrNull } from './blocks'
import type { Column } from './blocks'
import { select } from './database'
import { jsonOf } from './json'
import { findClustering } from './runs'

/** The next number for a clustering of the run. Numbers of deleted clusterings are not reused. */
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

/** Throws unless clusters and unclustered tokens together have every token of the study exactly once. */
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

/** Throws unless every group has exactly the tokens of the clusters below it, and one strength for each member. */
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

/** Strengths of all members of the groups; NaN where unknown. */
const strengthsOf = (groups: readonly Pick<NewGroup, 'members' | 'strengths'>[]): Float32Array =>
  concatenate(groups.map(({ members, strengths }) => strengths ?? new Float32Array(members.length).fill(Number.NaN)))

const tokensOfStudy = async (connection: DuckDBConnection, run: number): Promise<number> => {
  const [study] = await select(connection, 'SELECT tokens FROM studies WHERE run = $1', [run])
  return Number(study?.tokens ?? 0)
}

/**
 * Stores a clustering. Memberships are stored group by group, so that the members of a group are contiguous. Throws
 * if the groups do not form a tree or do not cover the study.
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
    neighbourRecall,
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
      jsonOf({ stability, neighbourRecall, modularity, sweep })
    ]
  )
  return findClustering(connection, run, id)
}
