import { groupName } from '../../preload/clustering-words'
import { leftoverCluster } from '../../preload/records'
import type { ClusterSummary } from '../../preload/records'
import { visibleToken } from '../../preload/visible'
import type { Report } from './report-cluster'

export interface Title {
  readonly text: string
  /** Whether a person gave it. */
  readonly given: boolean
}

/** What a reader knows a group by: its given name, else that of its best rule, else its most frequent tokens. */
export const titleOf = ({ said, entries }: Report, { cluster, kind, topTokens }: ClusterSummary): Title => {
  const name = said.get(cluster)?.name ?? ''
  if (name !== '') return { text: name, given: true }
  if (cluster === leftoverCluster || topTokens.length === 0) return { text: groupName(kind, cluster), given: false }
  const tokens = topTokens.slice(0, 3).map(({ text }) => visibleToken(text).slice(0, 16))
  return { text: entries.get(cluster)?.ruleName ?? tokens.join(' '), given: false }
}
