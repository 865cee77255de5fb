import { setImmediate } from 'node:timers/promises'
import { foundFrom } from '../../preload/contract-sweeps'
import type {
  DependentLabel,
  EffectiveShares,
  FoundCluster,
  MemberAgreement,
  MemberResult,
  SweepEntry,
  SweepReport,
  SweptCluster
} from '../../preload/contract-sweeps'
import { SpectroscopeError } from '../../preload/errors'
import { saidOf } from '../../preload/labels'
import { leftoverCluster } from '../../preload/records'
import type { ClusterSummary, DiagnosticsRecord, RunRecord, StudyRecord } from '../../preload/records'
import type { Separations } from '../store/separations'
import type { Workspace } from '../store/store'
import { adjustedRand, matchesOf, overlapOf, sharedTokens } from './compare'
import { matchRows } from './study-matching'

/** A member that is done, with what is compared of it. */
interface Done {
  readonly place: number
  readonly run: RunRecord
  readonly clustering: number
  /** Cluster of every token. */
  readonly membership: Int32Array
  readonly summaries: readonly ClusterSummary[]
  readonly separations: Separations | null
  readonly diagnostics: readonly DiagnosticsRecord[]
}

const median = (values: readonly number[]): number | null => {
  const known = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b)
  if (known.length === 0) return null
  const middle = known.length / 2
  return known.length % 2 === 1 ? known[Math.floor(middle)] : (known[middle - 1] + known[middle]) / 2
}

/** Mean weighted by size; null without weights. */
const weighted = (values: Iterable<readonly [value: number, size: number]>): number | null => {
  let [sum, sizes] = [0, 0]
  for (const [value, size] of values) [sum, sizes] = [sum + value * size, sizes + size]
  return sizes === 0 ? null : sum / sizes
}

const sharesOf = (diagnostics: readonly DiagnosticsRecord[]): EffectiveShares | null => {
  const shares = diagnostics.flatMap(({ blocks }) => (blocks === null ? [] : [blocks.effectiveShare]))
  const middle = median(shares)
  return middle === null ? null : { least: Math.min(...shares), median: middle }
}

const clustersOf = ({ summaries }: Done): ClusterSummary[] => summaries.filter(({ kind }) => kind === 'cluster')

const resultOf = (member: SweepEntry['members'][number], done: Done | undefined): MemberResult => {
  if (done === undefined)
    return {
      ...member,
      tokens: 0,
      clusters: null,
      conductance: null,
      shareClustered: null,
      stableShare: null,
      separation: null,
      reliability: null,
      effectiveShares: null
    }
  const { run, clustering, separations, diagnostics } = done
  const record = run.clusterings.find(({ number }) => number === clustering)!
  const cut = clustersOf(done).flatMap(({ conductance, size }) =>
    conductance === null ? [] : [[conductance, size] as const]
  )
  const separate =
    separations === null ? [] : [...separations.values].map((value, at) => [value, separations.sizes[at]] as const)
  return {
    ...member,
    tokens: run.tokens,
    clusters: record.clusters,
    conductance: weighted(cut),
    shareClustered: run.tokens === 0 ? null : 1 - record.leftoverSize / run.tokens,
    stableShare: record.stability?.levels.find(({ kind }) => kind === 'cluster')?.stableShare ?? null,
    separation: weighted(separate),
    reliability: median(diagnostics.map(({ centredReliability }) => centredReliability)),
    effectiveShares: sharesOf(diagnostics)
  }
}

const topTokensOfCluster = 4

