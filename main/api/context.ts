import type {
  AnswerOf,
  CallParameters,
  Calls,
  NoticeName,
  Notices,
  ParametersOf,
  Settings
} from '../../preload/contract'
import type { FileIdentity } from '../base/files'
import type { Workspace } from '../store/store'
import type { Reach } from './reach'

/** A file of settings or of view state. */
export interface SettingsFile {
  readonly path?: string
  /** What a person should know of it, in sentences. */
  readonly notes?: readonly string[]
  get(): unknown
  set(value: Readonly<Record<string, unknown>>): void
}

export type ChoicePurpose = CallParameters<'files.choose'>['purpose']

/** What differs between the shell and `serve`. */
export interface WorkbenchEnvironment {
  readonly shell: 'electron' | 'browser'
  readonly settings: SettingsFile
  readonly views: SettingsFile
  /** The workspace that was asked for at the start; otherwise that of the settings, or the default. */
  readonly workspace?: string
  /** Trusts the workspace that is opened at the start, for good. */
  readonly trust?: boolean
  /** Folders that the window keeps to, beside the usual ones; where not given, it goes wherever its user may. */
  readonly folders?: readonly string[]
  /** The system's own dialog; [] where it was dismissed. */
  readonly choose?: (purpose: ChoicePurpose, title: string, suggested: string | undefined) => Promise<readonly string[]>
  /** What a person should know of how the program was started, in sentences. */
  readonly notes?: () => readonly string[]
  /** An address from which the window can fetch a file once, if it is still the same. */
  readonly link?: (path: string, file: FileIdentity) => string
  /** Tells a person who is not looking at the window. */
  readonly notify?: (title: string, body: string) => void
}

/** What the handlers of all nouns share. */
export interface WorkbenchContext {
  readonly environment: WorkbenchEnvironment
  readonly reach: Reach
  settings(): Settings
  /** Name that changes are signed with: the setting, or the user of this machine. */
  author(): string
  /** Throws a `workspace` error where none is open. */
  workspace(): Workspace
  emit<N extends NoticeName>(name: N, data: Notices[N]): void
}

/** The handlers of a noun's calls. */
export type HandlersOf<N extends keyof Calls> = {
  readonly [V in keyof Calls[N]]: (
    parameters: ParametersOf<Calls[N][V]>
  ) => AnswerOf<Calls[N][V]> | Promise<AnswerOf<Calls[N][V]>>
}
export type CallHandlers = { readonly [N in keyof Calls]: HandlersOf<N> }
