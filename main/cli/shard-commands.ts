import { InvalidArgumentError, Option } from 'commander'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import { plural } from '../../preload/plural'
import { briefly } from '../../preload/quoting'
import type { ClusterShardPlan, ShardPlan } from '../../preload/shards'
import { gather, planFromFile, shardFromFile, workOnShard } from '../api/shards'
import type { ClusterTaskSummary, ClusterShardSummary, ShardTaskSummary, ShardSummary } from '../api/shards'
import { lines } from '../base/printed'
import type { Visible } from '../base/printed'
import { quoted } from '../pipeline/shard-scripts'
import { definedOf, nameIn, numberIn, wholeIn } from './arguments'
import { checkpointOption, secondsOfDay } from './command-maker'
import type { CommandMaker, Common, Working } from './command-maker'
import { addShardStatus } from './shard-status'
import { page, watched } from './terminal'
import { duration, fixed, grouped, percent } from './text'
import { summaryText } from './run-views'
import { clusteringText } from './cluster-views'

const indexIn = (text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new SpectroscopeError('usage', `"${briefly(text)}" is not a shard; give its number, counted from 0.`)
}

const sbatchLine = (text: string, earlier: readonly string[] = []): string[] => {
  if (!/^--?[a-zA-Z][^\r\n]*$/.test(text))
    throw new InvalidArgumentError('It must be an option of sbatch, as in "--sbatch=--partition=long".')
  return [...earlier, text]
}

const lineIn = (text: string, earlier: readonly string[] = []): string[] => {
  if (text.trim() === '' || /[\r\n]/.test(text)) throw new InvalidArgumentError('It must be one line of shell.')
  return [...earlier, text]
}

const launcherIn = (text: string): string => {
  if (text.trim() === '' || /[\r\n]/.test(text)) {
    throw new InvalidArgumentError('It must be words that start the program, as in "srun spectroscope".')
  }
  return text
}

export const atOnceOption = (): Option =>
  new Option('--at-once <count>', 'shards that Slurm runs at once; all by default').argParser(wholeIn(1, limits.shards))

export const sbatchOption = (): Option =>
  new Option('--sbatch <option>', 'a further option for the Slurm script; may be given again').argParser(sbatchLine)

export const setupOption = (): Option =>
  new Option(
    '--setup <line>',
    'a line of shell for the scripts, as in "module load cuda"; may be given again'
  ).argParser(lineIn)

export const launcherOption = (): Option =>
  new Option(
    '--launcher <words>',
    'what starts the program there, as in "apptainer exec image.sif spectroscope"'
  ).argParser(launcherIn)

export const planOption = (): Option =>
  new Option('--plan', 'show the cost and a suggested number of shards; write nothing')

/** Throws a `usage` error for options that need --shards. */
export const checkWithShards = (given: Readonly<Record<string, unknown>>): void => {
  const option = Object.keys(given).find((name) => given[name] !== undefined)
  if (option === undefined) return
  throw new SpectroscopeError('usage', `${option} needs --shards; add --shards, or omit the option.`)
}

const shardText = ({ folder, script, shards, tokens, components }: ShardSummary): Visible => {
  const shares = shards.map(({ share }) => share)
  const range = `${percent(Math.min(...shares), 1)} to ${percent(Math.max(...shares), 1)}`
  const what = `${plural(tokens, 'token')} × ${plural(components, 'component')}`
  return lines(
    `${what} in ${plural(shards.length, 'shard')} of ${range} of the work, in ${folder}.`,
    `On Slurm: bash ${quoted(script)}`,
    `Elsewhere: spectroscope shards run ${quoted(folder)} 0 (to ${shards.length - 1}), on any machine that has the ` +
      'folder; run-all.sh there runs all of them.',
    `Progress: spectroscope shards status ${quoted(folder)}`,
    `Then: spectroscope gather ${quoted(folder)}`
  )
}

