import type { ClusteringConfiguration } from '../../preload/configuration'

const usualAcl = { alpha: 0.001, rule: 'local' }

/** Default name of a clustering: its settings that may differ from those of other clusterings. */
export const clusteringName = (configuration: ClusteringConfiguration): string => {
  const { method, neighbours, recall, symmetrize, whiten } = configuration
  const own =
    method === 'acl'
      ? [
          ...(configuration.alpha === usualAcl.alpha ? [] : [`alpha ${configuration.alpha}`]),
          ...(configuration.rule === usualAcl.rule ? [] : [configuration.rule])
        ]
      : configuration.resolution === 'auto'
        ? []
        : [`resolution ${configuration.resolution}`]
  return [
    method === 'acl' ? 'ACL' : 'communities',
    `k ${neighbours}`,
    ...(recall === 1 ? [] : [`recall ${recall}`]),
    ...(symmetrize === 'union' ? [] : [symmetrize]),
    ...(whiten ? ['whitened'] : []),
    ...own
  ].join(', ')
}
