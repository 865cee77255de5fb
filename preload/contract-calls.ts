import { z } from 'zod'
import { clusteringSchema } from './configuration'
import type { RunConfiguration } from './configuration'
import type { EngineInstallation, EngineRate, RunEvent, RunHealth } from './contract-progress'
import { annotationChangeSchema, clusterSchema as cluster } from './contract-annotations'
import type {
  Annotation,
  AnnotationsChanged,
  AnnotationTarget,
  BlindScore,
  JournalStep,
  RunMarks,
  UndoAnswer,
  UndoState
} from './contract-annotations'
import { strata } from './contract-explore'
import type {
  ClusterDetails,
  ClusteringOverview,
  ClusterLayout,
  Comparison,
  GalleryPage,
  Job,
  TokenDetails,
  TokenLayout
} from './contract-explore'
import type {
  ConfigurationCheck,
  CorpusPreview,
  Estimate,
  FolderListing,
  HeatMap,
  LiveRun,
  ModelDescription,
  RunEntry,
  SignalPreview,
  TraceNotice
} from './contract-runs'
import type { PlainError } from './errors'
import { index, limits, path, text } from './limits'
import { groupKinds } from './records'
import type { ClusterNumber, RunRecord, TokenInContext, TraceRecord } from './records'

export const themes = ['system', 'light', 'dark'] as const

/** A name that a window makes up: letters first, so that it is never one of an object's own. */
const name = z.string().regex(/^[a-z][\w.:/ -]{0,199}$/i, 'expected a name of letters, digits, and . : / - _')

const mostKeys = 1000

export const settingsSchema = z.strictObject({
  theme: z.enum(themes).default('system'),
  /** Keys of commands that are not the defaults: command → keys, as in "ctrl+shift+p" or "g". */
  keys: z
    .record(name, z.array(text(60)).max(8))
    .refine((keys) => Object.keys(keys).length <= mostKeys, `there is room for the keys of ${mostKeys} commands`)
    .default({}),
  /** Folder that opens at the start; empty for the default. */
  workspace: z.union([z.literal(''), path]).default(''),
  engine: text(limits.word).default('auto'),
  threads: z.int().min(1).max(limits.threads).nullable().default(null),
  numberFormat: z.enum(['grouped', 'plain', 'scientific']).default('grouped'),
  author: text(limits.author).default(''),
  /** Folders that the window of `serve` reaches; no window can change them. */
  folders: z.array(path).max(100).default([])
})
export type Settings = z.output<typeof settingsSchema>

/** Without defaults, which would set every setting that is not among the changes. */
const settingsChanges = z.strictObject({
  theme: settingsSchema.shape.theme.unwrap().optional(),
  keys: settingsSchema.shape.keys.unwrap().optional(),
  workspace: settingsSchema.shape.workspace.unwrap().optional(),
  engine: settingsSchema.shape.engine.unwrap().optional(),
  threads: settingsSchema.shape.threads.unwrap().optional(),
  numberFormat: settingsSchema.shape.numberFormat.unwrap().optional(),
  author: settingsSchema.shape.author.unwrap().optional()
} satisfies Record<Exclude<keyof Settings, 'folders'>, z.ZodType>)

const run = text(limits.runName).min(1)
const runName = text(limits.runName)
const clustering = z.int().min(1).max(limits.number)
const changeId = z
  .string()
  .regex(/^[\w-]{8,100}$/)
  .optional()
const where = { run, clustering }
/** `true` allows that an export is replaced, a file's own name that this file is, whatever it holds. */
const overwrite = z.union([z.boolean(), z.string().min(1).max(limits.path)]).default(false)
const context = { before: index.max(1024).default(24), after: index.max(1024).default(24) }
const searched = text(1000).min(1)
const tokens = z.custom<Int32Array>(
  (value) => value instanceof Int32Array && value.length <= limits.tokensNamed && value.every((token) => token >= 0),
  `expected an Int32Array of at most ${limits.tokensNamed.toLocaleString('en')} token indices`
)
const bytes = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length <= 256 * 2 ** 20,
  'expected at most 256 MiB of bytes'
)
const configuration = z.custom<object>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object'
)

