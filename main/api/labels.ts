import { randomBytes, randomInt } from 'node:crypto'
import { userInfo } from 'node:os'
import { labelFields } from '../../preload/contract-annotations'
import type {
  Annotation,
  AnnotationBody,
  AnnotationChange,
  AnnotationsChanged,
  AnnotationTarget
} from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { issueWords } from '../../preload/issues'
import { quoted } from '../../preload/labels'
import { briefly } from '../../preload/quoting'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterNumber, ClusterSummary, RunRecord } from '../../preload/records'
import { missingGroup } from '../base/group-tree'
import type { GroupTree } from '../base/group-tree'
import { clusteringOf, groupsOf } from '../exchange/selection'
import { clusterTarget, emptyLabel, isLabel, parseTarget } from '../../preload/label-rules'
import { editsOf } from '../labels/annotations'
import type { AnnotationEdit } from '../labels/annotations'
import { drawBlindTest } from '../labels/blind-test'
import type { Candidate } from '../labels/blind-test'
import { carryLabels, matchTokens } from '../labels/carry'
import type { CarriedLabels, CarryDestination } from '../labels/carry'
import { suggestNames } from '../labels/suggest'
import type { Workspace } from '../store/store'
import type { HandlersOf, WorkbenchContext } from './context'
import { withWorkspace } from './workspaces'

const bodiesOf = (annotations: readonly Annotation[]): Map<AnnotationTarget, AnnotationBody> =>
  new Map(annotations.map(({ target, ...body }) => [target, body]))

const checkClusters = (run: RunRecord, clustering: ClusteringRecord, clusters: readonly ClusterNumber[]): void => {
  const there = new Set(groupsOf(clustering))
  const missing = clusters.find((cluster) => !there.has(cluster))
  if (missing !== undefined) throw missingGroup(run.id, clustering, missing)
}

const mentioned = (tree: GroupTree, cluster: ClusterNumber): string =>
  cluster === leftoverCluster ? 'the unclustered tokens' : `${tree.kindOf(cluster)} ${cluster}`

/** Groups that are read as one must be of one kind, so that none of them is in another. */
const checkMerges = async (
  workspace: Workspace,
  run: string,
  clustering: number,
  changes: readonly AnnotationChange[]
): Promise<void> => {
  const merges = changes.flatMap((change) => (change.do === 'merge' ? [change.clusters] : []))
  if (merges.length === 0) return
  const tree = await workspace.getTree(run, { clustering })
  for (const [first, ...others] of merges) {
    const other = others.find((cluster) => tree.kindOf(cluster) !== tree.kindOf(first))
    if (other === undefined) continue
    const [one, two] = [mentioned(tree, first), mentioned(tree, other)]
    const what = `A merge needs groups of one level, but ${one} and ${two} differ`
    throw new SpectroscopeError('input', `${what}; select clusters only, or groups of one level above.`)
  }
}

const clustersNamed = (change: AnnotationChange): ClusterNumber[] => {
  if (change.do === 'merge') return change.clusters
  if (change.do === 'split') return [change.cluster]
  return change.targets.map(parseTarget).flatMap(({ kind, number }) => (kind === 'cluster' ? [number] : []))
}

/** Tokens of a part must be of its cluster. */
const checkParts = async (
  workspace: Workspace,
  run: string,
  clustering: number,
  changes: readonly AnnotationChange[]
): Promise<void> => {
  for (const change of changes) {
    if (change.do !== 'split') continue
    const members = new Set(await workspace.getClusterMembers(run, change.cluster, { clustering }))
    const foreign = change.tokens.find((token) => !members.has(token))
    if (foreign !== undefined)
      throw new SpectroscopeError(
        'input',
        `Token ${foreign} is not in cluster ${change.cluster}; select tokens of one cluster to split off.`
      )
  }
}

