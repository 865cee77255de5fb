import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { runName, tokens, where } from './call-parameters'
import { clusterSchema as cluster } from './contract-annotations'
import { limits, path, text } from './limits'

export const clusterExportFormats = ['annotated', 'site', 'html', 'csv', 'parquet', 'npy', 'zarr', 'json'] as const
export type ClusterExportFormat = (typeof clusterExportFormats)[number]

/** Formats that hold any tokens; the others hold whole clusters. */
export const tokenExportFormats = ['csv', 'parquet', 'npy', 'json'] as const
export type TokenExportFormat = (typeof tokenExportFormats)[number]
export const isTokenFormat = (format: ClusterExportFormat): format is TokenExportFormat =>
  tokenExportFormats.some((other) => other === format)

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
  /** Runs of this workspace with the same study, to which its labels can be transferred. */
  readonly fits: readonly { readonly run: string; readonly name: string; readonly clustering: number }[]
}

export interface ImportAnswer {
  readonly run: string
  readonly clustering: number
  readonly clusters: number
  readonly labels: number
  /** Sentences about labels without a matching cluster. */
  readonly left: readonly string[]
}

/** What results of another program have. */
export interface ForeignInspection {
  readonly kind: 'results' | 'samples'
  readonly name: string
  /** Null where it depends on the choice of an observable. */
  readonly tokens: number | null
  readonly components: readonly string[]
  /** Of samples: data sets whose losses were recorded at each draw. */
  readonly observables: readonly { readonly id: string; readonly rows: number; readonly tokens: number }[]
}

/** A run that was made of another program's results. It has no clusters yet. */
export interface ForeignAnswer {
  readonly run: string
  readonly name: string
  readonly kind: string
  readonly tokens: number
  readonly components: readonly string[]
  /** Sentences about how the numbers were made, and about what was left out. */
  readonly notes: readonly string[]
}

/** `true` allows replacing an export. A file name allows replacing that file, whatever it contains. */
const overwrite = z.union([z.boolean(), z.string().min(1).max(limits.path)]).default(false)
/** Contexts on the page of a cluster, at most, so that a browser opens it. */
export const mostContexts = 500
const contextsOnPage = z.int().min(1).max(mostContexts)

const bytes = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length <= 256 * 2 ** 20,
  'expected at most 256 MiB of bytes'
)

export const exportsCalls = {
  write: call(
    {
      ...where,
      format: z.enum(clusterExportFormats),
      clusters: z.union([z.literal('all'), z.literal('labelled'), z.array(cluster).min(1).max(limits.groupsNamed)]),
      /** Writes only these tokens, whatever clusters they are in; for `tokenExportFormats`. */
      tokens: tokens.optional(),
      /** A file for `annotated` and `html`, otherwise a folder. */
      path,
      overwrite,
      picture: text(64 * 2 ** 20).optional(),
      /** Contexts on the page of each cluster of a site. */
      contexts: contextsOnPage.optional(),
      /** Leaves text cells of CSV as they are, also where a spreadsheet would compute them. */
      rawCells: z.boolean().default(false)
    },
    gives<ExportAnswer>()
  ),
  picture: call({ path, content: bytes, overwrite }, gives<ExportAnswer>()),
  /**
   * An address from which a browser can fetch once what was just exported, a folder as one ZIP file; null in the
   * shell.
   */
  link: call({ path }, gives<{ readonly address: string } | null>())
}

export const importsCalls = {
  inspect: call({ path }, gives<ImportInspection>()),
  /** Uploads a file whose path is unknown (dropped on a browser). Returns the path to import from. */
  receive: call({ name: runName.min(1), content: bytes }, gives<{ readonly path: string }>()),
  /**
   * With `into`, transfers labels to that run's clustering, matched by tokens. Otherwise creates a new run from the
   * set.
   */
  annotated: callInOrder({ path, into: z.strictObject(where).optional() }, gives<ImportAnswer>())
}
