import { visibleLines } from '../../preload/contract'

/**
 * A value as a page shows it: text with marks for what would not be seen (`visibleLines`), anything else as it is.
 * The build puts it round every text of a component, and round what is read of its attributes
 * (tools/visible-markup.js); only what is drawn or said without markup names it.
 */
export const shown = <T>(value: T): T => (typeof value === 'string' ? (visibleLines(value) as T & string) : value)
