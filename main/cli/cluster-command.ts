import { Option } from 'commander'
import type { Command } from 'commander'
import { z } from 'zod'
import { clusteringMethods, clusteringSchema } from '../../preload/configuration'
import { limits } from '../../preload/limits'
import { clusterAgain } from '../api/clusters'
import type { ClusteringChanges } from '../api/clusters'
import { planClusters, shardClusters } from '../api/shards'
import { definedOf, nameIn, numberOrAuto, wholeIn } from './arguments'
import { clusteringText } from './cluster-views'
import { checkpointOption } from './command-maker'
import type { CommandMaker, Working } from './command-maker'
import {
  atOnceOption,
  checkWithShards,
  clusterPlanText,
  clusterShardText,
  launcherOption,
  planOption,
  sbatchOption,
  setupOption
} from './shard-commands'
import { page, watched } from './terminal'

const clusteringProperties = z.toJSONSchema(clusteringSchema, { io: 'input' }).properties ?? {}

const describe = (key: keyof ClusteringChanges): string => {
  const property = clusteringProperties[key]
  return typeof property === 'object' ? (property.description ?? key) : key
}

interface ClusterOptions extends Working, ClusteringChanges {
  readonly name?: string
  readonly shards?: number
  readonly into?: string
  readonly threads?: number
  readonly atOnce?: number
  readonly sbatch?: readonly string[]
  readonly setup?: readonly string[]
  readonly launcher?: string
  readonly plan?: boolean
}

/** Adds the command that clusters a run again, here or in shards. */
export const addClusterCommand = ({ command, answer }: CommandMaker): void => {
  command(
    'cluster <run>',
    "Cluster a run again; options not given keep the run's settings, and earlier clusterings stay.",
    'cluster latest --resolution 16',
    'cluster first --method acl --rule global --name "global rule"',
    'cluster latest --plan',
    'cluster latest --shards 32 --into /scratch/clusters'
  )
    .addOption(new Option('--method <method>', describe('method')).choices(clusteringMethods))
    .option('-k, --neighbours <k>', describe('neighbours'), numberOrAuto)
    .option('--recall <share>', describe('recall'), numberOrAuto)
    .addOption(new Option('--symmetrize <how>', describe('symmetrize')).choices(['union', 'mutual']))
    .option('--whiten', describe('whiten'))
    .option('--no-whiten', 'standardised columns and centred rows')
    .option('--min-size <tokens>', describe('minSize'), numberOrAuto)
    .option('--stability', describe('stability'))
    .option('--no-stability', 'do not measure stability, which is faster')
    .option('--resolution <resolution>', describe('resolution'), numberOrAuto)
    .option('--levels <count>', describe('levels'), numberOrAuto)
    .option('--seeds <count>', describe('seeds'), numberOrAuto)
    .option('--alpha <alpha>', describe('alpha'), numberOrAuto)
    .option('--epsilon <epsilon>', describe('epsilon'), numberOrAuto)
    .addOption(new Option('--rule <rule>', describe('rule')).choices(['local', 'global']))
    .option('--max-rejections <count>', describe('maxRejections'), numberOrAuto)
    .option('--remaining <share>', describe('remaining'), numberOrAuto)
    .option('-n, --name <name>', 'name of the clustering', nameIn)
    .option(
      '-s, --shards <count>',
      'divide it into shards for other machines, written to a folder',
      wholeIn(1, limits.shards)
    )
    .option('-i, --into <folder>', 'with --shards: folder of the shards; beside the workspace by default')
    .option(
      '-t, --threads <count>',
      "with --shards: threads of each shard; the run's own by default, or up to four",
      wholeIn(1, limits.threads)
    )
    .addOption(atOnceOption())
    .addOption(sbatchOption())
    .addOption(setupOption())
    .addOption(launcherOption())
    .addOption(planOption())
    .addOption(checkpointOption())
    .action((run: string, asked: ClusterOptions, self: Command) => {
      const { workspace, trust, json, checkpointEvery, name, shards, into, ...given } = asked
      return answer({ workspace, ...definedOf({ trust, json }) }, async () => {
        const { threads, atOnce, sbatch, setup, launcher, plan, ...changes } = given
        if (plan === true) {
          const planned = await planClusters(workspace, run, changes, definedOf({ shards, threads }))
          return { json: planned, text: clusterPlanText(planned) }
        }
        if (shards !== undefined) {
          const isGiven = self.getOptionValueSource('checkpointEvery') === 'cli'
          const checkpointSeconds = isGiven ? checkpointEvery : undefined
          const optional = definedOf({ name, threads, atOnce, sbatch, setup, launcher, checkpointSeconds })
          const divided = await watched((watch) =>
            shardClusters(workspace, run, changes, into, { ...watch, shards, ...optional })
          )
          return { json: divided, text: clusterShardText(divided) }
        }
        const onlyScripts = { '--sbatch': sbatch, '--setup': setup, '--launcher': launcher }
        checkWithShards({ '--into': into, '--threads': threads, '--at-once': atOnce, ...onlyScripts })
        const summary = await watched((watch) =>
          clusterAgain(workspace, run, changes, {
            ...watch,
            checkpointSeconds: checkpointEvery,
            ...definedOf({ name })
          })
        )
        return { json: summary, text: clusteringText(summary, page()) }
      })
    })
}
