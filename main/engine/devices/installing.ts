export interface InstallProgress {
  /** Bytes downloaded so far. */
  readonly done: number
  /** NaN if the server does not say. */
  readonly total: number
}

export interface InstallOptions {
  readonly onProgress: (progress: InstallProgress) => void
  /** Gets notes on the steps after the download. */
  readonly onNote: (message: string) => void
  readonly signal: AbortSignal
}

/** A planned installation of an engine. */
export interface PlannedInstallation {
  /** Size of the download in bytes; null if the server does not say. */
  readonly bytes: number | null
  readonly folder: string
  /** Text for the user before the download. */
  readonly words: string
  /** Whether everything is already installed. */
  readonly whole: boolean
  readonly install: (options: InstallOptions) => Promise<void>
}

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
