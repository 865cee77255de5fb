import type { AnnotationsChanged, UndoState } from './contract-annotations'
import type { Job } from './contract-explore'
import type { SuggestedNames } from './contract-naming'
import type { RunEvent } from './contract-progress'
import type { TraceNotice } from './contract-runs'
import type { Settings } from './contract-settings'
import type { PlainError } from './errors'

/** Notices that the main side sends to every window. */
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
  /** Another workspace was opened, or this one was reopened after its store process died. */
  readonly workspace: { readonly folder: string; readonly reopened: boolean }
  /** A problem, and its remedy. */
  readonly problem: PlainError & { readonly run?: string }
  /** A command for the window, from the application menu or a second start of the program. */
  readonly command: { readonly command: string }
  /** Files dropped on, or opened with, the program. */
  readonly opened: { readonly paths: readonly string[] }
  /**
   * The window is about to close while runs are in progress. Ask the user, then call `answerClosing` of the bridge.
   */
  readonly closing: { readonly runs: readonly string[] }
}
export type NoticeName = keyof Notices

export type CallAnswer =
  { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: PlainError }

/**
 * State of a window's connection to the main side. `foreign` means that another program, or one with other keys, is
 * at its address.
 */
export type Connection = 'open' | 'lost' | 'foreign'

/** Interface given to the renderer as `window.spectroscope` by the preload script or the connection to `serve`. */
export interface Bridge {
  readonly shell: 'electron' | 'browser'
  call(method: string, parameters: unknown): Promise<CallAnswer>
  /** Sets the listener for all notices. Returns a function that removes it. */
  onNotice(listener: (name: string, data: unknown) => void): () => void
  /** Path of a dropped file; null in browsers, which hide it. */
  pathOf(file: File): string | null
  /** How to close while runs are in progress: continue without a window, stop with a checkpoint, or stay open. */
  answerClosing(answer: 'keep-running' | 'checkpoint' | 'stay'): void
  /** Reports the state of the connection; always 'open' in Electron. */
  onConnection(listener: (state: Connection) => void): () => void
}
