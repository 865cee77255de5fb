import { limits } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { plural, whole } from '../ui/format'
import type { Labelling } from './labelling.svelte'

/** Splits the selected tokens off the current cluster as a part. */
export const splitOff = async (labelling: Labelling): Promise<void> => {
  const { explore } = labelling
  const { current, tokens, workbench } = explore
  if (current === null) return
  const members = new Set(await workbench.client.clusters.members({ ...explore.where, cluster: current }))
  const inside = [...tokens].filter((token) => members.has(token))
  if (inside.length === 0)
    return workbench.tell(
      'note',
      `No selected token is in ${explore.nameOf(current)}. Select some of its tokens in the gallery or the graph.`
    )
  if (inside.length === members.size)
    return workbench.tell(
      'note',
      `All tokens of ${explore.nameOf(current)} are selected. Select only the tokens to split off.`
    )
  const before = new Set(labelling.parts.map(({ target }) => target))
  await explore.apply(
    [{ do: 'split', cluster: current, tokens: inside, label: {} }],
    `split ${plural(inside.length, 'token')} off ${explore.numberedName(current)}`
  )
  if (explore.current === current)
    labelling.part = labelling.parts.find(({ target }) => !before.has(target))?.target ?? null
}

/** Selects all tokens of the selected clusters, or of the current one's merge, so that they are read as one group. */
export const readAsOne = async (explore: Explore): Promise<void> => {
  const { workbench, where, labelled, current } = explore
  const merge = current === null || labelled.length > 1 ? undefined : explore.merges.get(current)
  const clusters = merge?.clusters ?? labelled
  const size = clusters.reduce((sum, cluster) => sum + (explore.entries.get(cluster)?.size ?? 0), 0)
  if (size > limits.tokensNamed)
    return workbench.tell(
      'note',
      `These clusters have ${whole(size)} tokens. Select fewer: at most ${whole(limits.tokensNamed)} are read as one.`
    )
  const members = await Promise.all(clusters.map((cluster) => workbench.client.clusters.members({ ...where, cluster })))
  explore.gather(Int32Array.from(new Set(members.flatMap((own) => [...own]))).sort(), merge?.target ?? null)
}
