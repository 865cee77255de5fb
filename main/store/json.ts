import { keepableText } from '../../preload/quoting'

/** A value as JSON that DuckDB takes: it refuses halves of UTF-16 pairs, which texts from outside may have. */
export const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? keepableText(part) : part))
