/** A colour of the current theme, as a CSS value for canvases. */
export const colourOf = (name: string, element: Element = document.documentElement): string =>
  getComputedStyle(element).getPropertyValue(`--${name}`).trim()

/** Colours and dashes that tell up to eight lines apart, with and without colour vision. */
export const seriesLook = (index: number): { readonly colour: string; readonly dash: readonly number[] } => {
  const dashes = [[], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [1, 3], [6, 2, 2, 2, 2, 2]] as const
  return { colour: `series-${(index % 8) + 1}`, dash: dashes[Math.floor(index) % dashes.length] }
}

/** Calls `changed` whenever colours may have changed; returns a function that stops it. */
export const onTheme = (changed: () => void): (() => void) => {
  const observer = new MutationObserver(changed)
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
  const media = window.matchMedia('(prefers-color-scheme: dark)')
  media.addEventListener('change', changed)
  return () => {
    observer.disconnect()
    media.removeEventListener('change', changed)
  }
}

const channels = (colour: string): readonly [number, number, number] => {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour)?.[1]
  return hex === undefined
    ? [128, 128, 128]
    : ([0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as [number, number, number])
}

/** Colours from `negative` over `neutral` to `positive` for -1 … 1, each as "rgb(r, g, b)", in 2·steps + 1 steps. */
export const divergingScale = (negative: string, neutral: string, positive: string, steps = 64): readonly string[] => {
  const [low, middle, high] = [negative, neutral, positive].map(channels)
  return Array.from({ length: 2 * steps + 1 }, (_, index) => {
    const at = (index - steps) / steps
    const end = at < 0 ? low : high
    // The exponent makes small values, which are the most frequent, more visible.
    const share = Math.abs(at) ** 0.8
    const mixed = middle.map((value, channel) => Math.round(value + share * (end[channel] - value)))
    return `rgb(${mixed.join(', ')})`
  })
}
