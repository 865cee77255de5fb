/** What one browser, and all of them together, may take of the program. */
export interface ServeLimits {
  /** Windows that are connected at once. */
  readonly windows: number
  /** HTTP connections, those of the windows among them. */
  readonly connections: number
  /** Calls of one window that are being answered; further ones are not read until one of them is. */
  readonly calls: number
  /** Calls of all windows together that are being answered; further ones wait as those of one window do. */
  readonly allCalls: number
  /** Bytes that wait for a window to read them, or that its calls brought; with more, nothing is read of it. */
  readonly waitingBytes: number
  /** Bytes that are held for all windows together; beyond that the connection that holds the most is ended. */
  readonly heldBytes: number
  /** Values in one message: 1,000,000 tokens put apart, and their call around them. */
  readonly values: number
  /** Seconds that a message may take to arrive, and one more for each 64 KiB. */
  readonly messageSeconds: number
  /** Seconds after which a window that gives no sign of life is taken for gone. */
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