/** Reads the members that are done; each study and diagnostics once, however many members its run has. */
const readDone = async (
  workspace: Workspace,
  { members }: SweepEntry
): Promise<{ readonly done: readonly Done[]; readonly studies: ReadonlyMap<string, StudyRecord> }> => {
  const runs = new Map((await workspace.listRuns()).map((run) => [run.id, run]))
  const studies = new Map<string, StudyRecord>()
  const diagnostics = new Map<string, readonly DiagnosticsRecord[]>()
  const done: Done[] = []
  for (const [place, { run: id, clustering }] of members.entries()) {
    const run = id === null ? undefined : runs.get(id)
    if (run === undefined || clustering === null) continue
    if (!studies.has(run.id)) studies.set(run.id, await workspace.getStudy(run.id))
    if (!diagnostics.has(run.id)) diagnostics.set(run.id, await workspace.getDiagnostics(run.id))
    done.push({
      place,
      run,
      clustering,
      membership: await workspace.getMembership(run.id, { clustering }),
      summaries: await workspace.getClusterSummaries(run.id, { clustering, topTokens: topTokensOfCluster }),
      separations: await workspace.getSeparations(run.id, clustering),
      diagnostics: diagnostics.get(run.id)!
    })
  }
  return { done, studies }
}

/** Clusters of the tokens that two members share, in the same order. */
type Sides = (left: Done, right: Done) => readonly [Int32Array, Int32Array]

const sidesIn = (studies: ReadonlyMap<string, StudyRecord>): Sides => {
  const shared = new Map<string, ReturnType<typeof sharedTokens> | null>()
  const sharedBy = (left: string, right: string): ReturnType<typeof sharedTokens> | null => {
    const key = `${left} ${right}`
    const known = shared.get(key)
    if (known !== undefined) return known
    const [a, b] = [studies.get(left)!, studies.get(right)!]
    const found = a === b || a.hash === b.hash ? null : sharedTokens(matchRows(a, b))
    shared.set(key, found)
    return found
  }
  return (left, right) => {
    const tokens = sharedBy(left.run.id, right.run.id)
    if (tokens === null) return [left.membership, right.membership]
    return [tokens.left.map((token) => left.membership[token]), tokens.right.map((token) => right.membership[token])]
  }
}

const agreementsOf = async (done: readonly Done[], sides: Sides): Promise<MemberAgreement[]> => {
  const agreements: MemberAgreement[] = []
  for (const [at, left] of done.entries()) {
    for (const right of done.slice(at + 1)) {
      const [a, b] = sides(left, right)
      if (a.length > 0)
        agreements.push({
          left: left.place,
          right: right.place,
          tokens: a.length,
          adjustedRand: adjustedRand(overlapOf(a, b))
        })
      await setImmediate()
    }
  }
  return agreements
}

/**
 * The earliest place from which on a cluster is found in every member that is done, up to the base. `done` are their
 * places, in order.
 */
export const appearsAt = (best: readonly (FoundCluster | null)[], base: number, done: readonly number[]): number => {
  const before = done.filter((place) => place < base).toReversed()
  const lost = before.findIndex((place) => (best[place]?.jaccard ?? 0) < foundFrom)
  return (lost < 0 ? before.at(-1) : before[lost - 1]) ?? base
}

const sweptClusters = async (
  workspace: Workspace,
  base: Done,
  others: readonly Done[],
  { members, sides }: { readonly members: number; readonly sides: Sides }
): Promise<{ readonly clusters: SweptCluster[]; readonly labelled: ReadonlySet<number> }> => {
  const best = new Map<number, (FoundCluster | null)[]>()
  for (const { cluster } of clustersOf(base))
    best.set(
      cluster,
      Array.from({ length: members }, () => null)
    )
  for (const other of others) {
    const there = new Map(other.summaries.map((summary) => [summary.cluster, summary]))
    for (const { left, right, jaccard, rightSize } of matchesOf(overlapOf(...sides(base, other)))) {
      const row = best.get(left)
      if (row === undefined) continue
      const { size = rightSize, conductance = null } = there.get(right) ?? {}
      row[other.place] = { cluster: right, jaccard, size, conductance }
    }
    await setImmediate()
  }
  const places = [base, ...others].map(({ place }) => place).sort((a, b) => a - b)
  const said = saidOf(await workspace.getAnnotations(base.run.id, base.clustering))
  const { separations } = base
  const clusters = clustersOf(base).map(({ cluster, size, conductance, stability, topTokens }): SweptCluster => {
    const found = best.get(cluster)!
    const at = separations?.clusters.indexOf(cluster) ?? -1
    return {
      cluster,
      size,
      name: said.get(cluster)?.name ?? '',
      topTokens: topTokens.map(({ text }) => text),
      conductance,
      stability,
      separation: at < 0 ? null : separations!.values[at],
      best: found,
      foundIn: found.filter((each) => each !== null && each.jaccard >= foundFrom).length,
      appears: appearsAt(found, base.place, places)
    }
  })
  const labelled = new Set(clusters.filter(({ name }) => name !== '').map(({ cluster }) => cluster))
  return { clusters, labelled }
}

