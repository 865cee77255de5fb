/** Pattern of text that a spreadsheet would evaluate, or that looks like such text after escaping. */
export const formula = String.raw`^'*[=+\-@\t\r]`

/** Text with an apostrophe before what a spreadsheet would evaluate. */
export const guarded = (text: string): string => (new RegExp(formula).test(text) ? `'${text}` : text)
