#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { z } from 'zod'
import { configurationSchema } from '../preload/configuration'
import { errorKinds, SpectroscopeError } from '../preload/errors'
import { plural } from '../preload/plural'
import { briefly } from '../preload/quoting'
import { fetchFromHub } from './api/models'
import { deleteRun, showRun, startFromFile } from './api/runs'
import { trustWorkspace } from './api/trust'
import { resourcePath } from './base/entries'
import { complain, line, lines, printJson } from './base/printed'
import { refuseAddresses, wholeIn } from './cli/arguments'
import { addClusterCommand } from './cli/cluster-command'
import { checkpointOption, commandIn, examples } from './cli/command-maker'
import type { CommandMaker, Common, Working } from './cli/command-maker'
import { addEngineCommands } from './cli/engine-commands'
import { addImportCommand } from './cli/import-command'
import { addLabelCommands } from './cli/labels-commands'
import { addNameCommand } from './cli/name-command'
import { printAnswer, printError, tolerateClosedPipes } from './cli/output'
import type { Answer } from './cli/output'
import { addRunCommands } from './cli/run-commands'
import { detailsText } from './cli/run-views'
import { printLink, serveUntilStopped } from './cli/serve'
import { addShardCommands } from './cli/shard-commands'
import { addSweepCommands } from './cli/sweep-commands'
import { confirm, page, watched } from './cli/terminal'
import { duration } from './cli/text'
import { addViewCommands } from './cli/view-commands'
import { programVersion } from './pipeline/versions'

/** Exit codes and their meaning, for the end of the help. */
const exitCodes = `Exit codes: 0 done, 1 internal error, ${Object.entries(errorKinds)
  .map(([kind, code]) => `${code} ${kind}`)
  .join(', ')}.`

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

const command = commandIn(program)
const group: CommandMaker['group'] = (name, description, usual) =>
  commandIn(program.command(name).description(description), usual)

const answer: CommandMaker['answer'] = async (options: Common, work: () => Promise<Answer>): Promise<void> => {
  const unkept = options.trust === true ? await trustWorkspace(options.workspace) : null
  if (unkept !== null) complain(unkept)
  printAnswer(await work(), options.json === true)
}

const maker: CommandMaker = { command, group, answer }

addRunCommands(maker)
addShardCommands(maker)
addSweepCommands(maker)
addViewCommands(maker)
addClusterCommand(maker)

addLabelCommands(maker)
addImportCommand(maker)
addNameCommand(maker)

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

addEngineCommands(maker)

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
