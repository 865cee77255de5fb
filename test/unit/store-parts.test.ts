import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { openDatabase, select } from '../../main/store/database'
import { migrations } from '../../main/store/schema'
import { openWorkspace } from '../../main/store/store'
import type { RunWriter, Workspace } from '../../main/store/store'
import { components, matrixOf, newRun, smallStudy, temporaryFolder, tokenText } from './store-fixture'

const tokens = 20
const width = components.length

let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder: string
let workspace: Workspace

beforeEach(async () => {
  place = await temporaryFolder()
  folder = join(place.folder, 'w')
  workspace = await openWorkspace(folder, { create: true })
})

afterEach(async () => {
  await workspace.close()
  await place.remove()
})

/** Parts that differ so much in size that the order in which they are added shows. */
const partOf = (part: number): Float32Array => matrixOf(tokens, [1, 1e20, -1e20, 3][part])

const meanOf = (parts: readonly number[], first = 0, count = tokens): Float32Array => {
  const matrices = parts.map((part) => partOf(part).subarray(first * width, (first + count) * width))
  const sumAt = (i: number): number => matrices.reduce((sum, matrix) => sum + matrix[i], 0)
  return Float32Array.from(matrices[0], (_, i) => sumAt(i) / matrices.length)
}

const writeMatrix = async (writer: RunWriter): Promise<void> => {
  await writer.beginSusceptibilities(components, 2.5)
  await writer.appendSusceptibilities(matrixOf(tokens), matrixOf(tokens, 0.1))
}

/** In two blocks each. */
const writeParts = async (writer: RunWriter, count: number): Promise<void> => {
  await writer.beginParts(count)
  for (let part = 0; part < count; part++) {
    const matrix = partOf(part)
    await writer.appendPart(part, matrix.subarray(0, 7 * width))
    await writer.appendPart(part, matrix.subarray(7 * width))
  }
}

const makeRun = async (parts: number | null): Promise<string> => {
  const { id } = await workspace.createRun(newRun())
  await workspace.transaction(id, (writer) => writer.saveStudy(smallStudy(tokens / 5), tokenText))
  await workspace.transaction(id, async (writer) => {
    await writeMatrix(writer)
    if (parts !== null) await writeParts(writer, parts)
  })
  return id
}

/** Rows of the table, whichever runs they are of. */
const rowsOfParts = async (): Promise<unknown> => {
  await workspace.close()
  const instance = await DuckDBInstance.create(join(folder, 'workspace.duckdb'), { access_mode: 'READ_ONLY' })
  const connection = await instance.connect()
  const [{ rows }] = await select(connection, 'SELECT count(*)::INTEGER AS rows FROM parts')
  connection.closeSync()
  instance.closeSync()
  workspace = await openWorkspace(folder)
  return rows
}

