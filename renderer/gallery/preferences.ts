import { strata } from '../../preload/contract'
import type { Stratum } from '../../preload/contract'
import type { Face } from './reading'

/** Tokens on each side of a context. */
export const contextWidths = [4, 8, 16, 32, 64, 128] as const

export const sectionNames = ['tokens', 'rules', 'subsets', 'profile', 'nearest', 'patterns', 'parts'] as const
export type SectionName = (typeof sectionNames)[number]

export const groupings = ['none', 'token', 'subset'] as const
export type Grouping = (typeof groupings)[number]

/** Reading preferences, saved between sessions. */
export interface Preferences {
  readonly stratum: Stratum
  readonly grouping: Grouping
  readonly width: number
  /** Whether contexts show signs for spaces; the token itself always does. */
  readonly spaces: boolean
  /** Whether line breaks end lines, as in the corpus. */
  readonly lines: boolean
  /** Whether each context is one line, with tokens aligned in a column. */
  readonly aligned: boolean
  readonly face: Face
  /** Whether subset and document are shown below each context. */
  readonly sources: boolean
  readonly tokenSort: 'count' | 'lift'
  /** Profile of χ itself, or standardised against all tokens. */
  readonly profile: 'susceptibility' | 'standardised'
  readonly beside: 'columns' | 'in-turn'
  readonly closed: readonly SectionName[]
  /** Height of the part above the contexts in pixels; null for the default. */
  readonly height: number | null
}

export const defaultPreferences: Preferences = {
  stratum: 'central',
  grouping: 'none',
  width: 16,
  spaces: false,
  lines: false,
  aligned: false,
  face: 'auto',
  sources: true,
  tokenSort: 'count',
  profile: 'susceptibility',
  beside: 'columns',
  closed: [],
  height: null
}

const oneOf = <T>(value: unknown, known: readonly T[], fallback: T): T =>
  known.find((other) => other === value) ?? fallback
const flag = (value: unknown, fallback: boolean): boolean => (typeof value === 'boolean' ? value : fallback)

/** Saved preferences, with defaults in place of invalid values. */
export const readPreferences = (value: unknown): Preferences => {
  if (typeof value !== 'object' || value === null) return defaultPreferences
  const kept = value as { readonly [key in keyof Preferences]?: unknown }
  const fallback = defaultPreferences
  return {
    stratum: oneOf(
      kept.stratum,
      strata.filter((stratum) => stratum !== 'toward'),
      fallback.stratum
    ),
    grouping: oneOf(kept.grouping, groupings, fallback.grouping),
    width: oneOf(kept.width, contextWidths, fallback.width as (typeof contextWidths)[number]),
    spaces: flag(kept.spaces, fallback.spaces),
    lines: flag(kept.lines, fallback.lines),
    aligned: flag(kept.aligned, fallback.aligned),
    face: oneOf(kept.face, ['auto', 'code', 'prose'] as const, fallback.face),
    sources: flag(kept.sources, fallback.sources),
    tokenSort: oneOf(kept.tokenSort, ['count', 'lift'] as const, fallback.tokenSort),
    profile: oneOf(kept.profile, ['susceptibility', 'standardised'] as const, fallback.profile),
    beside: oneOf(kept.beside, ['columns', 'in-turn'] as const, fallback.beside),
    closed: Array.isArray(kept.closed)
      ? sectionNames.filter((name) => (kept.closed as readonly unknown[]).includes(name))
      : fallback.closed,
    height: typeof kept.height === 'number' && kept.height >= 60 && kept.height <= 4000 ? kept.height : fallback.height
  }
}
