import { neighboursKey, type ClusteringConfiguration } from '../../preload/configuration'
import type { RunRecord } from '../../preload/records'
import { chooseColumns } from '../clustering/preprocess'
import { effectiveShareThreshold } from '../sampling/diagnostics'
import type { RunWriter, Workspace } from '../store/store'
import type { Block, Sampled } from './messages'
import type { Compute } from './session'

/** Numbers in a block sent between processes. */
const blockSize = 1 << 20

const blocks = function* (tokens: number, width: number): Generator<Block> {
  const each = Math.max(1, Math.floor(blockSize / Math.max(1, width)))
  for (let first = 0; first < tokens; first += each) yield { first, count: Math.min(each, tokens - first) }
}

/** Transfers the matrix, its standard errors and its parts from the compute process into a transaction. */
export const storeMatrix = async (compute: Compute, writer: RunWriter, sampled: Sampled): Promise<void> => {
  const { tokens, components, initialLoss, parts } = sampled
  await writer.beginSusceptibilities(components, initialLoss)
  for (const block of blocks(tokens, components.length)) {
    const { susceptibilities, standardErrors } = await compute.call('takeSusceptibilities', block)
    await writer.appendSusceptibilities(susceptibilities, standardErrors)
  }
  await writer.beginParts(parts)
  for (let part = 0; part < parts; part++) {
    for (const block of blocks(tokens, components.length)) {
      const { susceptibilities } = await compute.call('takePart', { part, ...block })
      await writer.appendPart(part, susceptibilities)
    }
  }
}

/** Settings that decide which neighbours a clustering has. */
type GraphSettings = Pick<ClusteringConfiguration, 'neighbours' | 'whiten' | 'recall'>

/** Transfers the neighbours from the compute process into a transaction. */
export const storeNeighbours = async (
  compute: Compute,
  writer: RunWriter,
  tokens: number,
  settings: GraphSettings
): Promise<void> => {
  const { neighbours: k } = settings
  await writer.beginNeighbours(k, neighboursKey(settings))
  for (const block of blocks(tokens, k)) {
    const { indices, distances } = await compute.call('takeNeighbours', block)
    await writer.appendNeighbours(indices, distances)
  }
}

/** Sends the matrix from the store to the compute process. An imported run has no columns, and none are sent. */
export const sendColumns = async (
  workspace: Workspace,
  { id, tokens, components }: RunRecord,
  compute: Compute
): Promise<void> => {
  await compute.call('beginMatrix', { tokens, components: components.length })
  if (components.length === 0) return
  for (const { first, count } of blocks(tokens, components.length)) {
    const { susceptibilities } = await workspace.readSusceptibilities(id, first, count)
    await compute.call('putMatrix', { first, values: susceptibilities })
  }
}

/** Sends χ̂ of one half of the draws from the store to the compute process. */
export const sendHalf = async (
  workspace: Workspace,
  { id, tokens, components }: RunRecord,
  compute: Compute,
  parts: readonly number[]
): Promise<void> => {
  await compute.call('beginHalf', null)
  for (const { first, count } of blocks(tokens, components.length))
    await compute.call('putHalf', { first, values: await workspace.readHalf(id, parts, first, count) })
}

/**
 * Sends the stored neighbours for these settings from the store to the compute process. Returns false if there are
 * none.
 */
export const sendNeighbours = async (
  workspace: Workspace,
  { id, tokens }: RunRecord,
  compute: Compute,
  settings: GraphSettings
): Promise<boolean> => {
  const kept = await workspace.getNeighbours(id, settings.neighbours, neighboursKey(settings))
  if (kept === undefined) return false
  await compute.call('beginNeighbours', { tokens, k: kept.k })
  for (const { first, count } of blocks(tokens, kept.k)) {
    const range = [first * kept.k, (first + count) * kept.k] as const
    await compute.call('putNeighbours', {
      first,
      indices: kept.indices.subarray(...range),
      distances: kept.distances.subarray(...range)
    })
  }
  return true
}

/** Columns of a run's matrix to cluster: those with a valid estimate, or all with `allColumns`. */
export const clusteredColumns = async (
  workspace: Workspace,
  { id, components }: RunRecord,
  { allColumns }: Pick<ClusteringConfiguration, 'allColumns'>
): Promise<{ readonly columns: readonly number[]; readonly unsound: readonly string[] }> => {
  const unsound = (await workspace.getDiagnostics(id)).flatMap(({ component, blocks }) =>
    blocks !== null && blocks.effectiveShare < effectiveShareThreshold && components.includes(component)
      ? [component]
      : []
  )
  const all = components.map((_, column) => column)
  return { unsound, columns: allColumns ? all : all.filter((column) => !unsound.includes(components[column])) }
}

/** Blocks of rows of χ̂ in the given columns, from all draws or from those in `parts`. */
export const matrixBlocks = async function* (
  workspace: Workspace,
  { id, tokens, components }: RunRecord,
  columns: readonly number[],
  parts?: readonly number[]
): AsyncGenerator<Float32Array> {
  for (const { first, count } of blocks(tokens, components.length)) {
    const values =
      parts === undefined
        ? (await workspace.readSusceptibilities(id, first, count)).susceptibilities
        : await workspace.readHalf(id, parts, first, count)
    yield chooseColumns(values, components, columns).matrix
  }
}

/** Sends the matrix and its neighbours. Returns whether there were neighbours. */
export const sendMatrix = async (
  workspace: Workspace,
  run: RunRecord,
  compute: Compute,
  configuration: ClusteringConfiguration,
  again = false
): Promise<boolean> => {
  await sendColumns(workspace, run, compute)
  // Stored neighbours do not record which columns they are based on.
  if ((await clusteredColumns(workspace, run, configuration)).unsound.length > 0 && !again) return false
  return sendNeighbours(workspace, run, compute, configuration)
}
