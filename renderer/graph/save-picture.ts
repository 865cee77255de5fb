import type { GraphView } from './graph.svelte'
import { hexOf } from './colours'
import { drawingOfView } from './drawing'
import { lastPart } from '../ui/paths'
import { svgOf } from './svg'

const bytesOfDataUrl = (url: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(url.slice(url.indexOf(',') + 1)), (character) => character.charCodeAt(0))

/** The view as a PNG in a data URL; throws where nothing is drawn. */
export const pictureOf = ({ camera: { stage }, colours: { theme } }: GraphView): string => {
  if (stage === null || theme === null) throw new Error('Open the graph before exporting it.')
  return stage.picture(hexOf(theme.surface))
}

/** The view as the text of an SVG file; throws where nothing is drawn. */
export const drawingOf = (view: GraphView): string => {
  const drawing = drawingOfView(view)
  if (drawing === null) throw new Error('Open the graph before exporting it.')
  return svgOf(drawing)
}

const download = (name: string, type: string, content: Uint8Array<ArrayBuffer>): void => {
  const address = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  window.setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

/** Saves the view to a file that a person chooses; where there is no dialog of the system, the browser takes it. */
export const savePicture = async (view: GraphView, kind: 'png' | 'svg'): Promise<void> => {
  const { workbench, overview } = view.data.explore
  const name = `${(overview?.run.name ?? 'graph').replace(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 80)}-${view.data.mode}.${kind}`
  const content = kind === 'png' ? bytesOfDataUrl(pictureOf(view)) : new TextEncoder().encode(drawingOf(view))
  if (workbench.state?.nativeDialogs !== true) {
    download(name, kind === 'png' ? 'image/png' : 'image/svg+xml', content)
    workbench.tell('done', `Downloading ${name}.`)
    return
  }
  const choice = { purpose: 'save', title: 'Save graph image', suggested: name } as const
  const [path] = (await workbench.client.files.choose(choice)) ?? []
  if (path === undefined) return
  // The system's dialog has asked whether an existing file may be replaced.
  const written = await workbench.client.exports.picture({ path, content, overwrite: lastPart(path) })
  workbench.tell('done', `Graph saved to ${written.path}.`)
}
