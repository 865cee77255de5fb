import { describe, expect, it } from 'vitest'
import {
  categoryColour,
  clusterColour,
  coloursByKind,
  coloursByValue,
  contrast,
  divergingColour,
  fromLightness,
  hexOf,
  mixed,
  parseColour,
  plainColour,
  readTheme,
  scaleOf,
  statusColour
} from '../../renderer/graph/colours'
import type { GraphTheme, Rgb } from '../../renderer/graph/colours'
import { setApart } from '../../renderer/graph/apart'
import { MainExtent, clearBox, viewOf } from '../../renderer/graph/fitting'
import { placeLabels, shortened } from '../../renderer/graph/label-placement'
import { discNumbersOf, lineNumbersOf } from '../../renderer/graph/layers'
import { countKinds, meansByCluster } from '../../renderer/graph/legend'
import { drawnEdges, heaviestFirst, neighboursOf, rankedNeighbours } from '../../renderer/graph/neighbours'
import { PlacedClusters, PlacedTokens } from '../../renderer/graph/nodes'
import {
  discRadius,
  extentOf,
  groupsOf,
  innerExtentOf,
  intoSquare,
  pointOpacity,
  pointSize
} from '../../renderer/graph/places'
import { boxOf, isInside, thinned } from '../../renderer/graph/polygon'
import { escapeMarkup } from '../../preload/markup'
import { svgOf } from '../../renderer/graph/svg'

const light: Readonly<Record<string, string>> = {
  '--surface': '#ffffff',
  '--text': '#1d1f21',
  '--text-soft': '#55595e',
  '--line-strong': '#b9b9b2',
  '--accent': '#1a5fb4',
  '--warn': '#7f5200',
  '--negative': '#2166ac',
  '--positive': '#b2182b'
}
const dark: Readonly<Record<string, string>> = {
  '--surface': '#1e2125',
  '--text': '#e6e7e8',
  '--text-soft': '#b0b5ba',
  '--line-strong': '#4d545c',
  '--accent': '#78aeed',
  '--warn': '#f0be62',
  '--negative': '#6fb1e8',
  '--positive': '#f4827c'
}
const themes: readonly (readonly [string, GraphTheme])[] = [
  ['light', readTheme((name) => light[name])],
  ['dark', readTheme((name) => dark[name])]
]
const [[, day]] = themes

/**
 * How a colour looks without the cones for long or middle waves (Viénot, Brettel and Mollon 1999), in linear light.
 */
const simulated = (colour: Rgb, kind: 'protan' | 'deutan'): Rgb => {
  const linear = colour.map((part) => (part / 255) ** 2.2)
  const rows =
    kind === 'protan'
      ? [
          [0.11238, 0.88762, 0],
          [0.11238, 0.88762, 0],
          [0.00401, -0.00401, 1]
        ]
      : [
          [0.29275, 0.70725, 0],
          [0.29275, 0.70725, 0],
          [-0.02234, 0.02234, 1]
        ]
  return rows.map(
    (row) =>
      255 *
      Math.min(
        1,
        Math.max(
          0,
          row.reduce((sum, share, at) => sum + share * linear[at], 0)
        )
      ) **
        (1 / 2.2)
  ) as unknown as Rgb
}
const distance = (a: Rgb, b: Rgb): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])

describe('a lasso', () => {
  const bow = [0, 0, 10, 0, 10, 10, 5, 3, 0, 10]

  it('holds what is inside its path, and not what lies in a bay of it', () => {
    expect(isInside(bow, 5, 1)).toBe(true)
    expect(isInside(bow, 1, 5)).toBe(true)
    expect(isInside(bow, 5, 8)).toBe(false)
    expect(isInside(bow, 11, 1)).toBe(false)
  })

  it('leaves out what its path goes round twice', () => {
    const twice = [0, 0, 10, 0, 10, 10, 0, 10, 0, 0, 3, 3, 7, 3, 7, 7, 3, 7, 3, 3]
    expect(isInside(twice, 5, 5)).toBe(false)
    expect(isInside(twice, 1, 1)).toBe(true)
  })

  it('keeps its box and its shape when it is thinned', () => {
    const path = Array.from(
      { length: 400 },
      (_, at) => (at % 2 === 0 ? Math.cos(at / 200) : Math.sin((at - 1) / 200)) * 100
    )
    const kept = thinned(path, 5)
    expect(kept.length).toBeLessThan(path.length)
    expect(boxOf(kept).left).toBeCloseTo(boxOf(path).left, -1)
  })
})

