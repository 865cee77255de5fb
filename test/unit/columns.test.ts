import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Columns, inFile, inMemory } from '../../main/sampling/columns'
import type { OpenStorage } from '../../main/sampling/columns'
import { columnsOf, resultOf, wholeOf } from '../../main/sampling/estimates'
import { sampleChains } from '../../main/sampling/chains-sampler'
import { localLane } from '../local-lane'
import { componentSlices, flatten } from '../../main/models/components'
import { architecture, QuadraticEvaluator, smallInput, weights } from './sampling-fake'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'columns-'))
  path = join(folder, 'run', 'columns')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const shape = { tokens: 23, columns: 5, matrices: 3 }
const valueAt = (matrix: number, column: number, token: number): number => 1000 * matrix + 100 * column + token
const columnOf = (matrix: number, column: number): Float32Array =>
  Float32Array.from({ length: shape.tokens }, (_, token) => valueAt(matrix, column, token))

const filled = (storage: OpenStorage, tile: number): Promise<Columns> =>
  Columns.with(
    shape,
    storage,
    async (columns) => {
      for (let column = 0; column < shape.columns; column++) {
        for (let matrix = 0; matrix < shape.matrices; matrix++) {
          await columns.put(matrix, column, columnOf(matrix, column))
        }
      }
      return columns
    },
    tile
  )

const rowsOf = (matrix: number, first: number, count: number): Float32Array =>
  Float32Array.from({ length: count * shape.columns }, (_, i) =>
    valueAt(matrix, i % shape.columns, first + Math.floor(i / shape.columns))
  )

describe('columns', () => {
  it.each([1, 5, 20, 35, 115, 1000])('are read as they were written, in tiles of %i numbers', async (tile) => {
    for (const storage of [inMemory, inFile(path)]) {
      const columns = await filled(storage, tile)
      for (const [first, count] of [
        [0, 23],
        [0, 1],
        [22, 1],
        [3, 11],
        [7, 0]
      ]) {
        for (const matrix of [0, 1, 0, 2]) {
          expect(await columns.rows(matrix, first, count)).toEqual(rowsOf(matrix, first, count))
        }
      }
      expect(await columns.column(2, 4)).toEqual(columnOf(2, 4))
      await columns.close()
    }
  })

  it('are asked of their storage a tile at a time, each once where rows are read in order', async () => {
    const lengths: number[] = []
    const counting: OpenStorage = async (length) => {
      const storage = await inMemory(length)
      return { ...storage, read: (place, into) => (lengths.push(into.length), storage.read(place, into)) }
    }
    const columns = await filled(counting, 4 * shape.columns)
    for (let first = 0; first < shape.tokens; first++) {
      for (const matrix of [0, 1]) await columns.rows(matrix, first, 1)
    }
    for (let first = 0; first < shape.tokens; first++) await columns.rows(2, first, 1)
    expect(lengths).toHaveLength(3 * Math.ceil(shape.tokens / 4))
    expect(Math.max(...lengths)).toBe(4 * shape.columns)
  })

  it('in a file leave none when they are closed, or when what makes them fails', async () => {
    const columns = await filled(inFile(path), 20)
    expect(existsSync(path)).toBe(true)
    await columns.close()
    expect(existsSync(path)).toBe(false)
    const failing = Columns.with(shape, inFile(path), async (made) => {
      await made.put(0, 0, columnOf(0, 0))
      throw new Error('in between')
    })
    await expect(failing).rejects.toThrow('in between')
    expect(existsSync(path)).toBe(false)
  })

  it('in a file that cannot be written are refused by its name, and end with their signal', async () => {
    mkdirSync(path, { recursive: true })
    const message = expect.stringContaining(`${path} cannot be written`) as string
    await expect(filled(inFile(path), 20)).rejects.toMatchObject({ kind: 'storage', message })
    const controller = new AbortController()
    const columns = await filled(inFile(join(folder, 'other'), controller.signal), 20)
    controller.abort()
    await expect(columns.column(0, 0)).rejects.toThrow()
    await columns.close()
  })

  it('of a run in a file have the bits of those in memory', async () => {
    const input = { ...smallInput({ chains: 3 }), components: ['mlp:1', 'head:0.1', 'head:1.0'] }
    const centreOf = (name: string): Float32Array => flatten(weights, componentSlices(architecture, weights, name))
    const openLane = localLane(() => Promise.resolve(new QuadraticEvaluator(centreOf)))
    const sampled = await sampleChains(input, undefined, { openLane })
    const estimated = await columnsOf(input, sampled, inFile(path))
    expect(await wholeOf(estimated)).toEqual(await resultOf(input, sampled))
    await estimated.columns.close()
  })
})
