import { componentNamed, confidences, groupKinds, labelStatuses } from '../../preload/contract'
import type {
  Annotation,
  ClusterEntry,
  ClusterNumber,
  Confidence,
  GroupKind,
  LabelStatus
} from '../../preload/contract'

export const measures = ['size', 'conductance', 'purity', 'distinct', 'lift', 'stability', 'rule'] as const
export type Measure = (typeof measures)[number]
export type Relation = '<' | '<=' | '=' | '>=' | '>'

export type Condition =
  /** Part of a name, note, tag or token text. */
  | { readonly by: 'text'; readonly text: string }
  | { readonly by: 'expression'; readonly source: string }
  | { readonly by: 'subset' | 'component' | 'tag' | 'author'; readonly text: string }
  | { readonly by: 'status'; readonly status: LabelStatus }
  | { readonly by: 'confidence'; readonly confidence: Confidence }
  | { readonly by: 'level'; readonly level: GroupKind }
  /** The group itself, or clusters and groups below it. */
  | { readonly by: 'number' | 'within'; readonly cluster: number }
  | { readonly by: Measure; readonly relation: Relation; readonly value: number }

/** One condition of a search; all must hold. */
export interface Term {
  readonly condition: Condition
  /** Whether matching clusters are left out. */
  readonly not: boolean
  /** Position in the search text. */
  readonly from: number
  readonly to: number
}

export interface Search {
  readonly terms: readonly Term[]
  /** Problems of parts that cannot be searched for, each one sentence. */
  readonly problems: readonly string[]
}

const unquoted = (text: string): string =>
  text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text

/**
 * A word, a quoted text, /an expression/, or key:value where the value may be quoted; "-" before it turns it round.
 */
const piecePattern = /(-?)(\/(?:\\.|[^\\/])+\/|[a-z]+:"[^"]*"|"[^"]*"|\S+)/gi
const measurePattern =
  /^(size|conductance|phi|φ|purity|distinct|lift|stability|stable|rule)(<=|>=|<|>|=|:)(\d*\.?\d+(?:e[-+]?\d+)?)(%?)$/i
const keyPattern = /^([a-z]+):(.*)$/is

const shortNames: Readonly<Record<string, Measure>> = { phi: 'conductance', φ: 'conductance', stable: 'stability' }

const measureOf = (name: string): Measure => {
  const lower = name.toLowerCase()
  return shortNames[lower] ?? (lower as Measure)
}

const startingWith = <T extends string>(words: readonly T[], text: string): T | undefined =>
  words.find((word) => text !== '' && word.startsWith(text.toLowerCase()))