describe('colours', () => {
  it('are read from the theme, and a colour of another form is refused', () => {
    expect(parseColour(' #1a5fb4')).toEqual([26, 95, 180])
    expect(parseColour('#fff')).toEqual([255, 255, 255])
    expect(hexOf([26, 95, 180])).toBe('#1a5fb4')
    expect(() => parseColour('rgb(1 2 3)')).toThrow('not a colour')
    expect(themes.map(([, { dark: isDark }]) => isDark)).toEqual([false, true])
  })

  it('have the lightness that was asked for whatever the hue', () => {
    expect(hexOf(fromLightness(1, 0, 0))).toBe('#ffffff')
    const luminances = Array.from({ length: 12 }, (_, at) =>
      contrast(fromLightness(0.6, 0.1, 30 * at), [255, 255, 255])
    )
    expect(Math.max(...luminances) / Math.min(...luminances)).toBeLessThan(1.45)
  })

  it.each(themes)(
    'of kinds stand out from the %s ground and from one another, with colour vision deficiencies too',
    (_, theme) => {
      const colours = Array.from({ length: 12 }, (_none, index) => categoryColour(theme, index))
      for (const colour of colours) expect(contrast(colour, theme.surface)).toBeGreaterThan(3)
      for (const see of [
        (colour: Rgb) => colour,
        (colour: Rgb) => simulated(colour, 'protan'),
        (colour: Rgb) => simulated(colour, 'deutan')
      ]) {
        const statuses = (['unseen', 'skipped', 'unsure', 'labelled'] as const).map((status) =>
          see(statusColour(theme, status))
        )
        for (const [at, colour] of statuses.entries())
          for (const other of statuses.slice(at + 1)) expect(distance(colour, other)).toBeGreaterThan(45)
        const seen = colours.map(see)
        for (const [at, colour] of seen.entries())
          for (const other of seen.slice(at + 1)) expect(distance(colour, other)).toBeGreaterThan(36)
      }
      expect(categoryColour(theme, 12)).not.toEqual(categoryColour(theme, 0))
    }
  )

  it.each(themes)(
    'of clusters with neighbouring numbers differ on the %s ground, and what is in none is plain',
    (_, theme) => {
      for (let cluster = 0; cluster < 200; cluster++) {
        expect(contrast(clusterColour(theme, cluster), theme.surface)).toBeGreaterThan(2.2)
        expect(distance(clusterColour(theme, cluster), clusterColour(theme, cluster + 1))).toBeGreaterThan(60)
      }
      expect(clusterColour(theme, -1)).toEqual(plainColour(theme))
    }
  )

  it('of values diverge from the middle, are clipped at percentiles, and leave NaN plain', () => {
    const values = Float32Array.from({ length: 1000 }, (_, at) => (at - 500) / 100)
    values[3] = 1e6
    const scale = scaleOf(values)
    expect(scale.limit).toBeGreaterThan(4.7)
    expect(scale.limit).toBeLessThan(5)
    const colours = coloursByValue(day, Float32Array.of(-99, 0, 99, NaN), null, scale)
    expect(Array.from(colours.subarray(0, 3))).toEqual(divergingColour(day, -1).map(Math.round))
    expect(Array.from(colours.subarray(4, 7))).toEqual(divergingColour(day, 0))
    expect(Array.from(colours.subarray(8, 11))).toEqual(divergingColour(day, 1).map(Math.round))
    expect(Array.from(colours.subarray(12))).toEqual([...plainColour(day), 255])
    expect(scaleOf(new Float32Array(5)).limit).toBe(1)
  })

  it('of points follow the tokens that are placed', () => {
    const colours = coloursByKind(Int32Array.of(-1, 0, 1, 1), Int32Array.of(3, 0), [
      [1, 1, 1],
      [2, 2, 2],
      [3, 3, 3]
    ])
    expect(Array.from(colours)).toEqual([3, 3, 3, 255, 1, 1, 1, 255])
    expect(mixed([0, 0, 0], [100, 50, 10], 0.5)).toEqual([50, 25, 5])
  })
})

