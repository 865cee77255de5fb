import type { AnnotationsChanged, UndoState } from './contract-annotations'
import type { Job } from './contract-explore'
import type { SuggestedNames } from './contract-naming'
import type { RunEvent } from './contract-progress'
import type { TraceNotice } from './contract-runs'
import type { Settings } from './contract-settings'
import type { PlainError } from './errors'

/** What the main side tells every window without being asked. */
export interface Notices {
  readonly 'runs-changed': null
  readonly 'run-event': { readonly run: string; readonly event: RunEvent }
  readonly trace: TraceNotice
  readonly job: Job
  readonly annotations: AnnotationsChanged
  readonly 'suggested-names': SuggestedNames
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