export const clusterExportFormats = ['annotated', 'html', 'csv', 'parquet', 'npy', 'json'] as const
export type ClusterExportFormat = (typeof clusterExportFormats)[number]

/** Everything that a window can ask for, with the schema of its parameters, checked at the main side before anything is done. */
export const callSchemas = {
  'app.state': z.strictObject({}),
  'settings.change': z.strictObject({ changes: settingsChanges }),
  /** View state: pane sizes, sort orders, what was open. */
  'views.save': z.strictObject({ key: name, value: z.json() }),
  'workspace.open': z.strictObject({ folder: path, create: z.boolean().default(false) }),
  /** Trusts the workspace that `untrusted` names, for good, and opens it for writing. */
  'workspace.trust': z.strictObject({ folder: path }),
  'engines.measure': z.strictObject({}),
  /** What an installation needs and downloads; looks at the server for that. */
  'engines.describeInstallation': z.strictObject({ name }),
  /** Answers with a job. */
  'engines.install': z.strictObject({ name }),
  'jobs.list': z.strictObject({}),
  'jobs.cancel': z.strictObject({ job: text(limits.word) }),
  /** A folder of this machine; the home folder where none is given. */
  'files.list': z.strictObject({ folder: path.optional(), hidden: z.boolean().default(false) }),
  /** The system's own dialog; answers null where there is none, and [] where it was dismissed. */
  'files.choose': z.strictObject({
    purpose: z.enum([
      'model',
      'corpus-files',
      'corpus-folder',
      'folder',
      'save',
      'import',
      'workspace',
      'configuration'
    ]),
    title: text(limits.word),
    suggested: text(limits.path).optional()
  }),

  'models.describe': z.strictObject({ folder: path, weights: path.optional() }),
  /** Answers with a job. */
  'models.fetch': z.strictObject({
    name: runName.min(1),
    revision: text(limits.word).optional(),
    folder: path.optional()
  }),
  'corpora.preview': z.strictObject({ configuration, baseFolder: path, rows: index.max(200).default(12) }),

  'runs.list': z.strictObject({}),
  'runs.get': z.strictObject({ run }),
  /** A configuration file as it is, and the folder that its relative paths start from. */
  'runs.readConfiguration': z.strictObject({ path }),
  'runs.check': z.strictObject({ configuration, baseFolder: path }),
  'runs.estimate': z.strictObject({ configuration, baseFolder: path }),
  /** Starts at once, or waits for the run at work to end. Relative paths start from the base folder. */
  'runs.start': z.strictObject({ name: runName, configuration, baseFolder: path }),
  /** What a run is likely to need: samples a few of its components for about half a minute. */
  'runs.previewSignal': z.strictObject({
    configuration,
    baseFolder: path,
    seconds: z.number().min(1).max(600).default(30)
  }),
  /** Ends the preview that is at work, which then fails as interrupted. */
  'runs.stopPreview': z.strictObject({}),
  /** A new run that begins with the sums of a finished one, with more rounds (of all, not further ones) or a higher target; its clustering is made anew. */
  'runs.continue': z.strictObject({
    run,
    name: runName.min(1).optional(),
    rounds: z.int().min(1).max(limits.draws).optional(),
    reliability: z.number().gt(0).lt(1).optional()
  }),
  'runs.startDemo': z.strictObject({}),
  /** The demonstration as the program ships it, finished: copied into the workspace where it is not there yet. */
  'runs.openExample': z.strictObject({}),
  'runs.resume': z.strictObject({ run, engine: text(limits.word).optional() }),
  /** Stops with a checkpoint; answers once it is written. */
  'runs.pause': z.strictObject({ run }),
  'runs.recluster': z.strictObject({ run, name: runName, configuration: clusteringSchema }),
  'runs.change': z.strictObject({
    run,
    changes: z.strictObject({
      name: runName.min(1).optional(),
      archived: z.boolean().optional(),
      deleted: z.boolean().optional()
    })
  }),
  'runs.live': z.strictObject({ run }),
  'runs.health': z.strictObject({ run }),
  'runs.traces': z.strictObject({ run }),
  'runs.heatMap': z.strictObject({ ...where, most: index.max(100_000).default(2000) }),
  'runs.compare': z.strictObject({ left: z.strictObject(where), right: z.strictObject(where) }),

  /** Describes the clustering first where that has not been done, which takes a while; a job tells how far it is. */
  'clusters.overview': z.strictObject(where),
  'clusters.details': z.strictObject({ ...where, cluster }),
  /**
   * Numbers of the clusters that have a token whose text contains `text`; where it is a regular expression, of those
   * that have a token, a name, a note or a tag that matches it.
   */
  'clusters.search': z.strictObject({ ...where, text: searched, regularExpression: z.boolean().default(false) }),
  'clusters.tokens': z.strictObject({
    ...where,
    cluster,
    stratum: z.enum(strata).default('central'),
    seed: z.int().min(0).default(1),
    toward: cluster.optional(),
    tokenId: index.optional(),
    subset: text(limits.text).optional(),
    offset: index.default(0),
    limit: index.max(1000).default(60),
    ...context
  }),
  'clusters.members': z.strictObject({ ...where, cluster }),
  'tokens.contexts': z.strictObject({ run, tokens, ...context }),
  'tokens.details': z.strictObject({ ...where, token: index, ...context }),
  /** Tokens whose own text contains `text`, in order. */
  'tokens.find': z.strictObject({ run, text: searched, limit: index.max(10_000).default(500) }),
  /** Cluster of every token, or its group of another level (-1 for those in none). */
  'tokens.membership': z.strictObject({ ...where, level: z.enum(groupKinds).default('cluster') }),
  /** Strength of every token in its cluster, 0 to 1; NaN for what is left over; empty where the draws were not split. */
  'tokens.strengths': z.strictObject(where),
  /** Index into `ClusteringOverview.subsets` of every token. */
  'tokens.subsets': z.strictObject(where),
  /** χ̂ of every token in one component. */
  'tokens.column': z.strictObject({ run, component: text(limits.word) }),
  /** Edges of the neighbour graph that touch the given tokens: pairs, with their weights. */
  'tokens.edges': z.strictObject({ ...where, tokens, most: index.max(1_000_000).default(20_000) }),
  /** The layout where it is kept; otherwise starts to compute it and answers with the job. */
  'graph.tokens': z.strictObject({ ...where, again: z.boolean().default(false) }),
  'graph.clusters': z.strictObject(where),

  /** A change whose `id` was done already is not done again, so that it can be sent again when its answer was lost. */
  'labels.apply': z.strictObject({
    ...where,
    changes: z.array(annotationChangeSchema).min(1).max(1000),
    words: text(limits.words).min(1),
    id: changeId
  }),
  /** Only the step of that number, where one is given: what a window shows may be older than what another one did. */
  'labels.undo': z.strictObject({ step: z.int().min(1).optional() }),
  'labels.redo': z.strictObject({ step: z.int().min(1).optional() }),
  'labels.history': z.strictObject({ limit: index.max(10_000).default(200) }),
  /** Six contexts, one of them from elsewhere, in an order that says nothing. */
  'labels.blindTest': z.strictObject({ ...where, cluster }),
  'labels.answerBlindTest': z.strictObject({ test: text(limits.word), choice: index.max(5) }),
  /** What the labels of one clustering would become in another, by overlap; `apply` writes them as one step. */
  'labels.carry': z.strictObject({
    from: z.strictObject(where),
    to: z.strictObject(where),
    least: z.number().min(0).max(1).default(0.5),
    apply: z.boolean().default(false)
  }),
  /** Names for a cluster, likeliest first, from its top tokens, patterns and subsets. */
  'labels.suggest': z.strictObject({ ...where, cluster }),
  'labels.backUp': z.strictObject({}),

  'exports.write': z.strictObject({
    ...where,
    format: z.enum(clusterExportFormats),
    clusters: z.union([z.literal('all'), z.literal('labelled'), z.array(cluster).min(1).max(limits.groupsNamed)]),
    /** A file for `annotated` and `html`, a folder otherwise. */
    path,
    overwrite,
    picture: text(64 * 2 ** 20).optional(),
    /** Leaves text cells of CSV as they are, also where a spreadsheet would compute them. */
    rawCells: z.boolean().default(false)
  }),
  'exports.picture': z.strictObject({ path, content: bytes, overwrite }),
  /** An address from which a browser can fetch a file that was just exported; null in the shell. */
  'exports.link': z.strictObject({ path }),
  'imports.inspect': z.strictObject({ path }),
  /** Takes a file's content where its path cannot be known (dropped on a browser); answers with the path to import from. */
  'imports.receive': z.strictObject({ name: runName.min(1), content: bytes }),
  /** `run`: its labels go to that run's clustering, matched by tokens; otherwise the set becomes a run of its own. */
  'imports.annotated': z.strictObject({ path, into: z.strictObject(where).optional() })
} as const

