import { Option } from 'commander'
import type { ForeignAnswer, ImportAnswer } from '../../preload/contract'
import { plural } from '../../preload/plural'
import { SpectroscopeError } from '../../preload/errors'
import { importResultsInto, isForeign } from '../api/foreign-imports'
import type { ForeignRequest } from '../api/foreign-imports'
import { importFile } from '../api/imports'
import { lines } from '../base/printed'
import type { Visible } from '../base/printed'
import { clusteringNumber, nameIn, pathIn } from './arguments'
import type { CommandMaker, Common } from './command-maker'
import type { Answer } from './output'
import { watched } from './terminal'
import { grouped } from './text'

interface ImportOptions extends Common, Omit<ForeignRequest, 'paths'> {
  readonly into?: string
  readonly clustering?: number
}

const importedText = ({ run, clustering, clusters, labels, left }: ImportAnswer, into: boolean): Visible =>
  lines(
    into
      ? `${plural(labels, 'label')} imported into clustering ${clustering} of run ${run}.`
      : `Imported as run ${run}: ${plural(clusters, 'cluster')}, ${grouped(labels)} labelled.`,
    left.map((sentence) => `  ${sentence}`)
  )

const foreignText = ({ run, kind, tokens, components, notes }: ForeignAnswer): Visible =>
  lines(
    `Imported ${kind} as run ${run}: ${plural(tokens, 'token')}, ${plural(components.length, 'component')}.`,
    notes.map((note) => `  ${note}`),
    `Cluster it with: spectroscope cluster ${run}`
  )

const estimators = ['restricted', 'two-chain']

const importResults = async (
  files: readonly string[],
  { into, clustering, workspace, model, observation, estimator, name, tokens }: ImportOptions
): Promise<Answer> => {
  if (into !== undefined || clustering !== undefined)
    throw new SpectroscopeError('usage', `${files[0]} has no labels; leave out --into and --clustering.`)
  const request = { paths: files, model, observation, estimator, name, tokens }
  const imported = await watched((watch) => importResultsInto(workspace, request, watch), 'Stopping the import')
  return { json: imported, text: foreignText(imported) }
}

const importSet = async (file: string, { into, clustering, ...options }: ImportOptions): Promise<Answer> => {
  const others = [options.model, options.observation, options.estimator, options.name, options.tokens]
  if (others.some((other) => other !== undefined)) {
    const what = `${file} is a file, and the other options belong to results`
    throw new SpectroscopeError('usage', `${what}; leave them out.`)
  }
  const which = into === undefined ? undefined : { run: into, ...(clustering === undefined ? {} : { clustering }) }
  const imported = await importFile(options.workspace, file, which)
  return { json: imported, text: importedText(imported, into !== undefined) }
}

/** Adds the command `import`. */
export const addImportCommand = ({ command, answer }: CommandMaker): void => {
  command(
    'import <file...>',
    'Import an annotated cluster set, its labels only, results of devinterp (Zarr folders), or a matrix.',
    'import first.json',
    'import first.json --into latest',
    'import results.zarr --model pythia-14m',
    'import chi/susceptibilities.npy --tokens chi/tokens.csv',
    'import samples_*.zarr --observation pile --model pythia-14m'
  )
    .option('--into <run>', 'transfer the labels to the clusters of this run, matched by tokens')
    .option('--clustering <number>', "one of that run's clusterings; the latest by default", clusteringNumber)
    .option('--model <folder>', 'results: folder of the model or its tokenizer, so that tokens have texts', pathIn)
    .option('--observation <name>', 'samples: the observable whose mean loss is L')
    .addOption(
      new Option('--estimator <name>', 'samples: two-chain needs samples of full, and --model with weights')
        .choices(estimators)
        .default(undefined, 'restricted')
    )
    .option('--tokens <file>', 'a matrix: table of its tokens, CSV with row, position, id, subset', pathIn)
    .option('-n, --name <name>', 'results: name of the run', nameIn)
    .action((files: string[], options: ImportOptions) =>
      answer(options, async () =>
        (await isForeign(files)) ? importResults(files, options) : importSet(files[0], options)
      )
    )
}
