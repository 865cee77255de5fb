import { labelStatuses } from '../../preload/contract'
import type { ClusterNumber } from '../../preload/contract'
import { capital, isGroup, isGroupKind, levelWords } from '../explore/groups'
import {
  categoryColour,
  coloursByKind,
  coloursByValue,
  divergingColour,
  plainColour,
  readTheme,
  scaleOf,
  statusColour
} from './colours'
import type { DivergingScale, GraphTheme, Rgb } from './colours'
import type { GraphData } from './graph-data.svelte'
import type { GraphSelection } from './graph-selection.svelte'
import { Latest } from '../ui/latest'
import { countKinds, meansByCluster } from './legend'
import type { Legend } from './legend'
import { coloursAt, fadedBy, groupsAt, mostNamedGroups, withMeansAbove } from './levels'

interface Kinds {
  /** Whether kinds are those of tokens, or of clusters at their number + 1. */
  readonly of: 'tokens' | 'clusters'
  readonly kinds: Int32Array
  readonly counts: Int32Array
}

interface Column {
  readonly component: string
  readonly values: Float32Array
  readonly scale: DivergingScale
  readonly means: Float32Array
}

/** What the graph is coloured by, what it reads for that, and what its legend says. */
export class GraphColours {
  theme: GraphTheme | null = $state.raw(null)
  readonly #data: GraphData
  readonly #selection: GraphSelection
  /** Whether tokens are the fainter the weaker they are in their clusters, where that is known. */
  fades = $state(false)
  #strengths: Float32Array | null = $state.raw(null)
  #subsets: Int32Array | null = $state.raw(null)
  #column: Column | null = $state.raw(null)
  readonly #columnWork: Latest
  readonly #strengthWork: Latest

