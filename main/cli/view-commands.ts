import { Option } from 'commander'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import { groupKinds } from '../../preload/records'
import type { GroupKind } from '../../preload/records'
import { listClusters, showCluster } from '../api/clusters'
import { diagnoseRun, listRuns, showRun } from '../api/runs'
import { isSweep, showSweep } from '../api/sweeps'
import { definedOf, wholeIn } from './arguments'
import { clustersText, clusterText } from './cluster-views'
import { clusteringOption, topOption } from './command-maker'
import type { CommandMaker, Common } from './command-maker'
import { healthText } from './health-views'
import { detailsText, runsText } from './run-views'
import { sweepText } from './sweep-views'
import { page } from './terminal'

interface ShowOptions extends Common {
  readonly cluster?: string
  readonly clustering?: number
  readonly order: 'token' | 'central'
  readonly limit: number
  readonly offset: number
  readonly top: number
}

interface ListOptions extends Common {
  readonly clustering?: number
  readonly level?: GroupKind
  readonly top: number
}

/** Adds the commands that show results: runs, show, clusters and diagnose. */
export const addViewCommands = ({ command, answer }: CommandMaker): void => {
  command('runs', 'List the runs of a workspace.', 'runs --workspace work').action((options: Common) =>
    answer(options, async () => {
      const runs = await listRuns(options.workspace)
      return { json: { runs }, text: runsText(runs, page()) }
    })
  )

  command(
    'show <run> [cluster]',
    'Show a run and its clusters, or the tokens of one; or a sweep. RUN is an id, the beginning of one, a name, or ' +
      '"latest".',
    'show latest',
    'show first 3 --limit 50',
    'show first rest --clustering 2'
  )
    .option('-c, --cluster <number>', 'show the tokens of this cluster or group; "rest" for unclustered tokens')
    .addOption(clusteringOption())
    .addOption(
      new Option('--order <order>', "order of tokens: nearest to the cluster's mean first, or as in the corpus")
        .choices(['central', 'token'])
        .default('central')
    )
    .option('--limit <count>', 'tokens to show, at most 100,000', wholeIn(1, 100_000), 30)
    .option('--offset <count>', 'tokens to skip', wholeIn(0, limits.tokens), 0)
    .addOption(topOption())
    .action((run: string, named: string | undefined, given: ShowOptions) => {
      const { cluster = named, order, limit, offset, top, clustering, ...options } = given
      return answer(options, async () => {
        const which = clustering === undefined ? {} : { clustering }
        if (cluster === undefined) {
          const details = await showRun(options.workspace, run, { ...which, topTokens: top }).catch(
            async (error: unknown) => {
              // The workspace is opened again only where there is no such run.
              const isMissing = error instanceof SpectroscopeError && error.kind === 'input'
              if (isMissing && (await isSweep(options.workspace, run))) return null
              throw error
            }
          )
          if (details !== null) return { json: details, text: detailsText(details, page()) }
          const report = await showSweep(options.workspace, run)
          return { json: report, text: sweepText(report, page()) }
        }
        const tokens = await showCluster(options.workspace, run, cluster, {
          ...which,
          order,
          limit,
          offset,
          topTokens: top
        })
        return { json: tokens, text: clusterText(tokens, page()) }
      })
    })

  command(
    'clusters <run>',
    "List a run's clusters as a tree, with their stability and best rules.",
    'clusters latest',
    'clusters first --level region'
  )
    .addOption(clusteringOption())
    .addOption(new Option('--level <level>', 'list the groups of one level only, by size').choices(groupKinds))
    .addOption(topOption())
    .action((run: string, { clustering, level, top, ...options }: ListOptions) =>
      answer(options, async () => {
        const list = await listClusters(options.workspace, run, { topTokens: top, ...definedOf({ clustering, level }) })
        return { json: list, text: clustersText(list, page()) }
      })
    )

  command(
    'diagnose <run>',
    'Report how well each component was sampled, and what would help.',
    'diagnose latest'
  ).action((run: string, options: Common) =>
    answer(options, async () => {
      const health = await diagnoseRun(options.workspace, run)
      return { json: health, text: healthText(health, page()) }
    })
  )
}