const gigabytesIn = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`

const planText = (plan: ShardPlan, config: string): Visible => {
  const { shards, nodeSeconds, longestSeconds, repeatedSeconds, memoryMebibytes, timeLimit, sensibleShards } = plan
  const memory = memoryMebibytes.map(({ mebibytes, tasks }) => `${grouped(mebibytes)} MiB for ${plural(tasks, 'task')}`)
  const chains = `${plural(plan.chains, 'chain')} of ${duration(plan.secondsPerChain)}`
  const times = `${fixed(nodeSeconds / 3600, 2)} node hours, the longest shard ${duration(longestSeconds)}`
  return lines(
    `${plural(plan.tokens, 'token')} × ${plural(plan.components, 'component')}, ${chains}, on ${plan.engine}.`,
    `${plural(shards, 'shard')} of ${plural(plan.threads, 'thread')}: ${times}.`,
    `Of these, ${fixed(repeatedSeconds / 3600, 2)} node hours are starts and passes at w* that each shard repeats.`,
    `Memory: ${memory.join(', ')}. Disk: ${gigabytesIn(plan.diskBytes)}. Time limit: ${timeLimit}.`,
    plan.notes.map((note) => `Note: ${note}`),
    plan.assumption,
    shards === sensibleShards ? [] : [`Suggested for this study: --shards ${sensibleShards}.`],
    `Next: spectroscope shard ${quoted(config)} --shards ${shards} --sbatch=--time=${timeLimit}`
  )
}

/** Output of `cluster --plan`. */
export const clusterPlanText = (plan: ClusterShardPlan): Visible => {
  const { shards, neighbourShards, matrices, longestSeconds, nodeSeconds, sensibleShards } = plan
  const later = shards - neighbourShards
  const times = `${fixed(nodeSeconds / 3600, 2)} node hours, the longest shard ${duration(longestSeconds)}`
  return lines(
    `${plural(plan.tokens, 'token')} × ${plural(plan.components, 'component')}, ` +
      `in ${plural(matrices, 'matrix', 'matrices')}.`,
    `${plural(neighbourShards, 'shard')} of neighbours` +
      `${later === 0 ? '' : `, ${later} more of local clusters after them`}, ` +
      `of ${plural(plan.threads, 'thread')} each: ${times}.`,
    `Memory: ${grouped(plan.memoryMebibytes[0].mebibytes)} MiB a task. Disk: ${gigabytesIn(plan.diskBytes)}. ` +
      `Time limit: ${plan.timeLimit}.`,
    plan.notes.map((note) => `Note: ${note}`),
    plan.assumption,
    neighbourShards === sensibleShards ? [] : [`Suggested for this run: --shards ${sensibleShards}.`],
    `Next: spectroscope cluster ${plan.run} --shards ${neighbourShards} --sbatch=--time=${plan.timeLimit}, ` +
      'with the same settings'
  )
}

const rangeOf = (from: number, to: number): string => (to - from === 1 ? String(from) : `${from}-${to - 1}`)

/** Output of `cluster --shards`. */
export const clusterShardText = (summary: ClusterShardSummary): Visible => {
  const { folder, script, neighbourShards, shards, tokens, components } = summary
  const rest = shards.length - neighbourShards
  const searches = rangeOf(neighbourShards, shards.length)
  const what = `The neighbours of ${plural(tokens, 'token')} × ${plural(components, 'component')}`
  const [more, later] = rest === 0 ? ['', ''] : [`, local clusters in ${rest} more`, `; ${searches} after the others`]
  return lines(
    `${what} in ${plural(neighbourShards, 'shard')}${more}, in ${folder}.`,
    `On Slurm: bash ${quoted(script)}`,
    `Elsewhere: spectroscope shards run ${quoted(folder)} 0 (to ${shards.length - 1}${later}), on any machine ` +
      'that has the folder; run-all.sh there does them in turn.',
    `Then: spectroscope gather ${quoted(folder)}`
  )
}

const clusterTaskText = ({ folder, shard, shards, finds, already, seconds }: ClusterTaskSummary): Visible =>
  lines(
    already
      ? `Shard ${shard} of ${shards} in ${folder} was already done.`
      : `Shard ${shard} of ${shards}, ${finds}, done in ${duration(seconds)}.`
  )

const taskText = ({ folder, shard, shards, already, chains, seconds, failedChains }: ShardTaskSummary): Visible =>
  lines(
    already
      ? `Shard ${shard} of ${shards} in ${folder} was already done.`
      : `Shard ${shard} of ${shards}, ${plural(chains, 'chain')}, done in ${duration(seconds)}.`,
    failedChains.length === 0 ? [] : ['Chains that ended early:', ...failedChains.map((sentence) => `  ${sentence}`)]
  )

interface ShardOptions extends Common {
  readonly shards?: number
  readonly plan?: boolean
  readonly engine?: string
  readonly into?: string
  readonly threads?: number
  readonly atOnce?: number
  readonly sbatch?: readonly string[]
  readonly linkModel?: boolean
  readonly setup?: readonly string[]
  readonly launcher?: string
  readonly checkpointEvery?: number
}

interface ShardTaskOptions extends Working {
  readonly threads?: number
  readonly takeOver?: boolean
  readonly wait: boolean
}

/** Adds the commands that divide a run, run its shards, and gather them. */
export const addShardCommands = ({ command, group, answer }: CommandMaker): void => {
  command(
    'shard <config>',
    'Divide a run into shards for any machine that can open the folder.',
    'shard study.json --plan',
    'shard study.json --shards 8',
    'shard study.json --shards 32 --into /scratch/study --at-once 8 --sbatch=--partition=long --sbatch=--time=4:00:00'
  )
    .option(
      '-s, --shards <count>',
      'number of shards; a shard has at least one chain of one component',
      wholeIn(1, limits.shards)
    )
    .addOption(planOption())
    .option('--engine <name>', 'engine to use; only the machines that sample need it')
    .option('-i, --into <folder>', 'shard folder; by default beside the configuration, with its name')
    .option(
      '-t, --threads <count>',
      'threads per shard; by default those of the configuration, or up to four',
      wholeIn(1, limits.threads)
    )
    .addOption(atOnceOption())
    .addOption(sbatchOption())
    .option('--link-model', 'refer to the model in place instead of copying it into the folder')
    .addOption(setupOption())
    .addOption(launcherOption())
    .option('--checkpoint-every <seconds>', 'seconds between checkpoints of a shard', numberIn(0, secondsOfDay))
    .action((config: string, given: ShardOptions) => {
      const { workspace, trust, json, plan, engine, shards, threads, into, ...more } = given
      const { linkModel, checkpointEvery, ...scripts } = more
      const options = { workspace, ...definedOf({ trust, json }) }
      return answer(options, async () => {
        if (plan === true) {
          const planned = await planFromFile(config, engine, definedOf({ shards, threads }))
          return { json: planned, text: planText(planned, config) }
        }
        if (shards === undefined) {
          const remedy = 'give the number of shards, or --plan for a suggestion'
          throw new SpectroscopeError('usage', `--shards is missing; ${remedy}.`)
        }
        const summary = await watched((watch) =>
          shardFromFile(config, into, {
            ...watch,
            shards,
            linkModel: linkModel === true,
            ...definedOf({ threads, engine, checkpointSeconds: checkpointEvery, ...scripts })
          })
        )
        return { json: summary, text: shardText(summary) }
      })
    })

  const shardsCommand = group('shards', 'Run the shards of a divided run or clustering, or show their progress.')
  shardsCommand(
    'run <folder> <index>',
    'Run one shard, from its checkpoint if it has one.',
    'shards run study-shards 0',
    'shards run /scratch/study 3 --threads 8'
  )
    .option('-t, --threads <count>', 'worker threads', wholeIn(1, limits.threads))
    .option('--take-over', 'take the shard over from another process that holds it')
    .option('--no-wait', 'exit with 5 if another process holds the shard')
    .addOption(checkpointOption())
    .action(
      (folder: string, index: string, { threads, takeOver, wait, checkpointEvery, ...options }: ShardTaskOptions) =>
        answer(options, async () => {
          const summary = await watched((watch) =>
            workOnShard(folder, indexIn(index), {
              ...watch,
              checkpointSeconds: checkpointEvery,
              takeOver: takeOver === true,
              noWait: !wait,
              ...(threads === undefined ? {} : { threads })
            })
          )
          return { json: summary, text: 'finds' in summary ? clusterTaskText(summary) : taskText(summary) }
        })
    )

  addShardStatus({ command: shardsCommand, answer })

  command(
    'gather <folder>',
    'Combine the shards of a run, with the results of an undivided run, and cluster it; ' +
      'or combine the shards of a clustering.',
    'gather study-shards --workspace work --name first',
    'gather /scratch/clusters --workspace work'
  )
    .option('-n, --name <name>', 'name of the run, or of the clustering', nameIn)
    .addOption(checkpointOption())
    .action((folder: string, { name, checkpointEvery, ...options }: Working & { readonly name?: string }) =>
      answer(options, async () => {
        const summary = await watched((watch) =>
          gather(options.workspace, folder, {
            ...watch,
            checkpointSeconds: checkpointEvery,
            ...(name === undefined ? {} : { name })
          })
        )
        const text = 'status' in summary ? summaryText(summary, page()) : clusteringText(summary, page())
        return { json: summary, text }
      })
    )
}
