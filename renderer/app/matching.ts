/** Synonyms, so that a command is found by another program's word for it. */
const synonyms: readonly (readonly string[])[] = [
  ['run', 'study', 'experiment', 'job'],
  ['clustering', 'clusterings', 'recluster', 'partition'],
  ['cluster', 'clusters', 'group', 'community'],
  ['label', 'name', 'annotation', 'annotate', 'rename'],
  ['note', 'comment', 'description'],
  ['clear', 'delete', 'remove', 'reset'],
  ['settings', 'preferences', 'options', 'configuration'],
  ['export', 'save', 'download', 'share'],
  ['import', 'load', 'open', 'upload'],
  ['graph', 'map', 'plot', 'scatter', 'embedding'],
  ['fit', 'reset', 'home', 'centre', 'center', 'recenter'],
  ['contexts', 'examples', 'sentences'],
  ['find', 'search', 'filter'],
  ['colouring', 'colour', 'color', 'theme'],
  ['dark', 'night'],
  ['light', 'day'],
  ['shortcuts', 'keys', 'hotkeys', 'keybindings'],
  ['merge', 'join', 'combine'],
  ['split', 'divide', 'separate'],
  ['unsure', 'uncertain', 'maybe'],
  ['compare', 'diff', 'difference'],
  ['help', 'glossary', 'terms', 'meaning'],
  ['neighbours', 'neighbors', 'ego'],
  ['lasso', 'select', 'selection'],
  ['trust', 'allow'],
  ['shards', 'slurm', 'array'],
  ['token', 'tokens', 'points'],
  ['picture', 'png', 'svg', 'image', 'screenshot']
]

const wordsIn = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}*]+/gu) ?? []

/** Whether two words differ by one letter: missing, added, replaced, or swapped with the next. */
export const isSlip = (typed: string, word: string): boolean => {
  if (Math.abs(typed.length - word.length) > 1) return false
  let at = 0
  while (at < typed.length && typed[at] === word[at]) at++
  const [restTyped, restWord] = [typed.slice(at), word.slice(at)]
  return (
    restTyped.slice(1) === restWord ||
    restTyped === restWord.slice(1) ||
    restTyped.slice(1) === restWord.slice(1) ||
    (restTyped[0] === restWord[1] && restTyped[1] === restWord[0] && restTyped.slice(2) === restWord.slice(2))
  )
}

/** Words of other programs for the words of a label. */
const othersFor = (words: readonly string[]): string[] =>
  synonyms.flatMap((group) => (group.some((word) => words.includes(word)) ? group : []))

const none = Number.POSITIVE_INFINITY

/** Rank of one typed word: 0 is best, Infinity means no match. `at` is the label's word that it starts. */
const fitOf = (typed: string, words: readonly string[], others: readonly string[]): { rank: number; at: number } => {
  const at = words.findIndex((word) => word.startsWith(typed))
  if (at >= 0) return { rank: words[at] === typed ? 0 : 1, at }
  if (others.some((word) => word.startsWith(typed))) return { rank: 6, at: words.length }
  const inside = words.findIndex((word) => typed.length > 2 && word.includes(typed))
  if (inside >= 0) return { rank: 8, at: inside }
  const slip = typed.length > 3 ? words.findIndex((word) => isSlip(typed, word.slice(0, typed.length + 1))) : -1
  const shorter = typed.length > 3 ? words.findIndex((word) => isSlip(typed, word.slice(0, typed.length))) : -1
  const found = slip >= 0 ? slip : shorter
  return { rank: found < 0 ? none : 10, at: found }
}

/** Whether letters are beginnings of words, in order: "nr" and "nerun" both match "New run". */
const startsWords = (letters: string, words: readonly string[]): boolean => {
  if (letters === '') return true
  return words.some((word, at) => {
    for (let length = Math.min(word.length, letters.length); length > 0; length--) {
      if (letters.startsWith(word.slice(0, length)) && startsWords(letters.slice(length), words.slice(at + 1))) {
        return true
      }
    }
    return false
  })
}

/**
 * Rank of a label for what a person typed: lower is better, Infinity means that it does not match. Every typed word
 * has to begin a word of the label or a synonym of one, lie inside one, or be one slip away; letters may also be the
 * beginnings of several words.
 */
export const rankOf = (label: string, query: string): number => {
  const words = wordsIn(label)
  const typed = wordsIn(query)
  if (typed.length === 0) return 0
  const others = othersFor(words)
  const fits = typed.map((word) => fitOf(word, words, others))
  const total = fits.reduce((sum, { rank }) => sum + rank, 0)
  // Of labels with all typed words, the one with the words side by side comes first, then the shorter one.
  const phrase = ` ${words.join(' ')}`.indexOf(` ${typed.join(' ')}`)
  const order = phrase < 0 ? 0.5 + words.length / 100 : Math.min(phrase, 40) / 100 + words.length / 1000
  if (total < none) return total + order
  return startsWords(typed.join(''), words) ? 5 : none
}