/** Changes of a clustering's annotations as one step of undo. */
const applyChanges = async (
  workspace: Workspace,
  run: string,
  number: number,
  changes: readonly AnnotationChange[],
  words: string,
  author: string,
  id?: string
): Promise<AnnotationsChanged> => {
  const done = id === undefined ? null : await workspace.findChange(run, number, id)
  if (done !== null) return done
  const record = await workspace.getRun(run)
  checkClusters(record, clusteringOf(record, number), changes.flatMap(clustersNamed))
  await checkMerges(workspace, run, number, changes)
  await checkParts(workspace, run, number, changes)
  const wants = (kind: AnnotationChange['do']): boolean => changes.some((change) => change.do === kind)
  const edits = editsOf(changes, bodiesOf(await workspace.getAnnotations(run, number)), {
    author,
    now: new Date().toISOString(),
    nextMerge: wants('merge') ? await workspace.nextTargetNumber(run, number, 'merge') : 1,
    nextPart: wants('split') ? await workspace.nextTargetNumber(run, number, 'part') : 1
  })
  return applyEdits(workspace, run, number, edits, words, author, id)
}

/** Edits as one step of undo; none at all leave undo as it is. */
export const applyEdits = async (
  workspace: Workspace,
  run: string,
  clustering: number,
  edits: readonly AnnotationEdit[],
  words: string,
  author: string,
  id?: string
): Promise<AnnotationsChanged> => {
  if (edits.length === 0) return { run, clustering, changed: [], undo: await workspace.getUndoState() }
  return workspace.applyAnnotations({ run, clustering, words, author, edits, ...(id === undefined ? {} : { id }) })
}

export interface ClusteringPlace {
  readonly run: string
  readonly clustering: number
}

/** What a clustering's labels can be carried to: its clusters, labels and free numbers. */
export const destinationOf = async (
  workspace: Workspace,
  { run, clustering }: ClusteringPlace
): Promise<CarryDestination> => ({
  membership: await workspace.getMembership(run, { clustering }),
  tree: await workspace.getTree(run, { clustering }),
  annotations: await workspace.getAnnotations(run, clustering),
  nextMerge: await workspace.nextTargetNumber(run, clustering, 'merge'),
  nextPart: await workspace.nextTargetNumber(run, clustering, 'part')
})

/** The right token of every left one; null where both runs have the same study. */
const matchedTokens = async (workspace: Workspace, left: string, right: string): Promise<Int32Array | null> => {
  if (left === right) return null
  const [leftStudy, rightStudy] = [await workspace.getStudy(left), await workspace.getStudy(right)]
  if (
    leftStudy.hash === rightStudy.hash &&
    leftStudy.targets.length === rightStudy.targets.length &&
    leftStudy.targets.every(({ length }, row) => length === rightStudy.targets[row].length)
  )
    return null
  return matchTokens(
    { rows: leftStudy.probe, targets: leftStudy.targets },
    { rows: rightStudy.probe, targets: rightStudy.targets }
  )
}

const carry = async (
  workspace: Workspace,
  from: ClusteringPlace,
  to: ClusteringPlace,
  least: number,
  wanted: (annotation: Annotation) => boolean
): Promise<CarriedLabels> => {
  if (from.run === to.run && from.clustering === to.clustering)
    throw new SpectroscopeError(
      'input',
      'Labels cannot be transferred from a clustering to itself; choose two clusterings.'
    )
  const annotations = (await workspace.getAnnotations(from.run, from.clustering)).filter(wanted)
  const membership = await workspace.getMembership(from.run, { clustering: from.clustering })
  const tree = await workspace.getTree(from.run, { clustering: from.clustering })
  return carryLabels(
    { membership, tree, annotations },
    await destinationOf(workspace, to),
    await matchedTokens(workspace, from.run, to.run),
    least
  )
}

/** Overlap (Jaccard index) from which a label goes over by itself, as *Compare* proposes it. */
const leastOverlap = 0.5

