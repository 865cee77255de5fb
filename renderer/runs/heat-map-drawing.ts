import { visibleText } from '../../preload/contract'
import type { HeatMap } from '../../preload/contract'
import { whole } from '../ui/format'
import type { NumberFormat } from '../ui/format'
import { nameOf } from './heat-map'
import type { RowOrder } from './heat-map'
import { colourOf } from './theme-colours'
import type { ColumnTrust } from './trust'

const [namesHeight, trustRow] = [74, 16]
/** Pixels: width of the row names, height of a row, least and greatest width of a cell. */
export const [side, rowHeight, leastCell, mostCell] = [118, 15, 7, 40]
/** Pixels that the slanted name of the last column needs to the right of its cell. */
export const slant = 26
/** Colours on either side of the neutral one. */
export const colourSteps = 64

type Trust = ReadonlyMap<string, ColumnTrust>

/** Height in pixels of the column names, and of the reliabilities below them where they are known. */
export const headHeight = (trust: Trust | null): number => namesHeight + (trust === null ? 0 : trustRow)

/** A heat map and the part of it in sight; sizes and places are in CSS pixels. */
export interface HeatMapScene {
  readonly map: HeatMap
  readonly rows: Int32Array
  readonly by: RowOrder
  readonly cursor: { readonly row: number; readonly column: number } | null
  readonly focused: boolean
  readonly trust: Trust | null
  /** Width of a cell. */
  readonly cell: number
  /** Colours from the most negative value to the most positive, 2·`colourSteps` + 1. */
  readonly scale: readonly string[]
  /** Absolute value that takes the full colour. */
  readonly limit: number
  readonly size: { readonly width: number; readonly height: number }
  readonly scroll: { readonly left: number; readonly top: number }
  readonly format: NumberFormat | undefined
}

type Canvas = CanvasRenderingContext2D

const xOf = ({ cell, scroll }: HeatMapScene, column: number): number => side + column * cell - scroll.left
const yOf = ({ trust, scroll }: HeatMapScene, row: number): number => headHeight(trust) + row * rowHeight - scroll.top
const gapOf = ({ cell }: HeatMapScene): number => (cell >= 12 ? 1 : 0)

/** Draws inside a rectangle only. */
const within = (canvas: Canvas, [x, y, width, height]: readonly number[], draw: () => void): void => {
  canvas.save()
  canvas.beginPath()
  canvas.rect(x, y, width, height)
  canvas.clip()
  draw()
  canvas.restore()
}

const rowsInSight = ({ rows, trust, size, scroll }: HeatMapScene): readonly [number, number] => [
  Math.max(0, Math.floor(scroll.top / rowHeight)),
  Math.min(rows.length, Math.ceil((scroll.top + size.height - headHeight(trust)) / rowHeight))
]

const drawCells = (canvas: Canvas, scene: HeatMapScene): void => {
  const { map, rows, cell, scale, limit, size } = scene
  const columns = map.components.length
  const [first, last] = rowsInSight(scene)
  for (let row = first; row < last; row++) {
    for (let column = 0; column < columns; column++) {
      const x = xOf(scene, column)
      if (x + cell < side || x > size.width) continue
      const value = map.values[rows[row] * columns + column]
      if (!Number.isFinite(value)) continue
      canvas.fillStyle = scale[Math.round(Math.max(-1, Math.min(1, value / limit)) * colourSteps) + colourSteps]
      canvas.fillRect(x, yOf(scene, row), cell - gapOf(scene), rowHeight - 1)
    }
  }
}

const drawRowNames = (canvas: Canvas, scene: HeatMapScene): void => {
  const { map, rows, cursor, format } = scene
  const [soft, ink] = [colourOf('text-soft'), colourOf('text')]
  const [first, last] = rowsInSight(scene)
  for (let row = first; row < last; row++) {
    const y = yOf(scene, row) + rowHeight / 2
    canvas.fillStyle = cursor?.row === row ? ink : soft
    canvas.textAlign = 'left'
    canvas.fillText(visibleText(nameOf(map.clusters[rows[row]])), 4, y)
    canvas.textAlign = 'right'
    canvas.fillText(visibleText(whole(map.sizes[rows[row]], format)), side - 8, y)
  }
}

