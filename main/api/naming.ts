import type { ClusterDetails } from '../../preload/contract-explore'
import type { NamingPreview, SuggestedName } from '../../preload/contract-naming'
import { ruleWords } from '../../preload/clustering-words'
import { SpectroscopeError } from '../../preload/errors'
import { labelledGroups, saidOf } from '../../preload/labels'
import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber } from '../../preload/records'
import { completionsUrl, modelAt } from '../naming/client'
import type { Message, ModelAccess } from '../naming/client'
import { KeptNames } from '../naming/kept-names'
import { nameClusters } from '../naming/name-clusters'
import type { NamingOrder, NamingSource, NamingSummary } from '../naming/name-clusters'
import { namingMessages, testMessages } from '../naming/prompt'
import type { ClusterEvidence } from '../naming/prompt'
import type { Workspace } from '../store/store'
import { drawTest } from './blind-test'
import type { ClusteringPlace } from './label-transfer'

const ownContexts = 6
const nearContexts = 3
const nearestShown = 3
const topTokensShown = 12
const around = 24
/** The contexts that a name is drawn from, and its tests, are the same each time. */
const contextSeed = 1
const seedOfTest = (cluster: ClusterNumber, trial: number): number => 1024 * cluster + trial
const leastTested = 5

/** Names that models suggested for a clustering. */
export const keptNames = (workspace: Workspace, { run, clustering }: ClusteringPlace): KeptNames =>
  new KeptNames(workspace.namesFolder(run), clustering)

/** Names of labels and of suggestions that are not dismissed, by cluster; a label's counts where there are both. */
const namesOf = async (workspace: Workspace, place: ClusteringPlace): Promise<ReadonlyMap<ClusterNumber, string>> => {
  const names = new Map<ClusterNumber, string>()
  for (const { cluster, name, dismissed } of await keptNames(workspace, place).read())
    if (!dismissed) names.set(cluster, name)
  const said = saidOf(await workspace.getAnnotations(place.run, place.clustering))
  for (const [cluster, { name }] of said) if (name !== '') names.set(cluster, name)
  return names
}

const evidenceOf = async (
  workspace: Workspace,
  { run, clustering }: ClusteringPlace,
  { entry, topTokens, rules }: ClusterDetails,
  count: number
): Promise<ClusterEvidence> => {
  const { cluster, size } = entry
  const page = { seed: contextSeed, offset: 0, limit: count, before: around, after: around }
  const central = await workspace.getGallery(run, clustering, cluster, { ...page, stratum: 'central' })
  const random = await workspace.getGallery(run, clustering, cluster, { ...page, stratum: 'random' })
  const shown = new Map([...central.tokens, ...random.tokens].map((token) => [token.token, token]))
  const [rule] = rules
  return {
    cluster,
    size,
    topTokens: topTokens.slice(0, topTokensShown),
    rule: rule === undefined ? '' : ruleWords(rule.conditions),
    contexts: [...shown.values()]
  }
}

/** What a model is told of the clusters of a clustering, and by what its names are tested. */
export const namingSource = (workspace: Workspace, place: ClusteringPlace): NamingSource => {
  const { run, clustering } = place
  const details = (cluster: ClusterNumber): Promise<ClusterDetails> =>
    workspace.getClusterDetails(run, clustering, cluster)
  return {
    evidence: async (cluster) => {
      const own = await details(cluster)
      const names = await namesOf(workspace, place)
      const near = own.nearest.filter((other) => other.cluster !== leftoverCluster).slice(0, nearestShown)
      const nearest = []
      for (const { cluster: other } of near) {
        const evidence = await evidenceOf(workspace, place, await details(other), nearContexts)
        nearest.push({ ...evidence, name: names.get(other) ?? '' })
      }
      return { ...(await evidenceOf(workspace, place, own, ownContexts)), nearest }
    },
    test: async (cluster, trial) => {
      const { entry } = await details(cluster)
      const { tokens } = await workspace.getRun(run)
      if (entry.size < leastTested || entry.size === tokens) return null
      return drawTest(workspace, place, cluster, seedOfTest(cluster, trial))
    },
    taken: async (cluster) => {
      const names = await namesOf(workspace, place)
      return [...names].filter(([other]) => other !== cluster).map(([, name]) => name)
    }
  }
}

/** Clusters that have neither a label nor a suggestion, dismissed ones included, by number. */
export const unnamedClusters = async (workspace: Workspace, place: ClusteringPlace): Promise<ClusterNumber[]> => {
  const { run, clustering } = place
  const { nodes } = await workspace.getTree(run, { clustering })
  const labelled = labelledGroups(await workspace.getAnnotations(run, clustering))
  const named = new Set((await keptNames(workspace, place).read()).map(({ cluster }) => cluster))
  const clusters = nodes.flatMap(({ kind }, number) => (kind === 'cluster' ? [number] : []))
  return clusters.filter((cluster) => !labelled.has(cluster) && !named.has(cluster))
}

const textOf = (messages: readonly Message[]): string => messages.map(({ content }) => content).join('\n\n')

/** The exact text that would be sent for a cluster. */
export const previewNaming = async (
  workspace: Workspace,
  place: ClusteringPlace,
  cluster: ClusterNumber,
  { address, model, key }: ModelAccess
): Promise<NamingPreview> => {
  const source = namingSource(workspace, place)
  const test = await source.test(cluster, 0)
  return {
    url: completionsUrl(address),
    model,
    hasKey: key !== '',
    naming: textOf(namingMessages(await source.evidence(cluster))),
    test: test === null ? null : textOf(testMessages('(the name)', test.contexts)),
    unnamed: (await unnamedClusters(workspace, place)).length
  }
}

export interface NamingRequest extends Omit<NamingOrder, 'model' | 'onName'> {
  readonly access: ModelAccess
  /** Called with all names of the clustering whenever one was added. */
  readonly onNames: (names: readonly SuggestedName[]) => void
}

const refuseReadOnly = ({ readOnly, folder }: Workspace): void => {
  if (!readOnly) return
  const remedy = 'trust the folder, or open a copy in a writable place'
  throw new SpectroscopeError('workspace', `${folder}: names cannot be kept here; ${remedy}.`)
}

/** Dismisses the name suggested for a cluster; gives all names. Refuses where nothing can be written. */
export const dismissName = (
  workspace: Workspace,
  place: ClusteringPlace,
  cluster: ClusterNumber
): Promise<readonly SuggestedName[]> => {
  refuseReadOnly(workspace)
  return keptNames(workspace, place).dismiss(cluster)
}

/** Asks a model for names of clusters, and keeps each as it comes. Refuses where nothing can be written. */
export const suggestNamesByModel = async (
  workspace: Workspace,
  place: ClusteringPlace,
  { access, onNames, ...order }: NamingRequest
): Promise<NamingSummary> => {
  refuseReadOnly(workspace)
  const kept = keptNames(workspace, place)
  return nameClusters(modelAt(access), namingSource(workspace, place), {
    ...order,
    model: access.model,
    onName: async (name) => onNames(await kept.keep(name))
  })
}
