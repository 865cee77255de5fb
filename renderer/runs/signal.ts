import type { SignalPreview } from '../../preload/contract'

/** Elapsed fraction of a preview, always below 1, and its phase in words. */
export const previewProgress = (
  elapsed: number,
  expected: number
): { readonly fraction: number; readonly words: string } => ({
  fraction: Math.min(0.97, elapsed / expected),
  words:
    elapsed < expected ? `${Math.floor(elapsed)} s of about ${expected} s` : `${Math.floor(elapsed)} s, almost done`
})

/** Rounds that a component needs, marked if the run takes fewer. */
export const roundsNeededWords = (needed: number | null, most: number | null): string =>
  needed === null
    ? '–'
    : !Number.isFinite(needed)
      ? 'not yet known'
      : most !== null && needed > most
        ? `${needed} ▲`
        : String(needed)

/** How many of the sampled components need more rounds than the run takes. */
export const shortOf = ({ components }: SignalPreview, most: number | null): number =>
  most === null ? 0 : components.filter(({ roundsNeeded }) => roundsNeeded !== null && roundsNeeded > most).length

/** Adds a full stop unless there is one. */
export const ended = (words: string): string => words.trim().replace(/[^.!?]$/, '$&.')
