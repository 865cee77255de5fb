import type { Rgb } from './colours'
import type { GraphView } from './graph.svelte'
import { largeNameSize, nameSize } from './label-placement'
import type { PlacedName, Point } from './names-layer'
import type { Drawing } from './svg'

/** The nodes of a graph in view as shapes, with the names as they are placed; null where nothing is drawn. */
export const drawingOfView = (view: GraphView): Drawing | null => {
  const { stage } = view.camera
  const { theme } = view.colours
  const { placed } = view.data
  const { legend } = view.colours
  if (stage === null || theme === null) return null
  const { width, height } = stage.size
  const nodes: Drawing['nodes'][number][] = []
  const seen = ({ x, y }: Point, margin: number): boolean =>
    x > -margin && x < width + margin && y > -margin && y < height + margin
  if (view.data.mode === 'clusters') {
    for (const disc of view.scene.discs) {
      const at = stage.toView(disc)
      const radius = stage.radiusOf(disc.radius)
      if (seen(at, radius)) nodes.push({ ...at, radius, colour: disc.fill, outline: disc.outline, hollow: disc.hollow })
    }
  } else if (placed !== null) {
    const { colours, faded, highlights } = stage.points
    const radius = stage.points.sizeAt(stage.view.ratio) / 2
    const add = (point: number, size: number, share: number, outline?: Rgb): void => {
      const at = stage.toView({ x: placed.places[2 * point], y: placed.places[2 * point + 1] })
      if (!seen(at, size)) return
      const own: Rgb = [colours[4 * point], colours[4 * point + 1], colours[4 * point + 2]]
      const into = 1 - (1 - share) * (colours[4 * point + 3] / 255)
      const colour = [0, 1, 2].map((part) => own[part] + into * (theme.surface[part] - own[part])) as unknown as Rgb
      nodes.push({ ...at, radius: size, colour, ...(outline === undefined ? {} : { outline }) })
    }
    for (let point = 0; point < placed.count; point++) add(point, faded > 0 ? 0.8 * radius : radius, faded)
    for (const { points, growth, outline } of highlights)
      for (const point of points) add(point, growth * radius, 0, outline ?? undefined)
  }
  const lines = view.scene.lines.flatMap(({ x1, y1, x2, y2, ...line }) => {
    const [first, last] = [stage.toView({ x: x1, y: y1 }), stage.toView({ x: x2, y: y2 })]
    const outside =
      Math.max(first.x, last.x) < 0 ||
      Math.min(first.x, last.x) > width ||
      Math.max(first.y, last.y) < 0 ||
      Math.min(first.y, last.y) > height
    return outside ? [] : [{ x1: first.x, y1: first.y, x2: last.x, y2: last.y, ...line }]
  })
  return {
    width,
    height,
    title: view.title,
    ground: theme.surface,
    lines,
    nodes,
    labels: stage.names.placed.map(({ at, text, code, strong, large }: PlacedName) => ({
      ...at,
      text,
      code,
      strong: strong || large === true,
      size: large === true ? largeNameSize : nameSize,
      colour: theme.text
    })),
    legend:
      legend?.form === 'kinds'
        ? legend.kinds.map(({ colour, text }) => ({ colour, text }))
        : legend?.form === 'clusters'
          ? legend.clusters.map(({ colour, text }) => ({ colour, text }))
          : []
  }
}
