import { visibleText } from './visible'

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;'
}

/**
 * A text as HTML and XML may hold it, in attributes too: markup as entities, with marks for what would not be seen.
 */
export const escapeMarkup = (text: string): string =>
  visibleText(text).replace(/[&<>"']/g, (character) => entities[character])
