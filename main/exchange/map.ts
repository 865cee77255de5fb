import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber, ClusterSummary } from '../../preload/records'
import { html, nothing } from './html'
import type { Html } from './html'
import type { MapPlaces } from './map-places'
import { titleOf } from './names'
import type { Report } from './report-cluster'
import { grouped } from './report-parts'

/** Colours of groups on a map: classes `k0` … */
export const mapColours = 10

const width = 960
const [leastHeight, mostHeight] = [380, 720]
const margin = 18
const mostNames = 24
const letterWidth = 6.6
const lineHeight = 15

export interface Frame {
  readonly width: number
  readonly height: number
  /** Pixels of a place, rounded to tenths. */
  at(x: number, y: number): readonly [number, number]
}

/** A frame that holds all points, as large as fits. */
const frameOf = ({ clusters }: MapPlaces): Frame => {
  const low = [Infinity, Infinity]
  const high = [-Infinity, -Infinity]
  for (const points of clusters.values())
    points.forEach((value, at) => {
      low[at % 2] = Math.min(low[at % 2], value)
      high[at % 2] = Math.max(high[at % 2], value)
    })
  const span = [0, 1].map((axis) => Math.max(high[axis] - low[axis], 1e-6))
  const height = Math.round(Math.max(leastHeight, Math.min(mostHeight, (width * span[1]) / span[0])))
  const scale = Math.min((width - 2 * margin) / span[0], (height - 2 * margin) / span[1])
  const tenth = (value: number): number => Math.round(10 * value) / 10
  return {
    width,
    height,
    at: (x, y) => [
      tenth(width / 2 + scale * (x - (low[0] + high[0]) / 2)),
      tenth(height / 2 - scale * (y - (low[1] + high[1]) / 2))
    ]
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** Middle of a cluster's points: their medians. */
const middleOf = (points: readonly number[]): [number, number] => [
  median(points.filter((_, at) => at % 2 === 0)),
  median(points.filter((_, at) => at % 2 === 1))
]

/** Points as short strokes, which round ends make discs of. */
const dots = (frame: Frame, points: readonly number[]): string => {
  const parts: string[] = []
  for (let at = 0; at < points.length; at += 2) {
    const [x, y] = frame.at(points[at], points[at + 1])
    parts.push(`M${x} ${y}h0`)
  }
  return parts.join('')
}

/** Colour class of each cluster: that of its topmost group, largest first. */
export const coloursOf = ({ tree, entries }: Report): ReadonlyMap<ClusterNumber, string> => {
  const tops = [...tree.childrenOf(null)].sort(
    (a, b) => (entries.get(b)?.size ?? 0) - (entries.get(a)?.size ?? 0) || a - b
  )
  return new Map(tops.flatMap((top, at) => tree.within(top).map((group) => [group, `k${at % mapColours}`] as const)))
}

interface Placed {
  readonly summary: ClusterSummary
  readonly points: readonly number[]
}

/** Width of a stroke: a token is a dot; a cluster is a disc with its size as area. */
const strokeOf = ({ map }: Report, { size }: ClusterSummary): number =>
  map?.of === 'clusters' ? Math.round(10 * Math.min(60, 5 + Math.sqrt(size))) / 10 : 3.4

const namesOf = (report: Report, frame: Frame, placed: readonly Placed[]): Html[] => {
  const taken: { left: number; right: number; top: number; bottom: number }[] = []
  const shown: Html[] = []
  const byWeight = [...placed].sort(
    (a, b) =>
      Number(titleOf(report, b.summary).given) - Number(titleOf(report, a.summary).given) ||
      b.summary.size - a.summary.size
  )
  for (const { summary, points } of byWeight) {
    if (shown.length === mostNames) break
    const { text, given } = titleOf(report, summary)
    const name = Array.from(text).slice(0, 28).join('')
    const [x, middle] = frame.at(...middleOf(points))
    // A disc keeps its name below it; a cloud of tokens has it in its middle.
    const y = report.map?.of === 'clusters' ? middle + strokeOf(report, summary) / 2 + 9 : middle
    const half = (name.length * letterWidth) / 2
    const box = { left: x - half, right: x + half, top: y - lineHeight / 2, bottom: y + lineHeight / 2 }
    const isFree = taken.every(
      (other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom
    )
    if (!isFree || box.left < 0 || box.right > frame.width) continue
    taken.push(box)
    shown.push(html`<text x="${x}" y="${y + 4}"${given ? html` class="given"` : nothing}>${name}</text>`)
  }
  return shown
}

/**
 * The map of a report's clusters as SVG, fitted to its points: each cluster in the colour of its topmost group, a
 * link to `hrefOf`, its name on hover, and names where there is room. Undefined where nothing has a place.
 */
export const mapSvg = (report: Report, hrefOf: (cluster: ClusterNumber) => string): Html | undefined => {
  const { map, shown } = report
  if (map === undefined || map.clusters.size === 0) return undefined
  const frame = frameOf(map)
  const colours = coloursOf(report)
  const placed = report.summaries.flatMap((summary) => {
    const points = map.clusters.get(summary.cluster)
    return points === undefined || summary.cluster === leftoverCluster ? [] : [{ summary, points }]
  })
  const others = [...map.clusters].flatMap(([cluster, points]) =>
    shown.has(cluster) && cluster !== leftoverCluster ? [] : points
  )
  const clusters = [...placed]
    .sort((a, b) => b.summary.size - a.summary.size)
    .map(({ summary, points }) => {
      const title = `${titleOf(report, summary).text}: ${grouped(summary.size)} tokens`
      const path = html`<path d="${dots(frame, points)}" stroke-width="${strokeOf(report, summary)}"/>`
      const colour = colours.get(summary.cluster) ?? 'k0'
      return html`<a href="${hrefOf(summary.cluster)}" class="${colour}"><title>${title}</title>${path}</a>`
    })
  const rest = others.length === 0 ? nothing : html`<path class="rest" d="${dots(frame, others)}" stroke-width="2.4"/>`
  const words = `Map of ${placed.length} clusters`
  return html`<svg class="map" viewBox="0 0 ${frame.width} ${frame.height}" role="group" aria-label="${words}">${rest}
${clusters}
<g class="names" aria-hidden="true">${namesOf(report, frame, placed)}</g></svg>`
}

/** All points in one colour, for a picture that others are laid over; undefined where nothing has a place. */
export const mapGround = ({ map }: Report): Html | undefined => {
  if (map === undefined || map.clusters.size === 0) return undefined
  const frame = frameOf(map)
  const all = dots(frame, [...map.clusters.values()].flat())
  const path = html`<path d="${all}" stroke-width="${map.of === 'tokens' ? 3 : 14}"/>`
  const style = html`fill="none" stroke="#808890" stroke-opacity="0.28" stroke-linecap="round"`
  const box = html`viewBox="0 0 ${frame.width} ${frame.height}" width="${frame.width}" height="${frame.height}"`
  return html`<svg xmlns="http://www.w3.org/2000/svg" ${box} ${style}>${path}</svg>\n`
}

/** The points of some clusters, in the frame of the whole map; undefined where they have none. */
export const mapOverlay = ({ map }: Report, clusters: readonly ClusterNumber[]): Html | undefined => {
  if (map === undefined) return undefined
  const points = clusters.flatMap((cluster) => map.clusters.get(cluster) ?? [])
  if (points.length === 0) return undefined
  const frame = frameOf(map)
  const stroke = map.of === 'tokens' ? 7 : 24
  const path = html`<path d="${dots(frame, points)}" stroke-width="${stroke}"/>`
  return html`<svg viewBox="0 0 ${frame.width} ${frame.height}" aria-hidden="true">${path}</svg>`
}
