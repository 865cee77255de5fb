import { join } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import type { Annotation } from '../../preload/contract-annotations'
import { mostContexts } from '../../preload/calls-exchange'
import { isForPython, pythonOf } from '../../preload/contract-python'
import { SpectroscopeError } from '../../preload/errors'
import { countStatuses } from '../../preload/labels'
import { plural } from '../../preload/plural'
import { briefly } from '../../preload/quoting'
import { exportFormats, exportTo, pythonOfWorkspace } from '../api/exports'
import type { Exported, ExportFormat } from '../api/exports'
import { labelsOf } from '../api/run-labels'
import type { RunLabels, TakenName } from '../api/run-labels'
import { restoreSources, restoreWorkspace } from '../api/restore'
import type { Restored, RestoreSource } from '../api/restore'
import { line, lines } from '../base/printed'
import type { Visible } from '../base/printed'
import { clusteringNumber, wholeIn } from './arguments'
import type { CommandMaker, Common } from './command-maker'
import { renderTable } from './table'
import { page } from './terminal'
import { grouped } from './text'
import type { Page } from './page'

const clusterIn = (text: string): number => {
  if (text === 'rest') return -1
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const remedy = 'give a cluster number, or "rest" for unclustered tokens'
  throw new InvalidArgumentError(`"${briefly(text)}" is not a cluster; ${remedy}.`)
}

/** Parses "all", "labelled", or numbers such as "1,5,9". */
const selectionIn = (text: string): 'all' | 'labelled' | number[] =>
  text === 'all' || text === 'labelled' ? text : text.split(',').map((part) => clusterIn(part.trim()))

interface NamedCluster {
  readonly cluster: number
  readonly name: string
}

const namingIn = (text: string, earlier: readonly NamedCluster[] = []): NamedCluster[] => {
  const at = text.indexOf('=')
  if (at < 0) throw new InvalidArgumentError('It must be CLUSTER=NAME, as in 7="closing brackets".')
  return [...earlier, { cluster: clusterIn(text.slice(0, at).trim()), name: text.slice(at + 1) }]
}

/** Format and path of an export. Throws a `usage` error if one is missing, or Python loads nothing of that format. */
const destinationIn = (
  format: ExportFormat | undefined,
  path: string | undefined,
  python: boolean
): { readonly format: ExportFormat; readonly path: string } => {
  if (format === undefined)
    throw new SpectroscopeError('usage', `Give --format: what to write, one of ${exportFormats.join(', ')}.`)
  if (path === undefined)
    throw new SpectroscopeError('usage', 'Give --out: the folder to write, or the file for annotated and html.')
  if (python && !isForPython(format)) {
    const remedy = 'choose another format, or leave out --python'
    throw new SpectroscopeError('usage', `Python loads nothing of the format ${format}; ${remedy}.`)
  }
  return { format, path }
}

const exportedText = ({ format, path, files, folder }: Exported): Visible =>
  files.length === 1 && path !== folder
    ? line`Written to ${path}.`
    : format === 'site'
      ? line`${plural(files.length, 'file')}; open ${join(folder, 'index.html')}, or put ${folder} on a web server.`
      : line`${plural(files.length, 'file')} in ${folder}: ${files.join(', ')}.`

const targetWords = ({ target, clusters, cluster, tokens }: Annotation, kinds: RunLabels['kinds']): string => {
  const number = target.slice(target.indexOf(':') + 1)
  if (clusters !== undefined) return `merge ${number} of ${clusters.join(', ')}`
  if (tokens !== undefined && cluster === undefined) return `selection ${number}`
  if (tokens !== undefined) return `part ${number} of ${cluster === -1 ? 'rest' : String(cluster)}`
  const kind = kinds[Number(number)]
  return number === '-1' ? 'rest' : kind === 'cluster' ? number : `${kind} ${number}`
}

const sizeOf = ({ target, clusters, tokens }: Annotation, sizes: RunLabels['sizes']): number =>
  tokens?.length ??
  (clusters ?? [Number(target.slice(target.indexOf(':') + 1))]).reduce((sum, cluster) => sum + (sizes[cluster] ?? 0), 0)