export interface AppState {
  readonly version: string
  readonly shell: 'electron' | 'browser'
  readonly platform: string
  readonly cores: number
  readonly memoryBytes: number
  readonly home: string
  /** Null where none could be opened. */
  readonly workspace: string | null
  /** Why none could be opened, or why the one that is open can only be read. */
  readonly problem: string | null
  /** The workspace that somebody else made, which *Trust this folder* lets be changed; null where there is none. */
  readonly untrusted: string | null
  /** What a person should know, each said once: settings that could not be read, labels that another copy has. */
  readonly notes: readonly string[]
  readonly settings: Settings
  readonly views: Readonly<Record<string, unknown>>
  readonly nativeDialogs: boolean
}

export interface Carried {
  /** `target` is what carries the label; `from` is its cluster: of a merge the first one, of a part the one it is of. */
  readonly proposals: readonly {
    readonly target: AnnotationTarget
    readonly from: ClusterNumber
    readonly to: ClusterNumber
    readonly jaccard: number
    readonly name: string
    readonly replaces: string | null
  }[]
  readonly applied: boolean
}

export interface BlindTest {
  readonly test: string
  readonly contexts: readonly TokenInContext[]
}

export interface ExportAnswer {
  readonly path: string
  readonly files: readonly string[]
  readonly bytes: number
}

