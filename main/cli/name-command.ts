import type { SuggestedName } from '../../preload/contract-naming'
import { plural } from '../../preload/plural'
import { limits } from '../../preload/limits'
import { nameRun, previewRunNames } from '../api/name-run'
import type { NamedRun } from '../api/name-run'
import { complain, line, lines } from '../base/printed'
import type { Visible } from '../base/printed'
import { clusteringNumber, definedOf, numberIn, wholeIn } from './arguments'
import { onInterrupt } from './interrupt'
import type { CommandMaker, Common } from './command-maker'
import type { Page } from './page'
import { renderTable } from './table'
import { page } from './terminal'

interface NameOptions extends Common {
  readonly clustering?: number
  readonly cluster?: number
  readonly address: string
  readonly model: string
  readonly timeLimit: number
  readonly preview?: boolean
}

const rowOf = ({ cluster, name, description, score, repeated }: SuggestedName): string[] => [
  String(cluster),
  `${name}${repeated ? ' (repeated)' : ''}`,
  score === null ? '–' : `${score.right} of ${score.of}`,
  description
]

const namedText = ({ names, failed, failure }: NamedRun, { width, bold }: Page): Visible => {
  const head = `${plural(names.length, 'name')} suggested; labels are unchanged.`
  const failures = failure === null ? [] : [`${plural(failed, 'cluster')} got no name; the last reason: ${failure}`]
  const columns = [
    { title: 'cluster', align: 'right' as const },
    { title: 'name', flexible: true },
    { title: 'blind test' },
    { title: 'description', flexible: true }
  ]
  return lines(names.length === 0 ? [] : [renderTable(columns, names.map(rowOf), width, bold), ''], head, failures)
}

/** The command that asks a model for names of clusters. */
export const addNameCommand = ({ command, answer }: CommandMaker): void => {
  command(
    'name <run>',
    'Have a model suggest names of clusters, scored by blind tests; sends contexts of the corpus to the address.',
    'name latest --address http://127.0.0.1:11434/v1 --model llama3.2 --preview --cluster 7',
    'name latest --address http://127.0.0.1:11434/v1 --model llama3.2'
  )
    .requiredOption(
      '--address <url>',
      'OpenAI-compatible server, as in http://127.0.0.1:11434/v1; SPECTROSCOPE_NAMING_KEY holds its key'
    )
    .requiredOption('--model <name>', "name of the server's model")
    .option('--clustering <number>', "one of the run's clusterings; the latest by default", clusteringNumber)
    .option(
      '--cluster <number>',
      'name this cluster only; by default all without a label or a suggestion',
      wholeIn(0, limits.number)
    )
    .option('--time-limit <seconds>', 'seconds that one request may take', numberIn(1, 3600), 120)
    .option('--preview', 'print what would be sent for --cluster, or for cluster 0, and send nothing')
    .action((run: string, { clustering, cluster, address, model, timeLimit, preview, ...options }: NameOptions) =>
      answer(options, async () => {
        const access = { address, model, key: process.env['SPECTROSCOPE_NAMING_KEY'] ?? '', seconds: timeLimit }
        const which = definedOf({ clustering, cluster })
        if (preview === true) {
          const sent = await previewRunNames(options.workspace, run, access, which)
          const test = sent.test === null ? [] : ['', sent.test]
          return { json: sent, text: lines(line`To ${sent.url}, model ${sent.model}:`, '', sent.naming, test) }
        }
        const interrupt = onInterrupt(
          () => complain('Stopping; names that have come are kept.'),
          () => undefined
        )
        try {
          const onProgress = ({ done, total }: { readonly done: number; readonly total: number }): void =>
            complain(`${done} of ${total} clusters`)
          const named = await nameRun(options.workspace, run, access, {
            ...which,
            signal: interrupt.signal,
            onProgress
          })
          return { json: named, text: namedText(named, page()) }
        } finally {
          interrupt.release()
        }
      })
    )
}
