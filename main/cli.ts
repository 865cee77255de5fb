#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander'
import { z } from 'zod'
import { clusteringMethods, clusteringSchema, configurationSchema } from '../preload/configuration'
import { errorKinds, SpectroscopeError } from '../preload/errors'
import { limits } from '../preload/limits'
import { plural } from '../preload/plural'
import { briefly } from '../preload/quoting'
import { groupKinds } from '../preload/records'
import type { GroupKind } from '../preload/records'
import { clusterAgain, listClusters, showCluster } from './api/clusters'
import type { ClusteringChanges } from './api/clusters'
import { fetchFromHub } from './api/models'
import { continueRun, deleteRun, diagnoseRun, listRuns, previewFile, resume, showRun, startFromFile } from './api/runs'
import { planClusters, shardClusters } from './api/shards'
import { trustWorkspace } from './api/trust'
import { resourcePath } from './base/entries'
import { complain, line, lines, printJson } from './base/printed'
import {
  clusteringNumber,
  definedOf,
  nameIn,
  numberIn,
  numberOrAuto,
  pathIn,
  refuseAddresses,
  wholeIn
} from './cli/arguments'
import { addEngineCommands } from './cli/engine-commands'
import { addNameCommand } from './cli/name-command'
import { addLabelCommands } from './cli/labels-commands'
import type { CommandMaker } from './cli/labels-commands'
import { printAnswer, printError, tolerateClosedPipes } from './cli/output'
import type { Answer } from './cli/output'
import { printLink, serveUntilStopped } from './cli/serve'
import {
  addShardCommands,
  atOnceOption,
  checkWithShards,
  clusterPlanText,
  clusterShardText,
  launcherOption,
  planOption,
  sbatchOption,
  setupOption
} from './cli/shard-commands'
import { confirm, page, watched } from './cli/terminal'
import { duration } from './cli/text'
import { detailsText, runsText, summaryText } from './cli/run-views'
import { healthText, signalText } from './cli/health-views'
import { clusteringText, clustersText, clusterText } from './cli/cluster-views'
import type { Continuation } from './pipeline/continuation'
import { programVersion } from './pipeline/versions'

interface Common {
  readonly workspace: string
  readonly trust?: boolean
  readonly json?: boolean
}

const defaultWorkspace = 'spectroscope-workspace'

/** Exit codes and their meaning, for the end of the help. */
const exitCodes = `Exit codes: 0 done, 1 internal error, ${Object.entries(errorKinds)
  .map(([kind, code]) => `${code} ${kind}`)
  .join(', ')}.`

const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ spectroscope ${line}`).join('\n')}`

const program = new Command('spectroscope')
  .description('Measures per-token susceptibilities of small language models, and clusters the tokens by them.')
  .version(programVersion)
  .exitOverride()
  .hook('preAction', (_program, action) => refuseAddresses(action))
  .configureOutput({ outputError: () => undefined })
  .addHelpText(
    'after',
    `\n${exitCodes}\nSPECTROSCOPE_WORKSPACE names the workspace where --workspace does ` +
      `not.${examples('demo', 'run study.json --workspace work', 'show latest --workspace work')}`
  )

/** Makes a function that adds commands with --workspace, --trust, --json and examples. */
const commandIn =
  (parent: Command): CommandMaker['command'] =>
  (usage, description, ...lines) =>
    parent
      .command(usage)
      .description(description)
      .addOption(
        new Option('-w, --workspace <folder>', 'workspace folder')
          .env('SPECTROSCOPE_WORKSPACE')
          .default(defaultWorkspace)
          .argParser(pathIn)
      )
      .option('--trust', 'trust a workspace that someone else made, so that it can be changed')
      .option('--json', 'print one JSON object on standard output')
      .addHelpText('after', examples(...lines))

const command = commandIn(program)
const group: CommandMaker['group'] = (name, description) => commandIn(program.command(name).description(description))

const answer = async (options: Common, work: () => Promise<Answer>): Promise<void> => {
  const unkept = options.trust === true ? await trustWorkspace(options.workspace) : null
  if (unkept !== null) complain(unkept)
  printAnswer(await work(), options.json === true)
}

const secondsOfDay = 86_400

const checkpointOption = (): Option =>
  new Option('--checkpoint-every <seconds>', 'seconds between checkpoints')
    .env('SPECTROSCOPE_CHECKPOINT_SECONDS')
    .default(30)
    .argParser(numberIn(0, secondsOfDay))

interface Working extends Common {
  readonly checkpointEvery: number
}

command(
  'run <config>',
  'Start a run: model, rows, sampling, susceptibilities, neighbours, clusters.',
  'run study.json --workspace work --name first',
  'run study.json --json > summary.json'
)
  .option('-n, --name <name>', 'name of the run', nameIn)
  .addOption(checkpointOption())
  .action((config: string, options: Working & { readonly name?: string }) =>
    answer(options, async () => {
      const summary = await watched((watch) =>
        startFromFile(options.workspace, config, {
          ...watch,
          checkpointSeconds: options.checkpointEvery,
          ...(options.name === undefined ? {} : { name: options.name })
        })
      )
      return { json: summary, text: summaryText(summary, page()) }
    })
  )