export interface ImportInspection {
  readonly name: string
  readonly version: number
  readonly createdAt: string
  readonly model: string
  readonly tokens: number
  readonly clusters: number
  readonly labelled: number
  /** Runs of this workspace with the same study, into which its labels can go. */
  readonly fits: readonly { readonly run: string; readonly name: string; readonly clustering: number }[]
}

export interface ImportAnswer {
  readonly run: string
  readonly clustering: number
  readonly clusters: number
  readonly labels: number
  /** In words: labels that found no cluster here. */
  readonly left: readonly string[]
}

export interface CallResults {
  'app.state': AppState
  'settings.change': Settings
  'views.save': null
  'workspace.open': AppState
  'workspace.trust': AppState
  'engines.measure': readonly EngineRate[]
  'engines.describeInstallation': EngineInstallation
  'engines.install': Job
  'jobs.list': readonly Job[]
  'jobs.cancel': null
  'files.list': FolderListing
  'files.choose': readonly string[] | null
  'models.describe': ModelDescription
  'models.fetch': Job
  'corpora.preview': CorpusPreview
  'runs.list': readonly RunEntry[]
  'runs.get': RunRecord
  'runs.readConfiguration': { readonly configuration: object; readonly baseFolder: string }
  'runs.check': ConfigurationCheck
  'runs.estimate': Estimate
  'runs.start': { readonly run: string }
  'runs.previewSignal': SignalPreview
  'runs.stopPreview': null
  'runs.continue': { readonly run: string }
  'runs.startDemo': { readonly run: string }
  'runs.openExample': { readonly run: string }
  'runs.resume': null
  'runs.pause': null
  'runs.recluster': { readonly run: string }
  'runs.change': { readonly marks: RunMarks; readonly undo: UndoState }
  'runs.live': LiveRun
  'runs.health': RunHealth
  'runs.traces': readonly TraceRecord[]
  'runs.heatMap': HeatMap
  'runs.compare': Comparison
  'clusters.overview': ClusteringOverview
  'clusters.details': ClusterDetails
  'clusters.search': Int32Array
  'clusters.tokens': GalleryPage
  'clusters.members': Int32Array
  'tokens.contexts': readonly TokenInContext[]
  'tokens.details': TokenDetails
  'tokens.find': Int32Array
  'tokens.membership': Int32Array
  'tokens.strengths': Float32Array
  'tokens.subsets': Int32Array
  'tokens.column': Float32Array
  'tokens.edges': {
    readonly from: Int32Array
    readonly to: Int32Array
    readonly weights: Float32Array
    readonly cut: boolean
  }
  'graph.tokens': TokenLayout | { readonly state: 'working'; readonly job: Job }
  'graph.clusters': ClusterLayout
  'labels.apply': AnnotationsChanged
  'labels.undo': UndoAnswer
  'labels.redo': UndoAnswer
  'labels.history': readonly JournalStep[]
  'labels.blindTest': BlindTest
  'labels.answerBlindTest': { readonly odd: number; readonly right: boolean; readonly score: BlindScore }
  'labels.carry': Carried
  'labels.suggest': { readonly names: readonly string[] }
  'labels.backUp': { readonly file: string }
  'exports.write': ExportAnswer
  'exports.picture': ExportAnswer
  'exports.link': { readonly address: string } | null
  'imports.inspect': ImportInspection
  'imports.receive': { readonly path: string }
  'imports.annotated': ImportAnswer
}

