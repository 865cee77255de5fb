import { visibleText } from './visible'

/** Unpaired UTF-16 surrogates, which are not characters. */
const unkeepable = /\p{Surrogate}/gu

/** Replaces unpaired surrogates with U+FFFD, so that a text can be stored. */
export const keepableText = (text: string): string => text.replace(unkeepable, '\ufffd')

const mostShown = 80
const endShown = 30

/**
 * A text as quoted in a message: on one line, made visible, at most 80 characters. Long texts keep their beginning
 * and end, so a path still shows its file.
 */
export const briefly = (given: string): string => {
  if (given.length <= mostShown) return visibleText(given)
  const [start, end] = [given.slice(0, mostShown - endShown - 3), given.slice(-endShown)]
  // Avoid splitting a surrogate pair.
  return visibleText(`${start.replace(/[\ud800-\udbff]$/, '')} … ${end.replace(/^[\udc00-\udfff]/, '')}`)
}

const mostListed = 3

/** Quotes texts in a message, at most three of them. */
export const brieflyAll = (given: readonly string[]): string => {
  const shown = given
    .slice(0, mostListed)
    .map((one) => `"${briefly(one)}"`)
    .join(', ')
  const more = given.length - mostListed
  return more > 0 ? `${shown} and ${more.toLocaleString('en')} more` : shown
}

/** Shortens the longest words of a message, such as overlong paths, by `briefly`. */
export const withShortWords = (message: string): string => message.replace(/\S{256,}/g, briefly)