  constructor(data: GraphData, selection: GraphSelection) {
    this.#data = data
    this.#selection = selection
    const { explore } = data
    this.#strengthWork = new Latest((error) => {
      this.fades = false
      explore.workbench.fail(error)
    })
    this.#columnWork = new Latest((error) => {
      explore.colouring = { by: 'cluster' }
      explore.workbench.fail(error)
    })
    $effect(() => this.#readForColouring())
    $effect(() => this.#readStrengths())
    $effect(() => () => {
      this.#columnWork.forget()
      this.#strengthWork.forget()
    })
  }

  readTheme(element: Element): void {
    const style = getComputedStyle(element)
    this.theme = readTheme((name) => style.getPropertyValue(name))
  }

  /** Reads what the colouring needs, where it has not been read. */
  #readForColouring(): void {
    const data = this.#data
    const { colouring, where, run } = data.explore
    const membership = async (): Promise<Int32Array> => (data.membership ??= await data.client.tokens.membership(where))
    if (colouring.by === 'subset' && this.#subsets === null) {
      this.#columnWork.ask(
        () => data.client.tokens.subsets(where),
        (subsets) => (this.#subsets = subsets)
      )
    }
    if (colouring.by !== 'component' || this.#column?.component === colouring.component) return
    const { component } = colouring
    this.#columnWork.ask(
      async () => ({
        values: await data.client.tokens.column({ run, component }),
        membership: await membership()
      }),
      ({ values, membership }) => {
        const { entries, groups } = data.explore
        const means = withMeansAbove(meansByCluster(values, membership, this.mostCluster), entries, groups)
        this.#column = { component, values, scale: scaleOf(values), means }
      }
    )
  }

  /** Whether tokens can be shown by their strength. */
  get canFade(): boolean {
    return this.#data.mode === 'tokens' && this.#data.explore.isMeasured
  }

  /** Reads strengths where they are shown, and have not been read. */
  #readStrengths(): void {
    if (!this.fades || !this.canFade || this.#strengths !== null) return
    this.#strengthWork.ask(
      () => this.#data.client.tokens.strengths(this.#data.explore.where),
      (strengths) => (this.#strengths = strengths)
    )
  }

  /** Strengths by token while they are shown; null otherwise. */
  get strengths(): Float32Array | null {
    return this.fades && this.canFade && this.#strengths !== null && this.#strengths.length > 0 ? this.#strengths : null
  }

  /** The largest number of a group; -1 where there is none. */
  readonly mostCluster: number = $derived.by(() => {
    const clusters = this.#data.explore.overview?.clusters ?? []
    return clusters.reduce((most, { cluster }) => Math.max(most, cluster), -1)
  })

  /** A colour for every cluster, at cluster + 1, where the colouring goes by cluster or by what is said of it. */
  readonly #byCluster: readonly Rgb[] = $derived.by(() => {
    const { theme } = this
    const { explore } = this.#data
    if (theme === null) return []
    const { by } = explore.colouring
    if (by === 'status') {
      return Array.from({ length: this.mostCluster + 2 }, (_, at) => statusColour(theme, explore.statusOf(at - 1)))
    }
    return coloursAt(theme, explore.entries, explore.groups, isGroupKind(by) ? by : 'cluster', this.mostCluster)
  })

  /** Colours of all points, RGBA; null while what they need is read. */
  readonly points: Uint8Array | null = $derived.by(() => {
    const [colours, strengths] = [this.#hues, this.strengths]
    if (colours === null || strengths === null) return colours
    return fadedBy(colours, strengths, this.#data.placed?.tokens ?? null)
  })

  readonly #hues: Uint8Array | null = $derived.by(() => {
    const { theme } = this
    const { placed, explore } = this.#data
    const { colouring, overview } = explore
    if (theme === null || placed === null || overview === null) return null
    if (colouring.by === 'component') {
      const column = this.#column
      if (column?.component !== colouring.component) return null
      return coloursByValue(theme, column.values, placed.tokens, column.scale)
    }
    if (colouring.by === 'subset') {
      if (this.#subsets === null) return null
      const colours = overview.subsets.map((_, index) => categoryColour(theme, index))
      return coloursByKind(this.#subsets, placed.tokens, [plainColour(theme), ...colours])
    }
    return coloursByKind(placed.clusterOf, null, this.#byCluster)
  })

  colourOf(cluster: ClusterNumber): Rgb {
    const { theme } = this
    const { explore } = this.#data
    if (theme === null) return [128, 128, 128]
    const { colouring } = explore
    if (colouring.by === 'subset') {
      const index = explore.overview?.subsets.indexOf(explore.entries.get(cluster)?.subset ?? '') ?? -1
      return index < 0 ? plainColour(theme) : categoryColour(theme, index)
    }
    if (colouring.by === 'component') {
      const mean = this.#column?.means[cluster + 1] ?? NaN
      if (this.#column === null || Number.isNaN(mean)) return plainColour(theme)
      return divergingColour(theme, mean / this.#column.scale.limit)
    }
    return this.#byCluster[cluster + 1] ?? plainColour(theme)
  }

  /** Kinds of the legend by token, or by cluster where a colouring goes by that. */
  readonly kinds: Kinds | null = $derived.by(() => {
    const { explore, mode } = this.#data
    const { colouring, overview, groups } = explore
    const level = mode === 'tokens' ? 'cluster' : this.#data.level
    if (overview === null) return null
    if (colouring.by === 'subset' && this.#subsets !== null) {
      return { of: 'tokens', kinds: this.#subsets, counts: countKinds(this.#subsets, overview.subsets.length) }
    }
    if (colouring.by === 'status') {
      const statusAt = (_: unknown, at: number): number => labelStatuses.indexOf(explore.statusOf(at - 1))
      const kinds = Int32Array.from({ length: this.mostCluster + 2 }, statusAt)
      const counts = countKinds(
        overview.clusters.filter(({ kind }) => kind === level).map(({ cluster }) => kinds[cluster + 1]),
        labelStatuses.length
      )
      return { of: 'clusters', kinds, counts }
    }
    if (!isGroupKind(colouring.by) || colouring.by === 'cluster') return null
    return { of: 'clusters', kinds: groupsAt(groups, colouring.by, this.mostCluster), counts: new Int32Array(0) }
  })

  readonly legend: Legend | null = $derived.by(() => {
    const { theme } = this
    const { explore } = this.#data
    const { overview, colouring } = explore
    const { mode, level } = this.#data
    const { roles } = this.#selection
    if (theme === null || overview === null) return null
    if (colouring.by === 'component') {
      if (this.#column?.component !== colouring.component) return null
      const title = mode === 'tokens' ? `χ of ${colouring.component}` : `mean χ of ${colouring.component}`
      const colours = Array.from({ length: 25 }, (_, step) => divergingColour(theme, step / 12 - 1))
      return { form: 'scale', title, scale: this.#column.scale, colours }
    }
    if (colouring.by === 'subset') {
      const ofTokens = mode === 'tokens'
      const nodes = overview.clusters.filter((entry) => entry.kind === level || !isGroup(entry))
      const subsetOf = nodes.map(({ subset }) => overview.subsets.indexOf(subset))
      const counts = ofTokens ? this.kinds?.counts : countKinds(subsetOf, overview.subsets.length)
      const kinds = overview.subsets.map((text, key) => ({
        key,
        text: text === '' ? 'no subset' : text,
        colour: categoryColour(theme, key),
        count: counts?.[key + 1] ?? 0
      }))
      return {
        form: 'kinds',
        title: ofTokens ? 'Subset (tokens)' : `Main subset (${levelWords[level].several})`,
        kinds: kinds.sort((a, b) => b.count - a.count)
      }
    }
    if (colouring.by === 'status') {
      const counts = this.kinds?.counts
      return {
        form: 'kinds',
        title: `Label status (${levelWords[mode === 'tokens' ? 'cluster' : level].several})`,
        kinds: labelStatuses.map((status, key) => ({
          key,
          text: status,
          colour: statusColour(theme, status),
          count: counts?.[key + 1] ?? 0
        }))
      }
    }
    const groups = overview.clusters.filter(({ kind }) => kind === colouring.by)
    if (colouring.by !== 'cluster' && groups.length <= mostNamedGroups) {
      const kinds = groups.map(({ cluster, size }) => ({
        key: cluster,
        text: explore.nameOf(cluster),
        colour: this.colourOf(cluster),
        count: size
      }))
      return {
        form: 'kinds',
        title: `${capital(levelWords[colouring.by].several)} (tokens)`,
        kinds: kinds.sort((a, b) => b.count - a.count)
      }
    }
    const leftover = overview.clusters.find((entry) => !isGroup(entry))
    return {
      form: 'clusters',
      level: levelWords[colouring.by].one,
      clusters: [...roles]
        .slice(0, 8)
        .map(([cluster, role]) => ({ cluster, role, text: explore.nameOf(cluster), colour: this.colourOf(cluster) })),
      plain: leftover === undefined ? null : { text: 'unclustered', colour: plainColour(theme) }
    }
  })
}
