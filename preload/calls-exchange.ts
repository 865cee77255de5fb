import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { runName, where } from './call-parameters'
import { clusterSchema as cluster } from './contract-annotations'
import { limits, path, text } from './limits'

export const clusterExportFormats = ['annotated', 'html', 'csv', 'parquet', 'npy', 'json'] as const
export type ClusterExportFormat = (typeof clusterExportFormats)[number]

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

/** `true` allows that an export is replaced, a file's own name that this file is, whatever it holds. */
const overwrite = z.union([z.boolean(), z.string().min(1).max(limits.path)]).default(false)
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
      /** A file for `annotated` and `html`, a folder otherwise. */
      path,
      overwrite,
      picture: text(64 * 2 ** 20).optional(),
      /** Leaves text cells of CSV as they are, also where a spreadsheet would compute them. */
      rawCells: z.boolean().default(false)
    },
    gives<ExportAnswer>()
  ),
  picture: call({ path, content: bytes, overwrite }, gives<ExportAnswer>()),
  /** An address from which a browser can fetch a file that was just exported; null in the shell. */
  link: call({ path }, gives<{ readonly address: string } | null>())
}

export const importsCalls = {
  inspect: call({ path }, gives<ImportInspection>()),
  /**
   * Takes a file's content where its path cannot be known (dropped on a browser); answers with the path to import
   * from.
   */
  receive: call({ name: runName.min(1), content: bytes }, gives<{ readonly path: string }>()),
  /** `run`: its labels go to that run's clustering, matched by tokens; otherwise the set becomes a run of its own. */
  annotated: callInOrder({ path, into: z.strictObject(where).optional() }, gives<ImportAnswer>())
}