/**
 * Gives a run that continues another one all that is said of that one's clusters, by overlap, as *Compare* carries
 * labels: of its latest clustering of which anything is said, to the run's latest. Null where there is none, or where
 * the run has labels of its own.
 */
export const bringLabels = async (
  workspace: Workspace,
  { id, clusterings, provenance: { continued } }: RunRecord,
  author: string
): Promise<AnnotationsChanged | null> => {
  const target = clusterings.at(-1)
  const begun =
    continued === undefined ? undefined : (await workspace.listRuns()).find((run) => run.id === continued.run)
  if (target === undefined || begun === undefined || (await workspace.getAnnotations(id, target.number)).length > 0)
    return null
  for (const { number } of begun.clusterings.toReversed()) {
    if ((await workspace.getAnnotations(begun.id, number)).length === 0) continue
    const [from, to] = [
      { run: begun.id, clustering: number },
      { run: id, clustering: target.number }
    ]
    const { proposals, edits } = await carry(workspace, from, to, leastOverlap, () => true)
    return proposals.length === 0
      ? null
      : applyEdits(
          workspace,
          id,
          target.number,
          edits,
          `transfer ${proposals.length} labels from “${begun.name}”, which this run continues`,
          author
        )
  }
  return null
}

/** Tokens that a blind test chooses among, of each kind. */
const ownCandidates = 120
const sameTokenCandidates = 60
const otherCandidates = 240

const drawn = <T>(items: readonly T[], count: number): T[] => {
  const pool = [...items]
  for (let at = 0; at < Math.min(count, pool.length); at++) {
    const other = randomInt(at, pool.length)
    const kept = pool[at]
    pool[at] = pool[other]
    pool[other] = kept
  }
  return pool.slice(0, count)
}

/** Share of all tokens that must be outside a group above for a blind test to look for the odd one only there. */
const enoughElsewhere = 0.05

/**
 * Clusters that the odd one of a blind test must not be from: those of the coarsest group above that leaves enough
 * tokens outside.
 */
const insideOf = (
  tree: GroupTree,
  membership: Int32Array,
  group: ClusterNumber
): ((cluster: ClusterNumber) => boolean) => {
  for (const above of tree.pathOf(group).toReversed()) {
    const inside = new Set(above === leftoverCluster ? [above] : tree.clustersOf(above))
    const outside = membership.reduce((sum, cluster) => sum + Number(!inside.has(cluster)), 0)
    if (above === group || outside >= enoughElsewhere * membership.length) return (cluster) => inside.has(cluster)
  }
  return (cluster) => cluster === group
}

/** Some tokens that do not fit `inside`, in no order, without looking at all of them where there are many. */
const drawnElsewhere = (
  membership: Int32Array,
  inside: (cluster: ClusterNumber) => boolean,
  count: number
): number[] => {
  const found = new Set<number>()
  for (let attempt = 0; attempt < 40 * count && found.size < count; attempt++) {
    const token = randomInt(membership.length)
    if (!inside(membership[token])) found.add(token)
  }
  if (found.size < count)
    for (let token = 0; token < membership.length && found.size < count; token++)
      if (!inside(membership[token])) found.add(token)
  return [...found]
}

/** Occurrences of the same tokens in other clusters, so that the token itself does not give the odd one away. */
const sameElsewhere = async (
  workspace: Workspace,
  run: string,
  membership: Int32Array,
  inside: (cluster: ClusterNumber) => boolean,
  texts: readonly string[]
): Promise<number[]> => {
  const found: number[] = []
  for (const text of texts) {
    if (text === '') continue
    const tokens = await workspace.findTokens(run, text, 5000)
    found.push(
      ...drawn(
        Array.from(tokens).filter((token) => !inside(membership[token])),
        sameTokenCandidates
      )
    )
  }
  return found
}

interface OpenTest extends ClusteringPlace {
  readonly cluster: ClusterNumber
  readonly odd: number
}

