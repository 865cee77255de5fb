export interface InstallProgress {
  /** Bytes, of those that are downloaded. */
  readonly done: number
  /** NaN where the server does not say. */
  readonly total: number
}

export interface InstallOptions {
  readonly onProgress: (progress: InstallProgress) => void
  /** What is done now, after the download. */
  readonly onNote: (message: string) => void
  readonly signal: AbortSignal
}

/** What an engine's installation would do, and does. */
export interface PlannedInstallation {
  /** Of the download; null where the server does not say. */
  readonly bytes: number | null
  readonly folder: string
  /** What a person should know before the download. */
  readonly words: string
  /** Whether all of it is there already, so that nothing is to be done. */
  readonly whole: boolean
  readonly install: (options: InstallOptions) => Promise<void>
}

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