const labelsText = (
  { run, clustering, clusters, annotations, sizes, kinds }: RunLabels,
  { width, bold }: Page
): Visible => {
  const { labelled = 0 } = countStatuses(annotations, clusters)
  const head =
    `${grouped(labelled)} of ${plural(clusters, 'cluster')} of clustering ${clustering} of run ${run} ` +
    `${labelled === 1 ? 'is' : 'are'} labelled.`
  if (annotations.length === 0) return lines(head)
  const table = renderTable(
    [
      { title: 'cluster' },
      { title: 'tokens', align: 'right' },
      { title: 'status' },
      { title: 'name', flexible: true },
      { title: 'tags', flexible: true },
      { title: 'confidence' },
      { title: 'blind test' },
      { title: 'author', flexible: true },
      { title: 'changed (UTC)' }
    ],
    annotations.map((annotation) => [
      targetWords(annotation, kinds),
      grouped(sizeOf(annotation, sizes)),
      annotation.status,
      annotation.name,
      annotation.tags.join(', '),
      annotation.confidence ?? '–',
      annotation.blindTest === null ? '–' : `${annotation.blindTest.right} of ${annotation.blindTest.of}`,
      annotation.author,
      annotation.changedAt.slice(0, 16).replace('T', ' ')
    ]),
    width,
    bold
  )
  return lines(table, '', head)
}

const takenText = ({ cluster, name, others }: TakenName): string => {
  const own = cluster === -1 ? 'rest' : String(cluster)
  return `“${name}” of ${own} is also the name of ${others.map((other) => other.replace(':', ' ')).join(', ')}.`
}

interface ExportOptions extends Common {
  readonly format?: ExportFormat
  readonly out?: string
  readonly clustering?: number
  readonly clusters: 'all' | 'labelled' | number[]
  readonly selection?: string
  readonly overwrite?: boolean
  readonly overwriteFile?: string
  readonly rawCells?: boolean
  readonly contexts?: number
  readonly python?: boolean
}

interface LabelsOptions extends Common {
  readonly clustering?: number
  readonly set?: readonly NamedCluster[]
}

const sourcesText = (sources: readonly RestoreSource[], { width, bold }: Page): Visible => {
  const none = 'This workspace has no backups'
  if (sources.length === 0) return line`${none}; restore from another file with \`--from FILE\`.`
  const columns = [
    { title: 'name', flexible: true },
    { title: 'what' },
    { title: 'written (UTC)' },
    { title: 'size', align: 'right' as const }
  ]
  const rows = sources.map(({ name, kind, changedAt, bytes }) => [
    name,
    kind,
    changedAt.slice(0, 19).replace('T', ' '),
    `${grouped(bytes / 1000)} kB`
  ])
  const table = renderTable(columns, rows, width, bold)
  return lines(table, '', '`spectroscope restore --from NAME` restores from one of these.')
}

const restoredText = ({ from, setAside, labelsBefore, labels, clusterings, imported, left }: Restored): Visible =>
  lines(
    `${plural(labels, 'label')} of ${plural(clusterings, 'clustering')} restored from ${from ?? ''}.`,
    imported === null ? [] : [`Their run was not here, so it was imported as ${imported}.`],
    setAside === null ? [] : [`The old database is now ${setAside}; its labels came from the journal.`],
    labelsBefore === null ? [] : [`The previous labels are backed up in ${labelsBefore}; undo also restores them.`],
    left.map((sentence) => `  ${sentence}`)
  )

interface RestoreOptions extends Common {
  readonly from?: string
  readonly list?: boolean
}

const which = (clustering: number | undefined): { readonly clustering?: number } =>
  clustering === undefined ? {} : { clustering }