const dependentLabels = (clusters: readonly SweptCluster[], others: readonly Done[]): DependentLabel[] =>
  clusters.flatMap(({ cluster, name, best }) => {
    if (name === '' || cluster === leftoverCluster) return []
    const lostIn = others.flatMap(({ place }) => ((best[place]?.jaccard ?? 0) >= foundFrom ? [] : [place]))
    return lostIn.length === 0 ? [] : [{ cluster, name, lostIn }]
  })

/** From this effective share on, a posterior hardly differs from its prior. */
const nearlyPrior = 0.95

const shareWords = ({ least, median: middle }: EffectiveShares): string =>
  `${middle.toFixed(3)} (lowest ${least.toFixed(3)})`

/** Says whether nβ could make a difference at all, by the effective shares at nβ above 0. */
export const verdictOn = (members: readonly MemberResult[]): string | null => {
  const nBetas = new Set(members.flatMap(({ values: { nBeta } }) => (nBeta === undefined ? [] : [nBeta])))
  if (nBetas.size < 2) return null
  const warm = members.filter(({ values: { nBeta }, clustering }) => clustering !== null && nBeta !== 0)
  const known = warm.flatMap(({ effectiveShares }) => (effectiveShares === null ? [] : [effectiveShares]))
  if (warm.length === 0) return 'No member with nβ above 0 is done, so nothing can be compared yet.'
  if (known.length === 0)
    return 'Chains report no effective share, so it is not known how far the posterior is from the prior.'
  const least = known.reduce((lowest, each) => (each.median < lowest.median ? each : lowest))
  const share = `The effective share of the draws is ${shareWords(least)}`
  return least.median >= nearlyPrior
    ? `${share}: the posterior is nearly the prior, so nβ can hardly make a difference here.`
    : `${share}: the posterior differs from the prior, so differences between the members can be due to nβ.`
}

/**
 * Compares the members of a sweep that are done. The clusters are those of the member `base`. Throws a `usage` error if
 * there is no such member.
 */
export const reportOf = async (workspace: Workspace, sweep: SweepEntry, base = sweep.base): Promise<SweepReport> => {
  if (sweep.members[base] === undefined)
    throw new SpectroscopeError('usage', `The sweep has ${sweep.members.length} members, but no member ${base + 1}.`)
  const { done, studies } = await readDone(workspace, sweep)
  const members = sweep.members.map((member, at) =>
    resultOf(
      member,
      done.find(({ place }) => place === at)
    )
  )
  const sides = sidesIn(studies)
  const own = done.find(({ place }) => place === base)
  const others = done.filter(({ place }) => place !== base)
  const swept =
    own === undefined ? undefined : await sweptClusters(workspace, own, others, { members: members.length, sides })
  return {
    sweep,
    base,
    members,
    agreements: await agreementsOf(done, sides),
    clusters: swept?.clusters ?? [],
    dependent: dependentLabels(swept?.clusters ?? [], others),
    labelled: swept?.labelled.size ?? 0,
    verdict: verdictOn(members)
  }
}