export type CallName = keyof typeof callSchemas
/** Parameters as a window gives them: keys with a default may be left out. */
export type CallInput<M extends CallName> = z.input<(typeof callSchemas)[M]>
/** Parameters as the main side sees them. */
export type CallParameters<M extends CallName> = z.output<(typeof callSchemas)[M]>
export type CallResult<M extends CallName> = CallResults[M]

/** What the main side tells every window without being asked. */
export interface Notices {
  readonly 'runs-changed': null
  readonly 'run-event': { readonly run: string; readonly event: RunEvent }
  readonly trace: TraceNotice
  readonly job: Job
  readonly annotations: AnnotationsChanged
  /** What can be undone, after a change to a run itself. */
  readonly undo: UndoState
  readonly settings: Settings
  /** Another workspace was opened, or this one again after its store process ended. */
  readonly workspace: { readonly folder: string; readonly reopened: boolean }
  /** Something that a person should know, and what to do about it. */
  readonly problem: PlainError & { readonly run?: string }
  /** A menu of the shell, or a second start of the program, asks for a command of the window. */
  readonly command: { readonly command: string }
  /** Files dropped on, or opened with, the program. */
  readonly opened: { readonly paths: readonly string[] }
  /** The window is to close while runs are at work: ask, then call `window.close` of the bridge. */
  readonly closing: { readonly runs: readonly string[] }
}
export type NoticeName = keyof Notices

export type CallAnswer =
  { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: PlainError }

/** Of a window to the main side; `foreign` where another program, or one with other keys, is at its address. */
export type Connection = 'open' | 'lost' | 'foreign'

/** What the preload script, or the connection to `serve`, gives the renderer as `window.spectroscope`. */
export interface Bridge {
  readonly shell: 'electron' | 'browser'
  call(method: string, parameters: unknown): Promise<CallAnswer>
  /** One listener for all notices; returns its removal. */
  onNotice(listener: (name: string, data: unknown) => void): () => void
  /** The path of a dropped file; null where a browser hides it. */
  pathOf(file: File): string | null
  /** How to close while runs are at work: go on without a window, stop them with a checkpoint, or stay. */
  answerClosing(answer: 'keep-running' | 'checkpoint' | 'stay'): void
  /** The connection to the main side; always 'open' in the shell. */
  onConnection(listener: (state: Connection) => void): () => void
}

export type { Annotation, RunConfiguration }
