import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SettingsFile } from '../../main/api/context'
import { nameRun } from '../../main/api/name-run'
import { openWorkspace } from '../../main/store/store'
import { completion, startModelServer } from '../model-server'
import type { ModelServer } from '../model-server'
import { storeRun, temporaryFolder } from './store-fixture'
import { memoryFile, openBench } from './workbench-fixture'
import type { Bench } from './workbench-fixture'

const key = 'sk-secret-0123456789'
let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder: string
let run: string
let bench: Bench | undefined
let server: ModelServer | undefined
let settings: SettingsFile

const isTest = (said: string): boolean => said.startsWith('Cluster: ')

beforeAll(async () => {
  place = await temporaryFolder()
  folder = join(place.folder, 'w')
  const workspace = await openWorkspace(folder, { create: true })
  run = await storeRun(workspace)
  await workspace.close()
})
afterEach(async () => {
  await bench?.close()
  await server?.close()
  bench = server = undefined
})
afterAll(() => place.remove())

const open = async (enabled = true): Promise<Bench> => {
  const one = (server = await startModelServer(({ said }, number) =>
    completion(isTest(said) ? '{"odd": 1}' : `{"name": "name ${number}", "description": "what it is"}`)
  ))
  settings = memoryFile({ naming: { enabled, address: one.address, model: 'tiny' } })
  return (bench = await openBench(folder, { settings }))
}
const where = () => ({ run, clustering: 1 })

test('nothing is sent while names by a model are off', async () => {
  const { ask } = await open(false)
  for (const method of ['names.preview', 'names.suggest'] as const)
    await expect(ask(method, { ...where(), cluster: 0 })).rejects.toMatchObject({
      kind: 'configuration',
      message: 'Names by a model are off; change that in Settings.'
    })
  expect(server?.asked).toEqual([])
})

test('a name is what the preview shows, is kept as a suggestion, and becomes a label only when it is accepted', async () => {
  const { ask, heard } = await open()
  const preview = await ask('names.preview', { ...where(), cluster: 0 })
  expect(preview).toMatchObject({ model: 'tiny', hasKey: false, unnamed: 2 })
  expect(server?.asked).toEqual([])
  const { id } = await ask('names.suggest', { ...where(), cluster: 0 })
  await heard('job', (job) => job.id === id && job.state === 'done')
  const [first, ...tests] = server!.asked
  expect(preview.naming).toContain(first.said)
  expect(tests).toHaveLength(5)
  expect(preview.test).toContain(tests[0].said.split('\n').slice(1).join('\n'))

  const { names } = await ask('names.list', where())
  expect(names).toMatchObject([{ cluster: 0, name: 'name 0', description: 'what it is', model: 'tiny' }])
  expect(names[0].score?.of).toBe(5)
  expect(await heard('suggested-names')).toEqual({ ...where(), names })
  expect((await ask('clusters.overview', where())).annotations).toEqual([])

  await ask('labels.apply', {
    ...where(),
    words: 'label cluster 0',
    changes: [{ do: 'set', targets: ['cluster:0'], label: { name: names[0].name } }]
  })
  expect((await ask('names.preview', { ...where(), cluster: 1 })).unnamed).toBe(1)
  await ask('labels.undo', {})
  expect((await ask('clusters.overview', where())).annotations).toEqual([])
})

test('the key goes to the server and nowhere else', async () => {
  const { ask, heard, notices } = await open()
  expect(await ask('names.hasKey', {})).toBe(false)
  await ask('names.setKey', { key })
  expect(await ask('names.hasKey', {})).toBe(true)
  expect(settings.get()).toMatchObject({ namingKey: key })
  const { id } = await ask('names.suggest', { ...where(), cluster: 1 })
  await heard('job', (job) => job.id === id && job.state === 'done')
  expect(
    server!.asked.every(({ headers, body }) => headers.authorization === `Bearer ${key}` && !body.includes(key))
  ).toBe(true)
  const told = JSON.stringify([await ask('app.state', {}), notices, await ask('names.list', where())])
  expect(told).not.toContain(key)
  expect(await readFile(join(folder, 'names', run, '1.json'), 'utf8')).not.toContain(key)
  await expect(ask('names.setKey', { key: 'two words' })).rejects.toMatchObject({ kind: 'usage' })
})

test('a dismissed name stays dismissed, until the model is asked for that cluster again', async () => {
  const { ask, heard } = await open()
  const { id } = await ask('names.suggest', { ...where(), cluster: 0 })
  await heard('job', (job) => job.id === id && job.state === 'done')
  const { unnamed } = await ask('names.preview', { ...where(), cluster: 1 })
  await ask('names.dismiss', { ...where(), cluster: 0 })
  const isDismissed = ({ names }: Awaited<ReturnType<typeof list>>): boolean | undefined =>
    names.find(({ cluster }) => cluster === 0)?.dismissed
  const list = () => ask('names.list', where())
  expect(isDismissed(await list())).toBe(true)
  expect(isDismissed(await heard('suggested-names', (told) => isDismissed(told) === true))).toBe(true)
  expect((await ask('names.preview', { ...where(), cluster: 1 })).unnamed).toBe(unnamed)
  const again = await ask('names.suggest', { ...where(), cluster: 0 })
  await heard('job', (job) => job.id === again.id && job.state === 'done')
  expect(isDismissed(await list())).toBe(false)
})

test('a file of names that something else wrote is refused with a sentence, and kept', async () => {
  const { ask } = await open()
  const path = join(folder, 'names', run, '1.json')
  const before = await readFile(path)
  await writeFile(path, '{"version": 1, "names": [{"cluster": "x"}]}')
  await expect(ask('names.list', where())).rejects.toMatchObject({
    kind: 'input',
    message: expect.stringContaining('does not hold suggested names')
  })
  await writeFile(path, before)
})

test('the terminal names what has no name yet', async () => {
  await (await open()).close()
  bench = undefined
  await writeFile(join(folder, 'names', run, '1.json'), '{"version": 1, "names": []}')
  const access = { address: server!.address, model: 'tiny', key: '' }
  const { signal } = new AbortController()
  const done: number[] = []
  const named = await nameRun(folder, 'latest', access, { signal, onProgress: (told) => void done.push(told.done) })
  expect(named.names.map(({ cluster, repeated }) => [cluster, repeated])).toEqual([
    [0, false],
    [1, false]
  ])
  expect([named.failed, done]).toEqual([0, [1, 2]])
  const wrong = { ...access, address: 'nowhere' }
  expect(() => nameRun(folder, 'latest', wrong, { signal, onProgress: () => {} })).toThrow('is no address')
})
