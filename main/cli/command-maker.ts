import { Option } from 'commander'
import type { Command } from 'commander'
import { clusteringNumber, numberIn, pathIn, wholeIn } from './arguments'
import type { Answer } from './output'

/** Options that every command has. */
export interface Common {
  readonly workspace: string
  readonly trust?: boolean
  readonly json?: boolean
}

/** Options of a command that works for long. */
export interface Working extends Common {
  readonly checkpointEvery: number
}

/**
 * Tools for making commands. `command` adds one with --workspace, --json and examples; `group` returns a function
 * that adds two-word commands; `answer` prints the result of a command.
 */
export interface CommandMaker {
  readonly command: (usage: string, description: string, ...examples: readonly string[]) => Command
  /** `usual` names the command of the group that runs where none is named. */
  readonly group: (name: string, description: string, usual?: string) => CommandMaker['command']
  readonly answer: (options: Common, work: () => Promise<Answer>) => Promise<void>
}

const defaultWorkspace = 'spectroscope-workspace'

/** Examples for the end of a command's help. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ spectroscope ${line}`).join('\n')}`

/** Makes a function that adds commands with --workspace, --trust, --json and examples. */
export const commandIn =
  (parent: Command, usual?: string): CommandMaker['command'] =>
  (usage, description, ...lines) =>
    parent
      .command(usage, { isDefault: usual !== undefined && usage.startsWith(`${usual} `) })
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

export const secondsOfDay = 86_400

export const checkpointOption = (): Option =>
  new Option('--checkpoint-every <seconds>', 'seconds between checkpoints')
    .env('SPECTROSCOPE_CHECKPOINT_SECONDS')
    .default(30)
    .argParser(numberIn(0, secondsOfDay))

export const clusteringOption = (): Option =>
  new Option('--clustering <number>', "one of the run's clusterings; the latest by default").argParser(clusteringNumber)

export const topOption = (): Option =>
  new Option('--top <count>', 'top tokens of each cluster, at most 10,000').default(8).argParser(wholeIn(1, 10_000))