describe('places', () => {
  const positions = Float32Array.of(0, 0, 10, 0, 0, 4, 10, 4)

  it('are brought into the square without being stretched', () => {
    const places = intoSquare(positions)
    expect(extentOf(places)).toMatchObject({ left: 0, right: 1 })
    expect(extentOf(places).bottom).toBeCloseTo(0.3)
    expect(extentOf(places).top).toBeCloseTo(0.7)
    expect(Array.from(intoSquare(Float32Array.of(NaN, NaN, 1, 1, 3, 3)).subarray(0, 2))).toEqual([0.5, 0.5])
    expect(Array.from(intoSquare(Float32Array.of(7, 7)))).toEqual([0.5, 0.5])
  })

  it('are all in the view that shows them', () => {
    const { x, y, ratio } = viewOf(
      { left: 0, bottom: 0.3, right: 1, top: 0.7 },
      { width: 800, height: 400 },
      { margin: 20 }
    )
    const scale = 400 / ratio
    expect([x, y]).toEqual([0.5, 0.5])
    expect(400 - (0.5 - 0) * scale).toBeGreaterThanOrEqual(19.9)
    expect(200 - (0.5 - 0.3) * scale).toBeGreaterThanOrEqual(19.9)
  })

  it('are fitted without strays, but with nearly all that there is', () => {
    const places = Float32Array.from({ length: 2000 }, (_, at) => ((at * 7919) % 1000) / 1000)
    for (let stray = 0; stray < 18; stray++) places.set([stray % 2 === 0 ? -9 : 40, NaN], 2 * stray)
    for (const aspect of [0.5, 1, 2]) {
      const { left, right, bottom, top } = new MainExtent(places).of(aspect)
      const isInside = (at: number): boolean =>
        places[at] >= left && places[at] <= right && places[at + 1] >= bottom && places[at + 1] <= top
      const finite = Array.from({ length: 1000 }, (_, point) => 2 * point).filter((at) => !Number.isNaN(places[at + 1]))
      expect(right - left).toBeLessThanOrEqual(1)
      expect(finite.filter(isInside).length).toBeGreaterThanOrEqual(0.98 * finite.length)
    }
    expect(new MainExtent(new Float32Array(0)).of(1)).toEqual({ left: 0, right: 1, bottom: 0, top: 1 })
    expect(new MainExtent(Float32Array.of(3, 4)).of(1)).toEqual({ left: 3, right: 3, bottom: 4, top: 4 })
  })

  it('are shown clear of what lies over the window, on the sides that cost least', () => {
    const size = { width: 440, height: 700 }
    const tools = { left: 400, top: 8, right: 432, bottom: 280 }
    const legend = { left: 8, top: 620, right: 160, bottom: 692 }
    const clear = clearBox(size, [tools, legend], 1)
    expect(clear.right).toBeLessThan(tools.left)
    expect(clear.bottom).toBeLessThan(legend.top)
    expect(clear.left).toBe(24)
    const extent = { left: 0.2, right: 0.8, bottom: 0.1, top: 0.9 }
    const { x, y, ratio } = viewOf(extent, size, { overlays: [tools, legend] })
    const scale = 440 / ratio
    expect(220 + (extent.left - x) * scale).toBeGreaterThanOrEqual(clear.left - 0.1)
    expect(220 + (extent.right - x) * scale).toBeLessThanOrEqual(clear.right + 0.1)
    expect(350 - (extent.bottom - y) * scale).toBeLessThanOrEqual(clear.bottom + 0.1)
    expect(350 - (extent.top - y) * scale).toBeGreaterThanOrEqual(clear.top - 0.1)
    const all = { left: 0, top: 0, right: 440, bottom: 700 }
    expect(clearBox(size, [all], 1)).toEqual({ left: 24, top: 24, right: 416, bottom: 676 })
  })

  it('of discs are moved until none lies on another, and areas keep their proportions', () => {
    const count = 400
    const places = Float32Array.from({ length: 2 * count }, (_, at) => ((at * 7919) % 97) / 97)
    const weights = Array.from({ length: count }, (_, at) => 0.12 + (at % 9) / 10)
    const { places: moved, radii } = setApart(places, weights)
    let least = Infinity
    for (let one = 0; one < count; one++)
      for (let other = one + 1; other < count; other++) {
        const apart = Math.hypot(moved[2 * one] - moved[2 * other], moved[2 * one + 1] - moved[2 * other + 1])
        least = Math.min(least, apart / (radii[one] + radii[other]))
      }
    expect(least).toBeGreaterThan(0.999)
    expect(radii[8] / radii[0]).toBeCloseTo(weights[8] / weights[0], 3)
    expect(radii[8]).toBeGreaterThan(0.01)
    expect(setApart(new Float32Array(0), []).radii).toHaveLength(0)
  })

  it('of groups have their label on a member, and their spread', () => {
    const groups = groupsOf(Float32Array.of(0, 0, 2, 0, 1, 3, 5, 5), Int32Array.of(0, 0, 0, -1))
    expect(groups.map(({ cluster, size }) => [cluster, size])).toEqual([
      [-1, 1],
      [0, 3]
    ])
    expect([
      [0, 0],
      [2, 0],
      [1, 3]
    ]).toContainEqual([groups[1].x, groups[1].y])
    expect(groups[0].spread).toBe(0)
    expect(groups[1].spread).toBeGreaterThan(1)
  })

  it('of a group leave out what strays when one goes there', () => {
    const places = Float32Array.from({ length: 200 }, (_, at) => (at < 2 ? 100 : (at % 7) / 7))
    expect(
      innerExtentOf(
        places,
        Array.from({ length: 100 }, (_, at) => at)
      ).right
    ).toBeLessThanOrEqual(1)
  })

  it('have points that shrink where there are many and areas that go with sizes', () => {
    expect(pointSize(300_000, 1)).toBeLessThan(pointSize(1000, 1))
    expect(pointSize(300_000, 0.01)).toBeGreaterThan(pointSize(300_000, 1))
    expect(pointSize(500, 1)).toBeGreaterThan(pointSize(13_000, 1))
    expect(pointOpacity(300_000)).toBeLessThan(pointOpacity(1000))
    expect(discRadius(400, 1000) / discRadius(100, 1000)).toBeCloseTo(2)
  })
})