const conditionOf = (piece: string): Condition | string => {
  if (piece.length > 2 && piece.startsWith('/') && piece.endsWith('/')) {
    const source = piece.slice(1, -1)
    try {
      new RegExp(source, 'u')
    } catch (error) {
      const why = (error as Error).message.replace(/^Invalid regular expression: \/.*\/u?: /s, '')
      return `${piece} is not a regular expression: ${why}.`
    }
    return { by: 'expression', source }
  }
  const measure = measurePattern.exec(piece)
  if (measure !== null) {
    const [, name, relation, digits, share] = measure
    return {
      by: measureOf(name),
      relation: (relation === ':' ? '=' : relation) as Relation,
      value: Number(digits) / (share === '%' ? 100 : 1)
    }
  }
  if (/^#\d+$/.test(piece)) return { by: 'number', cluster: Number(piece.slice(1)) }
  const keyed = keyPattern.exec(piece)
  if (keyed === null) return { by: 'text', text: unquoted(piece) }
  const [, key, rest] = keyed
  const value = unquoted(rest)
  switch (key.toLowerCase()) {
    case 'subset':
    case 'component':
    case 'tag':
    case 'author':
      return value === '' ? `${key}: needs a name.` : { by: key.toLowerCase() as 'subset', text: value }
    case 'status': {
      const status = startingWith(labelStatuses, value)
      return status === undefined ? `Status must be one of ${labelStatuses.join(', ')}.` : { by: 'status', status }
    }
    case 'confidence': {
      const confidence = startingWith(confidences, value)
      return confidence === undefined
        ? `Confidence must be one of ${confidences.join(', ')}.`
        : { by: 'confidence', confidence }
    }
    case 'level': {
      const level = startingWith(groupKinds, value.replace(/s$/i, ''))
      return level === undefined ? `Level must be one of ${groupKinds.join(', ')}.` : { by: 'level', level }
    }
    case 'in':
      return /^#?\d+$/.test(value)
        ? { by: 'within', cluster: Number(value.replace('#', '')) }
        : 'in: needs a group number.'
    case 'cluster':
      return /^-?\d+$/.test(value) ? { by: 'number', cluster: Number(value) } : 'cluster: needs a number.'
    default:
      return { by: 'text', text: piece }
  }
}

/**
 * Parses the search text: conditions separated by spaces, all of which must hold. Never throws.
 */
export const parseSearch = (text: string): Search => {
  const terms: Term[] = []
  const problems: string[] = []
  for (const match of text.matchAll(piecePattern)) {
    const [whole, minus, piece] = match
    const condition = conditionOf(piece)
    if (typeof condition === 'string') problems.push(condition)
    else if (condition.by !== 'text' || condition.text !== '')
      terms.push({ condition, not: minus === '-', from: match.index, to: match.index + whole.length })
  }
  return { terms, problems }
}

/** The search text without one of its terms. */
export const withoutTerm = (text: string, { from, to }: Term): string =>
  `${text.slice(0, from)} ${text.slice(to)}`.replace(/\s+/g, ' ').trim()

/** The search text with a term added, unless it is there already. */
export const withPiece = (text: string, piece: string): string =>
  text.split(/\s+/).includes(piece) ? text : `${text.trim()} ${piece}`.trim()

/** A value, quoted if necessary, to follow "subset:" and similar keys. */
export const quotedWhereNeeded = (value: string): string =>
  /[\s"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value

/** A question to the main side: which clusters have a token or label that matches? */
export interface TokenQuestion {
  readonly text: string
  readonly regularExpression: boolean
}

export const questionKey = ({ text, regularExpression }: TokenQuestion): string =>
  `${regularExpression ? '/' : '"'}${text}`

/** Whether a question, given by its key, depends on labels. */
export const asksOfLabels = (key: string): boolean => key.startsWith('/')

/** Questions to answer before the terms can be evaluated. */
export const questionsOf = (terms: readonly Term[]): TokenQuestion[] =>
  terms.flatMap(({ condition }): TokenQuestion[] =>
    condition.by === 'text'
      ? [{ text: condition.text, regularExpression: false }]
      : condition.by === 'expression'
        ? [{ text: condition.source, regularExpression: true }]
        : []
  )

/** Whether the answer depends on labels, not only on the clustering. */
export const asksForLabels = (terms: readonly Term[]): boolean =>
  terms.some(({ condition: { by } }) => ['text', 'tag', 'author', 'status', 'confidence'].includes(by))

export interface Subject {
  readonly entry: ClusterEntry
  /** Groups that it lies in. */
  readonly path: readonly ClusterNumber[]
  /** Annotations of the cluster and of its merge. */
  readonly annotations: readonly Annotation[]
  readonly status: LabelStatus
}

const contains = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase())

const relates = (value: number, relation: Relation, bound: number): boolean => {
  switch (relation) {
    case '<':
      return value < bound
    case '<=':
      return value <= bound
    case '=':
      return value === bound
    case '>=':
      return value >= bound
    case '>':
      return value > bound
  }
}

const measureValue = (entry: ClusterEntry, measure: Measure): number | null => {
  switch (measure) {
    case 'size':
      return entry.size
    case 'conductance':
      return entry.conductance
    case 'purity':
      return entry.purity
    case 'distinct':
      return entry.distinctTokens
    case 'lift':
      return entry.topTokens[0]?.lift ?? null
    case 'stability':
      return entry.stability
    case 'rule':
      return entry.ruleF1
  }
}

/** "head:2" stands for all of that layer's heads; "head:2.1" for itself alone, and so does devinterp's "l2h1". */
const isComponent = (component: string, asked: string): boolean => {
  const [name, part] = [component.toLowerCase(), componentNamed(asked).toLowerCase()]
  return name === part || (name.startsWith(part) && !(/\d$/.test(part) && /\d/.test(name[part.length])))
}

const holds = (
  condition: Condition,
  { entry, path, annotations, status }: Subject,
  answers: ReadonlyMap<string, ReadonlySet<number>>
): boolean => {
  switch (condition.by) {
    case 'text':
      return (
        String(entry.cluster) === condition.text ||
        annotations.some(({ name, note, tags }) =>
          [name, note, ...tags].some((said) => contains(said, condition.text))
        ) ||
        answers.get(questionKey({ text: condition.text, regularExpression: false }))?.has(entry.cluster) === true
      )
    case 'expression':
      return answers.get(questionKey({ text: condition.source, regularExpression: true }))?.has(entry.cluster) === true
    case 'subset':
      return contains(entry.subset, condition.text)
    case 'component':
      return entry.standsOut.some(({ component }) => isComponent(component, condition.text))
    case 'tag':
      return annotations.some(({ tags }) => tags.some((tag) => contains(tag, condition.text)))
    case 'author':
      return annotations.some(({ author }) => contains(author, condition.text))
    case 'status':
      return status === condition.status
    case 'confidence':
      return annotations.some(({ confidence }) => confidence === condition.confidence)
    case 'number':
      return entry.cluster === condition.cluster
    case 'within':
      return path.includes(condition.cluster)
    case 'level':
      return entry.kind === condition.level
    case 'size':
    case 'conductance':
    case 'purity':
    case 'distinct':
    case 'lift':
    case 'stability':
    case 'rule': {
      const value = measureValue(entry, condition.by)
      return value !== null && relates(value, condition.relation, condition.value)
    }
  }
}

/**
 * Whether a cluster matches all terms. `answers` maps the `questionKey` of each question to its clusters.
 */
export const fits = (
  terms: readonly Term[],
  subject: Subject,
  answers: ReadonlyMap<string, ReadonlySet<number>>
): boolean => terms.every(({ condition, not }) => holds(condition, subject, answers) !== not)

const signs: Readonly<Record<Relation, string>> = { '<': '<', '<=': '≤', '=': '=', '>=': '≥', '>': '>' }
const measureWords: Readonly<Record<Measure, string>> = {
  size: 'size',
  conductance: 'conductance',
  purity: 'purity',
  distinct: 'distinct tokens',
  lift: 'lift',
  stability: 'stability',
  rule: 'best rule'
}

/** A term in words, for its chip. */
export const termWords = ({ condition, not }: Term): string => {
  const words = ((): string => {
    switch (condition.by) {
      case 'text':
        return `“${condition.text}”`
      case 'expression':
        return `/${condition.source}/`
      case 'subset':
        return `subset ${condition.text}`
      case 'component':
        return `extreme in ${condition.text}`
      case 'tag':
        return `tag ${condition.text}`
      case 'author':
        return `by ${condition.text}`
      case 'status':
        return condition.status
      case 'confidence':
        return `${condition.confidence} confidence`
      case 'number':
        return `cluster ${condition.cluster}`
      case 'within':
        return `in group ${condition.cluster}`
      case 'level':
        return `${condition.level}s`
      case 'size':
      case 'conductance':
      case 'purity':
      case 'distinct':
      case 'lift':
      case 'stability':
      case 'rule':
        return `${measureWords[condition.by]} ${signs[condition.relation]} ${condition.value}`
    }
  })()
  return not ? `not ${words}` : words
}
