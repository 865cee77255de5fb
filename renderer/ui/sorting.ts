export type SortDirection = 'ascending' | 'descending' | 'none'

/** How a table is sorted by one of its columns: the value of `aria-sort`. */
export const directionOf = <C>(sort: { readonly by: C; readonly descending: boolean }, column: C): SortDirection =>
  sort.by !== column ? 'none' : sort.descending ? 'descending' : 'ascending'