/** Tests that were shown and not answered; older ones are forgotten. */
const mostOpenTests = 100

const shownAround = 24

export const labelCalls = (context: WorkbenchContext): HandlersOf<'labels'> => {
  const tests = new Map<string, OpenTest>()

  const told = (changed: AnnotationsChanged): AnnotationsChanged => {
    context.emit('annotations', changed)
    return changed
  }

  /** A window that has not heard of the latest step must not undo it unseen. */
  const checkStep = async (kind: 'undo' | 'redo', expected: number | undefined): Promise<void> => {
    const state = await context.workspace().getUndoState()
    if (expected === undefined || state[kind]?.number === expected) return
    context.emit('undo', state)
    const next = state[kind]
    const now = next === null ? `there is nothing to ${kind}` : `the next step to ${kind} is “${next.words}”`
    const done = kind === 'undo' ? 'undone' : 'redone'
    throw new SpectroscopeError('input', `Labels changed in another window, so nothing was ${done}; ${now}.`)
  }

  const turn = async (kind: 'undo' | 'redo', expected: number | undefined) => {
    await checkStep(kind, expected)
    const { changed, run, undo } = await context.workspace()[kind]()
    if (changed !== null) told(changed)
    if (run !== null) context.emit('runs-changed', null)
    if (changed === null) context.emit('undo', undo)
    return { ...undo, changed }
  }

  return {
    apply: async ({ run, clustering, changes, words, id }) =>
      told(await applyChanges(context.workspace(), run, clustering, changes, words, context.author(), id)),
    undo: ({ step }) => turn('undo', step),
    redo: ({ step }) => turn('redo', step),
    history: ({ limit }) => context.workspace().getHistory(limit),

    suggest: async ({ run, clustering, cluster }) => {
      const {
        entry: { size },
        topTokens,
        patterns,
        subsets,
        rules
      } = await context.workspace().getClusterDetails(run, clustering, cluster)
      return { names: suggestNames({ size, topTokens, patterns, subsets, rules }) }
    },

    blindTest: async ({ run, clustering, cluster }) => {
      const workspace = context.workspace()
      const membership = await workspace.getMembership(run, { clustering })
      const members = await workspace.getClusterMembers(run, cluster, { clustering })
      const inside = insideOf(await workspace.getTree(run, { clustering }), membership, cluster)
      const around = { before: shownAround, after: shownAround }
      const own: Candidate[] = await workspace.getTokens(run, drawn(Array.from(members), ownCandidates), {
        before: 0,
        after: 0
      })
      const counts = new Map<string, number>()
      for (const { text } of own) counts.set(text, (counts.get(text) ?? 0) + 1)
      const frequent = [...counts]
        .sort((a, b) => b[1] - a[1])
        .slice(0, 6)
        .map(([text]) => text)
      const others = [
        ...(await sameElsewhere(workspace, run, membership, inside, frequent)),
        ...drawnElsewhere(membership, inside, otherCandidates)
      ]
      const elsewhere: Candidate[] = await workspace.getTokens(run, [...new Set(others)], { before: 0, after: 0 })
      const { tokens, odd } = drawBlindTest(own, elsewhere, randomInt(2 ** 47))
      const test = randomBytes(12).toString('hex')
      tests.set(test, { run, clustering, cluster, odd })
      if (tests.size > mostOpenTests) tests.delete(tests.keys().next().value ?? test)
      return { test, contexts: await workspace.getTokens(run, tokens, around) }
    },

    answerBlindTest: async ({ test, choice }) => {
      const open = tests.get(test)
      if (open === undefined)
        throw new SpectroscopeError('input', 'This blind test was already answered or has expired; start another one.')
      tests.delete(test)
      const { run, clustering, cluster, odd } = open
      const workspace = context.workspace()
      const target = clusterTarget(cluster)
      const [author, right] = [context.author(), choice === odd]
      const body = bodiesOf(await workspace.getAnnotations(run, clustering)).get(target)
      const before = body?.blindTest ?? { right: 0, of: 0 }
      const score = { right: before.right + Number(right), of: before.of + 1 }
      const after: AnnotationBody = {
        ...(body ?? { ...emptyLabel, author, changedAt: new Date().toISOString() }),
        blindTest: score
      }
      told(
        await applyEdits(workspace, run, clustering, [{ target, after }], `blind test of cluster ${cluster}`, author)
      )
      return { odd, right, score }
    },

    carry: async ({ from, to, least, apply }) => {
      const workspace = context.workspace()
      const { proposals, edits } = await carry(workspace, from, to, least, isLabel)
      if (apply) {
        if (proposals.length === 0)
          throw new SpectroscopeError(
            'input',
            `No label of clustering ${from.clustering} of run ${from.run} can be transferred; choose a clustering ` +
              'with labels or a lower minimum overlap.'
          )
        const { name } = await workspace.getRun(from.run)
        const words = `transfer ${proposals.length} labels from “${name}”, clustering ${from.clustering}`
        told(await applyEdits(workspace, to.run, to.clustering, edits, words, context.author()))
      }
      return { proposals, applied: apply }
    },

    backUp: async () => ({ file: await context.workspace().backUpLabels() })
  }
}