describe('parts of the draws', () => {
  test('give back the mean of any of them, over any rows', async () => {
    const other = await makeRun(2)
    const id = await makeRun(4)
    expect(await workspace.countParts(id)).toBe(4)
    expect(await workspace.countParts(other)).toBe(2)
    for (const parts of [[0], [3], [0, 2], [2, 0], [1, 2, 0], [0, 1, 2], [0, 1, 2, 3]]) {
      expect(await workspace.readHalf(id, parts, 0, tokens)).toEqual(meanOf(parts))
    }
    expect(meanOf([0, 1, 2])).not.toEqual(meanOf([1, 2, 0]))
    expect(await workspace.readHalf(id, [1, 3], 6, 3)).toEqual(meanOf([1, 3], 6, 3))
    expect(await workspace.readHalf(other, [1], 18, 10)).toEqual(meanOf([1], 18, 2))
    expect(await workspace.readHalf(id, [0], tokens, 5)).toHaveLength(0)
  })

  test('are none of a run whose matrix came without them, and say so when they are asked for', async () => {
    const id = await makeRun(null)
    expect(await workspace.countParts(id)).toBe(0)
    const lacks = (part: number) => {
      const words = `has no saved part ${part} of its draws; sample it again`
      return { kind: 'input', message: expect.stringContaining(words) as string }
    }
    await expect(workspace.readHalf(id, [0], 0, 3)).rejects.toMatchObject(lacks(0))
    const two = await makeRun(2)
    await expect(workspace.readHalf(two, [0, 2], 0, 3)).rejects.toMatchObject(lacks(2))
    await expect(workspace.readHalf(two, [], 0, 3)).rejects.toThrow('malformed call of readHalf')
    const { id: empty } = await workspace.createRun(newRun())
    expect(await workspace.countParts(empty)).toBe(0)
    await expect(workspace.readHalf(empty, [0], 0, 3)).rejects.toMatchObject({ kind: 'input' })
  })

  test('go with the matrix that they belong to, and with their run', async () => {
    const id = await makeRun(4)
    const kept = await makeRun(2)
    await workspace.transaction(id, (writer) => writeMatrix(writer))
    expect(await workspace.countParts(id)).toBe(0)
    expect(await rowsOfParts()).toBe(2 * tokens)
    await workspace.deleteRun(kept)
    expect(await rowsOfParts()).toBe(0)
  })

  test('are stored whole or not at all', async () => {
    const before = await makeRun(2)
    const lacking = (write: (writer: RunWriter) => Promise<void>): Promise<void> =>
      workspace.transaction(before, async (writer) => {
        await writeMatrix(writer)
        await writer.beginParts(4)
        for (const part of [0, 1, 2]) await writer.appendPart(part, partOf(part))
        await write(writer)
      })
    const last = partOf(3)
    const cases: readonly (readonly [write: (writer: RunWriter) => Promise<void>, words: string])[] = [
      [() => Promise.resolve(), 'part 3 of 0 tokens were stored, but the study has 20'],
      [(writer) => writer.appendPart(3, last.subarray(width)), 'part 3 of 19 tokens'],
      [(writer) => writer.appendPart(3, last.subarray(1)), 'come in rows of 3'],
      [(writer) => writer.appendPart(4, last), 'there is no part 4 of 4'],
      [() => Promise.reject(new Error('no more')), 'no more']
    ]
    for (const [write, words] of cases) await expect(lacking(write)).rejects.toThrow(words)
    expect(await workspace.countParts(before)).toBe(2)
    expect(await workspace.readHalf(before, [0, 1], 0, tokens)).toEqual(meanOf([0, 1]))
    expect(await rowsOfParts()).toBe(2 * tokens)
  })

  test('of a store that was killed while they were written are not there', async () => {
    const { id } = await workspace.createRun(newRun())
    await workspace.transaction(id, (writer) => writer.saveStudy(smallStudy(tokens / 5), tokenText))
    const half = workspace.transaction(id, async (writer) => {
      await writeMatrix(writer)
      await writer.beginParts(2)
      await writer.appendPart(0, partOf(0))
      process.kill(workspace.pid, 'SIGKILL')
      await writer.appendPart(1, partOf(1))
    })
    await expect(half).rejects.toMatchObject({ kind: 'storage' })
    await workspace.close()
    workspace = await openWorkspace(folder)
    expect(await workspace.countParts(id)).toBe(0)
    expect((await workspace.getRun(id)).components).toEqual([])
    expect(await rowsOfParts()).toBe(0)
  })

  test('are copied with their run', async () => {
    const id = await makeRun(4)
    const other = await openWorkspace(join(place.folder, 'other'), { create: true })
    try {
      await other.createRun(newRun())
      await workspace.close()
      await other.copyRun(join(folder, 'workspace.duckdb'), '/elsewhere')
      expect(await other.countParts(id)).toBe(4)
      expect(await other.readHalf(id, [0, 3], 0, tokens)).toEqual(meanOf([0, 3]))
    } finally {
      await other.close()
    }
    workspace = await openWorkspace(folder)
  })
})

test('a run of a schema without parts has none, until its matrix is stored again', async () => {
  await workspace.close()
  const old = join(place.folder, 'old')
  const withoutParts = migrations.filter(({ version }) => version < 4)
  const instance = await openDatabase(old, { create: true, readOnly: false }, withoutParts)
  const connection = await instance.connect()
  const { configuration } = newRun()
  const id = '20261120-100000-abcd'
  await connection.run(
    `INSERT INTO runs VALUES
       (1, '${id}', 'an old run', 'finished', NULL, now()::TIMESTAMP, NULL, NULL, $1::JSON, '/somewhere', '{}', NULL)`,
    [JSON.stringify(configuration)]
  )
  await connection.run("INSERT INTO studies VALUES (1, 'abc', 20, 4)")
  await connection.run("INSERT INTO samplings VALUES (1, 2.5, ['embed', 'head:0.0', 'mlp:0'], [0, 0, 0], [1, 1, 1])")
  connection.closeSync()
  instance.closeSync()
  workspace = await openWorkspace(old)
  expect(await workspace.countParts(id)).toBe(0)
  await workspace.transaction(id, async (writer) => {
    await writeMatrix(writer)
    await writeParts(writer, 4)
  })
  expect(await workspace.countParts(id)).toBe(4)
  expect(await workspace.readHalf(id, [1, 3], 0, tokens)).toEqual(meanOf([1, 3]))
})