describe('placed nodes', () => {
  const layout = {
    state: 'ready' as const,
    method: 'test',
    tokens: Int32Array.of(4, 7, 9),
    positions: Float32Array.of(0, 0, 1, 1, 1, 0)
  }
  const membership = Int32Array.of(0, 0, 0, 0, 1, 0, 0, -1, 0, 1)
  const placed = new PlacedTokens(layout, membership)

  it('know their tokens, points and clusters both ways', () => {
    expect(placed.pointOf(7)).toBe(1)
    expect(placed.pointOf(5)).toBeUndefined()
    expect(Array.from(placed.members(1))).toEqual([0, 2])
    expect(Array.from(placed.members(-1))).toEqual([1])
    expect(placed.members(0)).toHaveLength(0)
    expect(placed.members(99)).toHaveLength(0)
    expect(Array.from(placed.pointsOf([9, 5, 4]))).toEqual([2, 0])
    expect(Array.from(placed.tokensOf([2, 0]))).toEqual([4, 9])
  })

  it('are found by place and by lasso', () => {
    expect(placed.nearest(0.9, 0.95, 0.2)).toBe(1)
    expect(placed.nearest(0.5, 0.5, 0.1)).toBeNull()
    expect(Array.from(placed.inside([0.5, -0.1, 1.1, -0.1, 1.1, 0.4, 0.5, 0.4]))).toEqual([2])
    expect(placed.inside([0, 0, 1, 1])).toHaveLength(0)
  })

  it('of clusters are found by number', () => {
    const layout = {
      clusters: Int32Array.of(0, 1, -1),
      positions: Float32Array.of(0, 0, 10, 10, 0, 10),
      from: Int32Array.of(0),
      to: Int32Array.of(-1),
      weights: Float64Array.of(3)
    }
    const clusters = new PlacedClusters(layout, () => 1)
    expect(clusters.placeOf(-1)).toEqual({ x: 0, y: 1 })
    expect(clusters.radiusOf(-1)).toBeGreaterThan(0)
    expect(clusters.radiusOf(5)).toBe(0)
    expect(clusters.placeOf(5)).toBeUndefined()
    expect(clusters.inside([-0.1, -0.1, 0.1, -0.1, 0.1, 1.1, -0.1, 1.1])).toEqual([0, -1])
    expect(clusters.heaviest).toBe(3)
  })
})

describe('neighbours', () => {
  const edges = { from: [1, 2, 2, 5], to: [2, 1, 3, 6], weights: [1, 4, 2, 9] }

  it('of some nodes are the other ends of their edges', () => {
    expect(Array.from(neighboursOf(edges, new Set([2])))).toEqual([1, 3])
    expect(Array.from(neighboursOf(edges, new Set([1, 2])))).toEqual([3])
  })

  it('of one node come heaviest first, each once', () => {
    expect(rankedNeighbours(edges, 2)).toEqual([
      { node: 1, weight: 4 },
      { node: 3, weight: 2 }
    ])
  })

  it('are drawn with the edges of what is chosen, and the heaviest of the rest', () => {
    const { own, others } = drawnEdges(edges, new Set([3]), 2, heaviestFirst(edges))
    expect(Array.from(own)).toEqual([2])
    expect(Array.from(others)).toEqual([1, 3])
  })
})