command(
  'resume <run>',
  'Resume an interrupted run from its last checkpoint.',
  'resume latest --workspace work',
  'resume 20261122-101530-k3f9',
  'resume latest --engine onnx-cpu'
)
  .option(
    '--engine <name>',
    "resume on this engine if the run's own is not available; results agree within float32 noise"
  )
  .addOption(checkpointOption())
  .action((run: string, options: Working & { readonly engine?: string }) =>
    answer(options, async () => {
      const summary = await watched((watch) =>
        resume(options.workspace, run, { ...watch, checkpointSeconds: options.checkpointEvery, engine: options.engine })
      )
      return { json: summary, text: summaryText(summary, page()) }
    })
  )

command(
  'continue <run>',
  'Continue a finished run with more rounds, as a new run with the results of a single longer one.',
  'continue latest --rounds 8',
  'continue first --reliability 0.9'
)
  .option('--rounds <count>', 'total rounds; with the method "gradient", four draws each', wholeIn(1, limits.draws))
  .option('--reliability <target>', 'stop once every component reaches this reliability', numberIn(0.001, 0.999))
  .option('-n, --name <name>', 'name of the new run', nameIn)
  .addOption(checkpointOption())
  .action((run: string, { rounds, reliability, name, ...options }: Working & Continuation) =>
    answer(options, async () => {
      const summary = await watched((watch) =>
        continueRun(
          options.workspace,
          run,
          { rounds, reliability, name },
          { ...watch, checkpointSeconds: options.checkpointEvery }
        )
      )
      return { json: summary, text: summaryText(summary, page()) }
    })
  )

command(
  'preview <config>',
  "Sample a few components and estimate the whole run's reliability and time.",
  'preview study.json'
)
  .option('--seconds <count>', 'approximate seconds', numberIn(1, 600), 30)
  .action((file: string, { seconds, ...options }: Common & { readonly seconds: number }) =>
    answer(options, async () => {
      const preview = await previewFile(file, seconds, { signal: new AbortController().signal, onNote: complain })
      return { json: preview, text: signalText(preview, page()) }
    })
  )

addShardCommands({ command, group, answer }, checkpointOption)

command('runs', 'List the runs of a workspace.', 'runs --workspace work').action((options: Common) =>
  answer(options, async () => {
    const runs = await listRuns(options.workspace)
    return { json: { runs }, text: runsText(runs, page()) }
  })
)

const clusteringOption = (): Option =>
  new Option('--clustering <number>', "one of the run's clusterings; the latest by default").argParser(clusteringNumber)
const topOption = (): Option =>
  new Option('--top <count>', 'top tokens of each cluster, at most 10,000').default(8).argParser(wholeIn(1, 10_000))

interface ShowOptions extends Common {
  readonly cluster?: string
  readonly clustering?: number
  readonly order: 'token' | 'central'
  readonly limit: number
  readonly offset: number
  readonly top: number
}

command(
  'show <run> [cluster]',
  'Show a run and its clusters, or the tokens of one. RUN is an id, the beginning of one, a name, or "latest".',
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
        const details = await showRun(options.workspace, run, { ...which, topTokens: top })
        return { json: details, text: detailsText(details, page()) }
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

interface ListOptions extends Common {
  readonly clustering?: number
  readonly level?: GroupKind
  readonly top: number
}

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
        clusterAgain(workspace, run, changes, { ...watch, checkpointSeconds: checkpointEvery, ...definedOf({ name }) })
      )
      return { json: summary, text: clusteringText(summary, page()) }
    })
  })

command('diagnose <run>', 'Report how well each component was sampled, and what would help.', 'diagnose latest').action(
  (run: string, options: Common) =>
    answer(options, async () => {
      const health = await diagnoseRun(options.workspace, run)
      return { json: health, text: healthText(health, page()) }
    })
)

addLabelCommands({ command, group, answer })
addNameCommand({ command, group, answer })

command('delete <run>', 'Delete a run with all its results.', 'delete 20261122-101530-k3f9', 'delete first --yes')
  .option('-y, --yes', 'do not ask')
  .action((run: string, { yes, ...options }: Common & { readonly yes?: boolean }) =>
    answer(options, async () => {
      const deleted = await deleteRun(
        options.workspace,
        run,
        async ({ id, name, tokens }) =>
          yes === true || confirm(`Deleting run ${id} "${name}" with its ${plural(tokens, 'token')} for good?`, '--yes')
      )
      return { json: deleted, text: line`Run ${deleted.run} is ${deleted.deleted ? 'deleted' : 'kept'}.` }
    })
  )

