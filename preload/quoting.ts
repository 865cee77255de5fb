import { visibleText } from './visible'

/** Halves of UTF-16 pairs, which are no characters. */
const unkeepable = /\p{Surrogate}/gu

/** A text as it can be kept: U+FFFD stands for every lone half of a pair. */
export const keepableText = (text: string): string => text.replace(unkeepable, '\ufffd')

const mostShown = 80
const endShown = 30

/**
 * A text as a message quotes it: on one line, made visible, and at most 80 characters of it, of a longer one its
 * beginning and its end, so that a path still names its file.
 */
export const briefly = (given: string): string => {
  if (given.length <= mostShown) return visibleText(given)
  const [start, end] = [given.slice(0, mostShown - endShown - 3), given.slice(-endShown)]
  // A cut must not leave half of a character.
  return visibleText(`${start.replace(/[\ud800-\udbff]$/, '')} … ${end.replace(/^[\udc00-\udfff]/, '')}`)
}

const mostListed = 3

/** Texts to be quoted in a message, of which three are shown. */
export const brieflyAll = (given: readonly string[]): string => {
  const shown = given
    .slice(0, mostListed)
    .map((one) => `"${briefly(one)}"`)
    .join(', ')
  const more = given.length - mostListed
  return more > 0 ? `${shown} and ${more.toLocaleString('en')} more` : shown
}

/** A message whose longest words, such as paths that nobody can have, are shortened as `briefly` does. */
export const withShortWords = (message: string): string => message.replace(/\S{256,}/g, briefly)
