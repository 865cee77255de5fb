import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as zarr from 'zarrita'
import type { AbsolutePath, AsyncMutable } from 'zarrita'

type Values = Readonly<Record<string, unknown>>

/** Elements of a chunk, at most. */
const mostElements = 2 ** 20
const compressed = [
  { name: 'bytes', configuration: { endian: 'little' } },
  { name: 'zstd', configuration: { level: 3, checksum: false } }
]

const fixedText = /^v2:U(\d+)$/

/** Metadata as zarrita makes it, with Zarr's own name for texts of fixed length. */
const published = (document: Values): Values => {
  if (document.node_type === 'group') return document
  const characters = fixedText.exec(String(document.data_type))?.[1]
  return {
    ...document,
    fill_value: document.data_type === 'float32' ? 'NaN' : 0,
    ...(characters === undefined
      ? {}
      : {
          data_type: { name: 'fixed_length_utf32', configuration: { length_bytes: 4 * Number(characters) } },
          fill_value: ''
        })
  }
}

/** zarrita's name for texts of fixed length. */
const own = ({ data_type: type, ...document }: Values): Values => {
  const length = (type as { configuration?: { length_bytes?: number } }).configuration?.length_bytes
  return { ...document, data_type: length === undefined ? type : `v2:U${length / 4}` }
}

/** A Zarr store of version 3 that is being written to a folder. */
export class ZarrWriter implements AsyncMutable {
  readonly #metadata = new Map<string, Values>()

  constructor(private readonly folder: string) {}

  #place(key: AbsolutePath): string {
    return join(this.folder, ...key.split('/'))
  }

  async get(key: AbsolutePath): Promise<Uint8Array | undefined> {
    const bytes = await readFile(this.#place(key)).catch(() => undefined)
    if (bytes === undefined || !key.endsWith('zarr.json')) return bytes
    return new TextEncoder().encode(JSON.stringify(own(JSON.parse(bytes.toString()) as Values)))
  }

  async set(key: AbsolutePath, value: Uint8Array): Promise<void> {
    const path = this.#place(key)
    await mkdir(dirname(path), { recursive: true })
    if (!key.endsWith('zarr.json')) return writeFile(path, value)
    const document = published(JSON.parse(new TextDecoder().decode(value)) as Values)
    this.#metadata.set(key.slice(1, -'/zarr.json'.length), document)
    return writeFile(path, JSON.stringify(document, null, 2))
  }

  async group(path: string, attributes: Values): Promise<void> {
    await zarr.create(zarr.root(this).resolve(path), { attributes: { ...attributes } })
  }

  /** Writes float32 rows [rows, width] from blocks, which may have any number of rows. */
  async matrix(
    path: string,
    [rows, width]: readonly [number, number],
    { dimensions, attributes }: ArrayNames,
    blocks: AsyncIterable<Float32Array>
  ): Promise<void> {
    const height = Math.min(rows, Math.max(1, Math.floor(mostElements / width)))
    const array = await zarr.create(zarr.root(this).resolve(path), {
      shape: [rows, width],
      chunkShape: [height, width],
      dtype: 'float32',
      codecs: compressed,
      dimensionNames: [...dimensions],
      attributes: { ...attributes, _FillValue: missing }
    })
    const chunk = new Float32Array(height * width)
    let [first, held] = [0, 0]
    const flush = async (): Promise<void> => {
      const count = held / width
      const data = chunk.slice(0, held)
      await zarr.set(array, [zarr.slice(first, first + count), null], {
        data,
        shape: [count, width],
        stride: [width, 1]
      })
      first += count
      held = 0
    }
    for await (const block of blocks) {
      for (let at = 0; at < block.length;) {
        const taken = Math.min(block.length - at, chunk.length - held)
        chunk.set(block.subarray(at, at + taken), held)
        at += taken
        held += taken
        if (held === chunk.length) await flush()
      }
    }
    if (held > 0) await flush()
  }

  /** Writes whole numbers of one dimension as int64. */
  async integers(path: string, names: ArrayNames, values: Int32Array): Promise<void> {
    const chunk = Math.max(1, Math.min(values.length, mostElements))
    const array = await zarr.create(zarr.root(this).resolve(path), {
      shape: [values.length],
      chunkShape: [chunk],
      dtype: 'int64',
      codecs: compressed,
      dimensionNames: [...names.dimensions],
      attributes: { ...names.attributes }
    })
    for (let first = 0; first < values.length; first += chunk) {
      const data = BigInt64Array.from(values.subarray(first, first + chunk), BigInt)
      const range = [zarr.slice(first, first + data.length)]
      await zarr.set(array, range, { data, shape: [data.length], stride: [1] })
    }
  }

  /** Writes texts of one dimension. */
  async texts(path: string, names: ArrayNames, values: readonly string[]): Promise<void> {
    const longest = Math.max(1, ...values.map((value) => Array.from(value).length))
    const array = await zarr.create(zarr.root(this).resolve(path), {
      shape: [values.length],
      chunkShape: [values.length],
      dtype: `v2:U${longest}`,
      codecs: compressed,
      fillValue: '',
      dimensionNames: [...names.dimensions],
      attributes: { ...names.attributes }
    })
    const data = new zarr.UnicodeStringArray(longest, values.length)
    values.forEach((value, at) => data.set(at, value))
    await zarr.set(array, [null], { data, shape: [values.length], stride: [1] })
  }

  /** Repeats all metadata in that of the root group, from which readers take it in one go. */
  async consolidate(): Promise<void> {
    const path = join(this.folder, 'zarr.json')
    const { '': root, ...nodes } = Object.fromEntries(this.#metadata)
    const consolidated = { kind: 'inline', must_understand: false, metadata: nodes }
    await writeFile(path, JSON.stringify({ ...root, consolidated_metadata: consolidated }, null, 2))
  }
}

/** xarray's form of NaN as the value that stands for a missing one. */
const missing = 'AAAAAAAA+H8='

export interface ArrayNames {
  readonly dimensions: readonly string[]
  readonly attributes?: Values
}