describe('names', () => {
  const view = { width: 200, height: 100 }
  const at = (x: number, always = false) => ({ x, y: 50, width: 40, height: 14, always })

  it('give way to those before them where they would lie on one another', () => {
    expect(placeLabels([at(50), at(60), at(140)], view)).toEqual([0, 2])
    expect(placeLabels([at(50), at(60, true)], view)).toEqual([0, 1])
    expect(placeLabels([at(-5), at(50)], view)).toEqual([1])
    expect(
      placeLabels(
        Array.from({ length: 50 }, (_, index) => at(100 * index)),
        { width: 5000, height: 100, most: 7 }
      )
    ).toHaveLength(7)
  })

  it('keep clear of what lies over the graph', () => {
    const overlays = [{ left: 0, top: 40, right: 40, bottom: 100 }]
    expect(placeLabels([at(50), at(70)], { ...view, overlays })).toEqual([1])
  })

  it('never overlap, whatever the crowd', () => {
    const crowd = Array.from({ length: 3000 }, (_, index) => ({
      x: (index * 7919) % 900,
      y: (index * 104_729) % 700,
      width: 30 + (index % 5) * 20,
      height: 14
    }))
    const placed = placeLabels(crowd, { width: 900, height: 700, most: 500, gap: 2 }).map((index) => crowd[index])
    expect(placed.length).toBeGreaterThan(50)
    for (const [index, one] of placed.entries()) {
      const over = placed
        .slice(index + 1)
        .filter(
          (other) =>
            Math.abs(one.x - other.x) < (one.width + other.width) / 2 &&
            Math.abs(one.y - other.y) < (one.height + other.height) / 2
        )
      expect(over).toEqual([])
    }
  })

  it('are shortened by characters, not through the middle of one', () => {
    expect(shortened('abcdef', 4)).toBe('abc…')
    expect(shortened('😀😀😀', 2)).toBe('😀…')
    expect(shortened('x'.repeat(100_000), 10)).toHaveLength(10)
  })
})

describe('a legend', () => {
  it('counts kinds, those of nothing first', () => {
    expect(Array.from(countKinds([-1, 2, 2, 0], 3))).toEqual([1, 1, 0, 2, 0])
  })

  it('has means of clusters, without the tokens that have no value', () => {
    expect(Array.from(meansByCluster(Float32Array.of(1, 3, NaN, 8), Int32Array.of(0, 0, 0, -1), 1))).toEqual([
      8,
      2,
      NaN
    ])
  })
})

describe('a drawing in vectors', () => {
  const drawing = {
    width: 200,
    height: 100,
    title: '<b>&"run"',
    ground: [255, 255, 255] as Rgb,
    lines: [{ x1: 0, y1: 0, x2: 10, y2: 10, width: 1, colour: [1, 2, 3] as Rgb, opacity: 0.5 }],
    nodes: [
      { x: 5, y: 5, radius: 2, colour: [255, 0, 0] as Rgb },
      { x: 9, y: 9, radius: 4, colour: [0, 0, 0] as Rgb, hollow: true }
    ],
    labels: [
      {
        x: 5,
        y: 5,
        text: '<script>alert(1)</script>\u0000\ud800',
        code: true,
        strong: false,
        size: 11,
        colour: [0, 0, 0] as Rgb
      }
    ],
    legend: [{ colour: [1, 1, 1] as Rgb, text: 'a & b' }]
  }

  it('holds text as text', () => {
    const svg = svgOf(drawing)
    expect(svg).not.toContain('<script')
    expect(svg).toContain('&lt;script&gt;alert(1)&lt;/script&gt;␀\\u{d800}')
    expect(svg).toContain('<title>&lt;b&gt;&amp;&quot;run&quot;</title>')
    expect(svg).toContain('a &amp; b')
    expect(svg.match(/<circle/g)).toHaveLength(2)
    expect(svg).toContain('stroke-dasharray')
    expect(escapeMarkup('😀\t\u202eok')).toBe('😀⇥\\u{202e}ok')
  })
})

describe('what a device is sent', () => {
  it('has the bytes of colours unchanged, also where as a number they would be none', () => {
    const disc = {
      x: 0.5,
      y: 0.25,
      radius: 3,
      fill: [255, 255, 255] as Rgb,
      opacity: 1,
      outline: [1, 2, 255] as Rgb,
      width: 2,
      hollow: true
    }
    const numbers = discNumbersOf([disc, disc])
    expect(numbers).toHaveLength(14)
    expect(Array.from(new Uint8Array(numbers.buffer, 4 * (7 + 3), 8))).toEqual([255, 255, 255, 255, 1, 2, 255, 255])
    expect(numbers[13]).toBe(1)
    const lines = lineNumbersOf([{ x1: 0, y1: 0, x2: 1, y2: 1, width: 1, colour: [9, 8, 255], opacity: 127 / 255 }])
    expect(Array.from(new Uint8Array(lines.buffer, 20, 4))).toEqual([9, 8, 255, 127])
  })
})
