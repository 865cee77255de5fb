import { z } from 'zod'
import { name } from './call-parameters'
import { namingServerSchema } from './contract-naming'
import { limits, path, text } from './limits'

export const themes = ['system', 'light', 'dark'] as const

const mostKeys = 1000

export const settingsSchema = z.strictObject({
  theme: z.enum(themes).default('system'),
  /** Changed keyboard shortcuts: command → keys, such as "ctrl+shift+p" or "g". */
  keys: z
    .record(name, z.array(text(60)).max(8))
    .refine((keys) => Object.keys(keys).length <= mostKeys, `at most ${mostKeys} commands can have their own keys`)
    .default({}),
  /** Folder that opens at the start; empty for the default. */
  workspace: z.union([z.literal(''), path]).default(''),
  engine: text(limits.word).default('auto'),
  threads: z.int().min(1).max(limits.threads).nullable().default(null),
  numberFormat: z.enum(['grouped', 'plain', 'scientific']).default('grouped'),
  author: text(limits.author).default(''),
  /** The server that is asked for names of clusters; nothing is sent while it is off. */
  naming: z
    .strictObject({ ...namingServerSchema.shape, enabled: z.boolean().default(false) })
    .default({ enabled: false, address: '', model: '' }),
  /** Folders that the window of `serve` reaches; no window can change them. */
  folders: z.array(path).max(100).default([])
})
export type Settings = z.output<typeof settingsSchema>

/** Without defaults, which would overwrite settings that are not among the changes. */
export const settingsChanges = z.strictObject({
  theme: settingsSchema.shape.theme.unwrap().optional(),
  keys: settingsSchema.shape.keys.unwrap().optional(),
  workspace: settingsSchema.shape.workspace.unwrap().optional(),
  engine: settingsSchema.shape.engine.unwrap().optional(),
  threads: settingsSchema.shape.threads.unwrap().optional(),
  numberFormat: settingsSchema.shape.numberFormat.unwrap().optional(),
  author: settingsSchema.shape.author.unwrap().optional(),
  naming: settingsSchema.shape.naming.unwrap().optional()
} satisfies Record<Exclude<keyof Settings, 'folders'>, z.ZodType>)

export interface AppState {
  readonly version: string
  readonly shell: 'electron' | 'browser'
  readonly platform: string
  readonly cores: number
  readonly memoryBytes: number
  readonly home: string
  /** Null if none could be opened. */
  readonly workspace: string | null
  /** Why none could be opened, or why the open one is read-only. */
  readonly problem: string | null
  /** Workspace made by somebody else, for *Trust this folder*; null if there is none. */
  readonly untrusted: string | null
  /** Notes for the user, each shown once: unreadable settings, labels from another copy. */
  readonly notes: readonly string[]
  readonly settings: Settings
  readonly views: Readonly<Record<string, unknown>>
  readonly nativeDialogs: boolean
}