/** What `labels` answers: everything that people say of a clustering. */
export interface RunLabels {
  readonly run: string
  readonly name: string
  readonly clustering: number
  readonly clusters: number
  readonly annotations: readonly Annotation[]
  /** By the number of every cluster, every group above and what is left over. */
  readonly sizes: Readonly<Record<number, number>>
  readonly kinds: Readonly<Record<number, ClusterSummary['kind']>>
}

export interface LabelsQuery {
  readonly clustering?: number
  /** Names to give first, by cluster. */
  readonly set?: readonly { readonly cluster: ClusterNumber; readonly name: string }[]
}

/** Name of the user of this machine, which signs what the terminal changes. */
export const accountName = (): string => {
  try {
    return userInfo().username
  } catch {
    return ''
  }
}

const checkedName = (cluster: ClusterNumber, name: string): string => {
  const parsed = labelFields.name.safeParse(name, { reportInput: true })
  if (parsed.success) return parsed.data
  const what = issueWords(parsed.error.issues[0])
  throw new SpectroscopeError('usage', `The name of cluster ${cluster}, "${briefly(name)}": ${what}; shorten it.`)
}

/** The labels of a run's clustering, the latest by default, after some were set. */
export const labelsOf = (
  folder: string,
  text: string,
  { clustering: number, set = [] }: LabelsQuery
): Promise<RunLabels> =>
  withWorkspace(folder, set.length === 0 ? 'read' : 'write', async (workspace) => {
    const run = await workspace.findRun(text)
    const clustering = clusteringOf(run, number)
    if (set.length > 0) {
      const changes = set.map(({ cluster, name }): AnnotationChange => ({
        do: 'set',
        targets: [clusterTarget(cluster)],
        label: { name: checkedName(cluster, name) }
      }))
      const words =
        set.length === 1 ? `cluster ${set[0].cluster} ${quoted(briefly(set[0].name))}` : `${set.length} clusters`
      await applyChanges(workspace, run.id, clustering.number, changes, `label ${words}`, accountName())
    }
    const summaries = await workspace.getClusterSummaries(run.id, { clustering: clustering.number, topTokens: 0 })
    return {
      run: run.id,
      name: run.name,
      clustering: clustering.number,
      clusters: clustering.clusters,
      annotations: await workspace.getAnnotations(run.id, clustering.number),
      sizes: Object.fromEntries(summaries.map(({ cluster, size }) => [cluster, size])),
      kinds: Object.fromEntries(summaries.map(({ cluster, kind }) => [cluster, kind]))
    }
  })
