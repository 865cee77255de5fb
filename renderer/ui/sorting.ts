export type SortDirection = 'ascending' | 'descending' | 'none'

/** Value of `aria-sort` for a column. */
export const directionOf = <C>(sort: { readonly by: C; readonly descending: boolean }, column: C): SortDirection =>
  sort.by !== column ? 'none' : sort.descending ? 'descending' : 'ascending'