const drawColumnNames = (canvas: Canvas, scene: HeatMapScene): void => {
  const { map, by, cursor, cell } = scene
  const [soft, ink] = [colourOf('text-soft'), colourOf('text')]
  canvas.textAlign = 'left'
  const every = Math.max(1, Math.ceil(12 / cell))
  map.components.forEach((component, column) => {
    const here = cursor?.column === column
    const sorts = by !== 'size' && by.column === column
    if (column % every !== 0 && !here && !sorts) return
    canvas.save()
    canvas.translate(xOf(scene, column) + cell / 2, namesHeight - 6)
    canvas.rotate(-Math.PI / 2.6)
    canvas.fillStyle = here || sorts ? ink : soft
    canvas.fillText(visibleText(`${component}${sorts ? (by.descending ? ' ▾' : ' ▴') : ''}`), 0, 0)
    canvas.restore()
  })
}

/** Bars under the names, as high as columns are reliable; noisy columns get an outline and a sign. */
const drawTrust = (canvas: Canvas, scene: HeatMapScene, trust: Trust): void => {
  const { map, cell, size } = scene
  const [faint, warn] = [colourOf('line-strong'), colourOf('warn')]
  const tall = trustRow - 5
  map.components.forEach((component, column) => {
    const found = trust.get(component)
    const x = xOf(scene, column)
    if (found === undefined || x + cell < side || x > size.width) return
    const [wide, high] = [Math.max(2, cell - 2), Math.max(1, tall * found.least)]
    if (!found.noisy) {
      canvas.fillStyle = faint
      canvas.fillRect(x, namesHeight + tall - high, wide, high)
      return
    }
    canvas.strokeStyle = faint
    canvas.lineWidth = 1
    canvas.strokeRect(x + 0.5, namesHeight + tall - high + 0.5, wide - 1, Math.max(1, high - 1))
    const middle = x + wide / 2
    const reach = Math.min(4, wide / 2)
    canvas.fillStyle = warn
    canvas.beginPath()
    canvas.moveTo(middle, namesHeight + 1)
    canvas.lineTo(middle + reach, namesHeight + 1 + 1.6 * reach)
    canvas.lineTo(middle - reach, namesHeight + 1 + 1.6 * reach)
    canvas.fill()
  })
}

const drawCursor = (canvas: Canvas, scene: HeatMapScene, { row, column }: { row: number; column: number }): void => {
  const { focused, cell, size, trust } = scene
  const head = headHeight(trust)
  const [x, y] = [xOf(scene, column), yOf(scene, row)]
  if (y < head - rowHeight || x < side - cell) return
  within(canvas, [side - 2, head - 2, size.width, size.height], () => {
    canvas.strokeStyle = colourOf(focused ? 'accent' : 'text')
    canvas.lineWidth = 2
    canvas.strokeRect(x - 1, y - 1, cell - gapOf(scene) + 2, rowHeight + 1)
  })
}

/** Draws the part of a heat map in sight, at the display's resolution. */
export const drawHeatMap = (canvas: Canvas, scene: HeatMapScene): void => {
  const { size, trust, rows, cursor } = scene
  const { width, height } = size
  const head = headHeight(trust)
  const ratio = window.devicePixelRatio
  canvas.setTransform(ratio, 0, 0, ratio, 0, 0)
  canvas.clearRect(0, 0, width, height)
  within(canvas, [side, head, width - side, height - head], () => drawCells(canvas, scene))
  canvas.font = `11px ${colourOf('font')}`
  canvas.textBaseline = 'middle'
  within(canvas, [0, head, side, height - head], () => drawRowNames(canvas, scene))
  within(canvas, [side, 0, width - side, head], () => {
    drawColumnNames(canvas, scene)
    if (trust !== null) drawTrust(canvas, scene, trust)
  })
  if (trust !== null) {
    canvas.fillStyle = colourOf('text-soft')
    canvas.textAlign = 'right'
    canvas.fillText('reliability', side - 8, namesHeight + trustRow / 2 - 1)
  }
  if (cursor !== null && rows.length > 0) drawCursor(canvas, scene, cursor)
}
