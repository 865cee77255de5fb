import type { Annotation } from '../../preload/contract-annotations'
import type { ReadSet } from './annotated-read'
import type { SetLabel } from './annotated-set'

/** All annotations in a file, with groups renumbered by `numberOf`. */
export const annotationsOf = (
  { head, clusters }: ReadSet,
  numberOf: (cluster: number) => number = (cluster) => cluster
): Annotation[] => {
  const said = ({ blindTest, ...label }: SetLabel): Omit<Annotation, 'target'> => ({ ...label, blindTest })
  return [
    ...clusters.flatMap(({ cluster, label }): Annotation[] =>
      label === null ? [] : [{ target: `cluster:${numberOf(cluster)}`, ...said(label) }]
    ),
    ...head.merges.map(({ merge, clusters: merged, label }): Annotation => ({
      target: `merge:${merge}`,
      ...said(label),
      clusters: merged.map(numberOf)
    })),
    ...head.parts.map(({ part, cluster, tokens, label }): Annotation => ({
      target: `part:${part}`,
      ...said(label),
      cluster: numberOf(cluster),
      tokens
    })),
    ...head.selections.map(({ selection, tokens, label }): Annotation => ({
      target: `selection:${selection}`,
      ...said(label),
      tokens
    }))
  ]
}
