/** Tabs of a run's page. */
export const runTabs = ['progress', 'diagnostics', 'heat-map', 'settings'] as const

export interface ClusteringPlace {
  readonly run: string
  readonly clustering: number
}

export type Route =
  | { readonly view: 'runs' }
  | { readonly view: 'new-run'; readonly from?: string; readonly dropped?: string }
  | { readonly view: 'run'; readonly run: string; readonly tab: (typeof runTabs)[number] }
  | { readonly view: 'explore'; readonly run: string; readonly clustering: number; readonly cluster?: number }
  | { readonly view: 'sweep'; readonly sweep: string; readonly base?: number }
  | { readonly view: 'compare'; readonly left?: ClusteringPlace; readonly right?: ClusteringPlace }
  | { readonly view: 'settings' }

const partsOf = (route: Route): readonly (string | number)[] => {
  switch (route.view) {
    case 'run':
      return [route.run, route.tab]
    case 'explore':
      return [route.run, route.clustering, ...(route.cluster === undefined ? [] : [route.cluster])]
    case 'sweep':
      return [route.sweep, ...(route.base === undefined ? [] : [route.base])]
    case 'compare':
      return [route.left, route.right].flatMap((side) => (side === undefined ? ['-'] : [side.run, side.clustering]))
    default:
      return []
  }
}

/** Fragment of the address of a view: "#/explore/RUN/2/17". Entries of a form are not part of it. */
export const fragmentOf = (route: Route): string =>
  `#/${[route.view, ...partsOf(route)].map((part) => encodeURIComponent(part)).join('/')}`

const decoded = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

const numberOf = (part: string | undefined): number | undefined =>
  part !== undefined && /^(-1|\d{1,15})$/.test(part) ? Number(part) : undefined

/** Removes one side of a comparison, or "-" for none, from the front of the parts; undefined if malformed. */
const takeSide = (parts: string[]): ClusteringPlace | 'none' | undefined => {
  const run = parts.shift()
  if (run === '-') return 'none'
  const clustering = numberOf(parts.shift())
  return run === undefined || clustering === undefined ? undefined : { run, clustering }
}

const comparisonAt = (parts: string[]): Route | undefined => {
  if (parts.length === 0) return { view: 'compare' }
  const [left, right] = [takeSide(parts), takeSide(parts)]
  if (left === undefined || right === undefined || parts.length > 0) return undefined
  return { view: 'compare', ...(left === 'none' ? {} : { left }), ...(right === 'none' ? {} : { right }) }
}

const exploredAt = ([run, second, third, ...more]: string[]): Route | undefined => {
  const [clustering, cluster] = [numberOf(second), numberOf(third)]
  if (run === undefined || clustering === undefined || more.length > 0) return undefined
  if (third === undefined) return { view: 'explore', run, clustering }
  return cluster === undefined ? undefined : { view: 'explore', run, clustering, cluster }
}

/** The view of a fragment; undefined if it names none. Does not check that the run exists. */
export const routeAt = (fragment: string): Route | undefined => {
  const parts = fragment.startsWith('#/') ? fragment.slice(2).split('/').map(decoded) : []
  if (!parts.every((part) => part !== undefined && part !== '')) return undefined
  const [view, ...rest] = parts as string[]
  const [run, tab] = rest
  switch (view) {
    case 'runs':
    case 'new-run':
    case 'settings':
      return rest.length === 0 ? { view } : undefined
    case 'run': {
      const known = runTabs.find((name) => name === tab)
      return known === undefined || rest.length > 2 ? undefined : { view, run, tab: known }
    }
    case 'explore':
      return exploredAt(rest)
    case 'compare':
      return comparisonAt(rest)
    case 'sweep': {
      const base = numberOf(tab)
      if (run === undefined || rest.length > 2 || (tab !== undefined && (base === undefined || base < 0)))
        return undefined
      return { view, sweep: run, ...(base === undefined ? {} : { base }) }
    }
    default:
      return undefined
  }
}