/** Adds the commands `labels`, `export` and `restore`. */
export const addLabelCommands = ({ command, answer }: CommandMaker): void => {
  command(
    'labels <run>',
    "List the labels of a run's clusters, or label some.",
    'labels latest',
    'labels first --set 7="closing brackets" --set 12="line breaks"',
    'labels first --json'
  )
    .option('--clustering <number>', "one of the run's clusterings; the latest by default", clusteringNumber)
    .option('--set <cluster=name>', 'name a cluster; may be given several times', namingIn)
    .action((run: string, { clustering, set, ...options }: LabelsOptions) =>
      answer(options, async () => {
        const labels = await labelsOf(options.workspace, run, {
          ...which(clustering),
          ...(set === undefined ? {} : { set })
        })
        return { json: labels, text: lines(labelsText(labels, page()), labels.taken.map(takenText)) }
      })
    )

  command(
    'export <run>',
    "Write a run's matrix, tokens, clusters and labels: into a folder, or as annotated or html into one file. " +
      'With site, into a folder of pages that any web server shows.',
    'export latest --format npy --out results',
    'export first --format annotated --out first.json',
    'export first --format site --out site',
    'export first --format html --clusters 1,5,9 --out report.html',
    'export first --format csv --selection "odd quotes" --out quotes',
    'export latest --python'
  )
    .addOption(new Option('-f, --format <format>', 'what to write').choices(exportFormats))
    .option('-o, --out <path>', 'folder to write, new or empty; a file for annotated and html')
    .option('--clustering <number>', "one of the run's clusterings; the latest by default", clusteringNumber)
    .option(
      '--clusters <which>',
      '"all", "labelled", or numbers as in 1,5,9; "rest" is the unclustered tokens',
      selectionIn,
      'all'
    )
    .option('--selection <which>', 'csv, parquet, npy and json: only the tokens of a selection, by its number or name')
    .option('--raw-cells', 'csv and npy: put no apostrophe before table text that a spreadsheet would evaluate')
    .option(
      '--contexts <number>',
      'site: contexts on the page of each cluster; 24, or 8 of very many clusters',
      wholeIn(1, mostContexts)
    )
    .option(
      '--python',
      "print the lines of Python that load what was written; without --format and --out, the workspace's database"
    )
    .option('--overwrite', 'replace the folder or file if it is there, and an earlier export')
    .option('--overwrite-file <name>', 'replace the file of that name, even if it is no export of this program')
    .action(
      (
        run: string,
        {
          format,
          out,
          clustering,
          clusters,
          selection,
          overwrite,
          overwriteFile,
          rawCells,
          contexts,
          python,
          ...options
        }: ExportOptions
      ) =>
        answer(options, async () => {
          if (python === true && format === undefined && out === undefined) {
            const loaded = await pythonOfWorkspace(options.workspace, run, clustering)
            return { json: loaded, text: lines(loaded.python.trimEnd().split('\n')) }
          }
          const { format: chosen, path } = destinationIn(format, out, python === true)
          const exported = await exportTo(options.workspace, run, {
            format: chosen,
            path,
            clusters,
            selection,
            overwrite: overwriteFile ?? overwrite === true,
            rawCells: rawCells === true,
            contexts,
            ...which(clustering)
          })
          const code = python === true && isForPython(chosen) ? pythonOf(chosen, exported.path) : undefined
          const json = code === undefined ? exported : { ...exported, python: code }
          return { json, text: code === undefined ? exportedText(exported) : lines(code.trimEnd().split('\n')) }
        })
    )

  command(
    'restore [folder]',
    'Restore labels from a backup, a journal or an annotated set, and the database of a workspace if it is damaged.',
    'restore work --list',
    'restore work --from labels-20261122-101530.json',
    'restore work --from first.json',
    'restore work'
  )
    .option('--from <file>', 'a file, or a name that --list shows; without it only a damaged database is restored')
    .option('--list', 'list what can be restored from, and change nothing')
    .action((folder: string | undefined, { from, list, ...options }: RestoreOptions) => {
      const workspace = folder ?? options.workspace
      return answer({ ...options, workspace }, async () => {
        const restored = list === true ? null : await restoreWorkspace(workspace, from)
        const sources = await restoreSources(workspace)
        const json = { ...restored, sources }
        if (restored !== null && restored.from !== null) return { json, text: restoredText(restored) }
        const whole = 'The database is intact and has all labels of the journal, so nothing was restored.'
        const head = restored === null ? [] : [whole, '']
        return { json, text: lines(head, sourcesText(sources, page())) }
      })
    })
}
