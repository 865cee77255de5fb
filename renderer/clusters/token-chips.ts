import type { TokenCount } from '../../preload/contract'

/** Characters of a token that a chip shows. */
const most = 14

/** A token's text for a chip, shortened as it may have any length. */
export const chipText = (text: string): string => {
  if (text.length <= most) return text
  const characters = Array.from(text.slice(0, 2 * most))
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}

/** Tokens to show as chips; different tokens may have the same text. */
export const chipsOf = (
  tokens: readonly TokenCount[],
  count: number
): readonly { readonly id: number; readonly text: string }[] =>
  tokens.slice(0, count).map(({ id, text }) => ({ id, text: chipText(text) }))
