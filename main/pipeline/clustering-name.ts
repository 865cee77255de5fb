import type { ClusteringConfiguration } from '../../preload/configuration'

const usualAcl = { alpha: 0.001, rule: 'local' }

/** What tells a clustering from others of its run, where nobody gave it a name. */
export const clusteringName = (configuration: ClusteringConfiguration): string => {
  const { method, neighbours, symmetrize, whiten } = configuration
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
    ...(symmetrize === 'union' ? [] : [symmetrize]),
    ...(whiten ? ['whitened'] : []),
    ...own
  ].join(', ')
}