addEngineCommands({ command, group, answer })

command(
  'fetch-model <name>',
  'Download a model from the Hugging Face hub; resumes interrupted downloads.',
  'fetch-model EleutherAI/pythia-14m',
  'fetch-model EleutherAI/pythia-14m --revision step50000 --out models/step50000'
)
  .option('-r, --revision <revision>', 'branch, tag or commit; the main branch by default')
  .option('-o, --out <folder>', "target folder; by default a folder here with the model's name")
  .action(
    (name: string, { revision, out, ...options }: Common & { readonly revision?: string; readonly out?: string }) =>
      answer(options, async () => {
        const start = performance.now()
        const fetched = await watched((watch) =>
          fetchFromHub({
            name,
            ...watch,
            ...(revision === undefined ? {} : { revision }),
            ...(out === undefined ? {} : { folder: out })
          })
        )
        const files = plural(fetched.files.length, 'file')
        const time = duration((performance.now() - start) / 1000)
        return { json: fetched, text: line`${files} in ${fetched.folder}, after ${time}.` }
      })
  )

command('demo', 'Run the bundled demonstration and show its clusters.', 'demo', 'demo --workspace demo-workspace')
  .addOption(checkpointOption())
  .action((options: Working) =>
    answer(options, async () => {
      const summary = await watched((watch) =>
        startFromFile(options.workspace, resourcePath('demo', 'demo.json'), {
          ...watch,
          checkpointSeconds: options.checkpointEvery,
          name: 'demo'
        })
      )
      const details = await showRun(options.workspace, summary.run, { topTokens: 8 })
      const example = details.clusters.find(({ kind }) => kind === 'cluster')?.cluster ?? 0
      const command = `spectroscope show ${summary.run} --cluster ${example} --workspace ${options.workspace}`
      const more = `See a cluster's tokens in context: ${command}`
      return { json: summary, text: lines(detailsText(details, page()), '', more) }
    })
  )

interface ServeOptions extends Common {
  readonly host: string
  readonly port?: number
  readonly socket?: string
  readonly folder?: readonly string[]
  readonly link?: boolean
  readonly open: boolean
}

command(
  'serve',
  'Serve the workbench to a browser until Ctrl-C, which pauses runs with a checkpoint.',
  'serve',
  'serve --workspace work --port 4617 --no-open',
  'serve --socket ~/spectroscope.sock',
  'serve --link'
)
  .option('--host <address>', 'address to listen on; other machines can connect unless it is 127.0.0.1', '127.0.0.1')
  .option(
    '--port <number>',
    'port to listen on, 0 for a free one; by default the last port if free',
    wholeIn(0, 65_535)
  )
  .option(
    '--socket <path>',
    'listen on a Unix socket that only you can open, for `ssh -L 8000:PATH`; --port is then that of the tunnel'
  )
  .option(
    '--folder <dir>',
    'a folder that the window may access besides the workspace and your home folder; may be repeated',
    (folder: string, before: readonly string[] | undefined) => [...(before ?? []), folder]
  )
  .option('--link', 'print another browser address of a running `serve`, and exit')
  .option('--no-open', 'print the address without opening a browser')
  .action(({ workspace, json, trust, folder: folders = [], ...options }: ServeOptions, self: Command) =>
    (options.link === true ? printLink : serveUntilStopped)({
      ...options,
      folders,
      json: json === true,
      trust: trust === true,
      ...(self.getOptionValueSource('workspace') === 'default' ? {} : { folder: workspace })
    })
  )

command('schema', "Print the JSON schema of a run's configuration.", 'schema > configuration.schema.json').action(
  () => {
    const schema = z.toJSONSchema(configurationSchema, { io: 'input' })
    printJson(JSON.stringify(schema, null, 2))
  }
)

/** Turns an error of the command line parser into a `usage` error; undefined if help or version was requested. */
const usageError = ({ code, exitCode, message }: CommanderError): SpectroscopeError | undefined => {
  if (exitCode === 0 || code === 'commander.helpDisplayed' || code === 'commander.version') return undefined
  if (code === 'commander.help')
    return new SpectroscopeError('usage', 'No command was given; `spectroscope --help` lists them.')
  const brief = process.argv.reduce((words, given) => words.replaceAll(given, briefly(given)), message)
  const line = brief.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')
  const sentence = line.replace(/[.?!)]?$/, (end) => (end === '' ? '.' : end))
  return new SpectroscopeError(
    'usage',
    `${sentence[0].toUpperCase()}${sentence.slice(1)} \`spectroscope --help\` says more.`
  )
}

const main = async (): Promise<void> => {
  tolerateClosedPipes()
  try {
    await program.parseAsync(process.argv)
  } catch (error) {
    const known = error instanceof CommanderError ? usageError(error) : error
    if (known !== undefined) process.exitCode = printError(known, process.argv.includes('--json'))
  }
}

await main()
