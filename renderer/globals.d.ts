import type { Bridge } from '../preload/contract'

declare global {
  interface Window {
    /** There in the shell, where the preload script provides it. */
    readonly spectroscope?: Bridge
  }
}
