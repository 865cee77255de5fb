/** Resource limits for one browser and for all of them together. */
export interface ServeLimits {
  /** Windows connected at once. */
  readonly windows: number
  /** HTTP connections, including those of the windows. */
  readonly connections: number
  /** Running calls of one window. Further calls are not read until one has been answered. */
  readonly calls: number
  /** Running calls of all windows together. Further calls wait as for one window. */
  readonly allCalls: number
  /**
   * Bytes waiting to be read by a window, or received with its running calls. Beyond this, nothing more is read from
   * the window.
   */
  readonly waitingBytes: number
  /** Bytes held for all windows together. Beyond this, the connection that holds the most is closed. */
  readonly heldBytes: number
  /** Values in one message: enough to split off 1,000,000 tokens in one call. */
  readonly values: number
  /** Seconds that a message may take to arrive, plus one second per 64 KiB. */
  readonly messageSeconds: number
  /** Seconds after which a silent window counts as gone. */
  readonly silenceSeconds: number
}

export const usualLimits: ServeLimits = {
  windows: 32,
  connections: 256,
  calls: 32,
  allCalls: 128,
  waitingBytes: 16 * 2 ** 20,
  heldBytes: 2 ** 30,
  values: 2 * 2 ** 20,
  messageSeconds: 30,
  silenceSeconds: 60
}
