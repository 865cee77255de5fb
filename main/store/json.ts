import { keepableText } from '../../preload/quoting'

/** A value as JSON for DuckDB, without unpaired UTF-16 surrogates, which DuckDB rejects. */
export const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? keepableText(part) : part))
