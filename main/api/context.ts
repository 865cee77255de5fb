import type {
  AnswerOf,
  CallParameters,
  Calls,
  NoticeName,
  Notices,
  ParametersOf,
  Settings
} from '../../preload/contract'
import type { FileIdentity, FolderIdentity } from '../base/files'
import type { Workspace } from '../store/store'
import type { Reach } from './reach'

/** A file of settings or of view state. */
export interface SettingsFile {
  readonly path?: string
  /** Notes for the user about the file. */
  readonly notes?: readonly string[]
  get(): unknown
  set(value: Readonly<Record<string, unknown>>): void
}

export type ChoicePurpose = CallParameters<'files.choose'>['purpose']

/** Differences between the Electron shell and `serve`. */
export interface WorkbenchEnvironment {
  readonly shell: 'electron' | 'browser'
  readonly settings: SettingsFile
  readonly views: SettingsFile
  /** Workspace requested at the start; by default that of the settings, or the default one. */
  readonly workspace?: string
  /** Trust the workspace opened at the start permanently. */
  readonly trust?: boolean
  /** Folders that the window may access besides the usual ones. If absent, it may access everything its user can. */
  readonly folders?: readonly string[]
  /** Shows the system's file dialog; [] if the user dismissed it. */
  readonly choose?: (purpose: ChoicePurpose, title: string, suggested: string | undefined) => Promise<readonly string[]>
  /** Notes for the user about how the program was started. */
  readonly notes?: () => readonly string[]
  /**
   * An address from which the window can fetch a file once, or the files of a folder as one archive, if they are
   * still the same.
   */
  readonly link?: (path: string, files: FileIdentity | FolderIdentity) => string
  /** Shows a system notification. */
  readonly notify?: (title: string, body: string) => void
}

/** Shared by all handlers. */
export interface WorkbenchContext {
  readonly environment: WorkbenchEnvironment
  readonly reach: Reach
  settings(): Settings
  /** Author of changes: from the settings, or the user of this machine. */
  author(): string
  /** Throws a `workspace` error if none is open. */
  workspace(): Workspace
  emit<N extends NoticeName>(name: N, data: Notices[N]): void
}

/** Handlers of the calls of one noun. */
export type HandlersOf<N extends keyof Calls> = {
  readonly [V in keyof Calls[N]]: (
    parameters: ParametersOf<Calls[N][V]>
  ) => AnswerOf<Calls[N][V]> | Promise<AnswerOf<Calls[N][V]>>
}
export type CallHandlers = { readonly [N in keyof Calls]: HandlersOf<N> }
