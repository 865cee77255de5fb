import { limits } from '../../preload/limits'
import { continueRun, previewFile, resume, startFromFile } from '../api/runs'
import { complain } from '../base/printed'
import type { Continuation } from '../pipeline/continuation'
import { nameIn, numberIn, wholeIn } from './arguments'
import { checkpointOption } from './command-maker'
import type { CommandMaker, Common, Working } from './command-maker'
import { signalText } from './health-views'
import { summaryText } from './run-views'
import { page, watched } from './terminal'

/** Adds the commands that sample: run, resume, continue and preview. */
export const addRunCommands = ({ command, answer }: CommandMaker): void => {
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
          resume(options.workspace, run, {
            ...watch,
            checkpointSeconds: options.checkpointEvery,
            engine: options.engine
          })
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
}
