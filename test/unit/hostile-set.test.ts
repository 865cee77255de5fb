import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportAnnotatedSet } from '../../main/exchange/annotated-export'
import { readAnnotatedSet } from '../../main/exchange/annotated-read'
import type { AnnotatedSet } from '../../main/exchange/annotated-set'
import { openWorkspace } from '../../main/store/store'
import { visibleText } from '../../preload/visible'
import { labelBody, storeRun, temporaryFolder } from './store-fixture'

const bad = '\u001b]0;a title\u0007\u001b[2J\u001b[31ma forged\nline\u001b[0m\u202e\u200b\u009b1m'

/** A copy whose texts of some keys carry escape sequences. */
const withEscapes = (value: unknown, keys: ReadonlySet<string>): unknown => {
  if (Array.isArray(value)) return value.map((each) => withEscapes(each, keys))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      keys.has(key) && typeof part === 'string' ? bad : withEscapes(part, keys)
    ])
  )
}

let place: Awaited<ReturnType<typeof temporaryFolder>>
let set: unknown

beforeAll(async () => {
  place = await temporaryFolder()
  const workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
  const run = await storeRun(workspace)
  await workspace.applyAnnotations({
    run,
    clustering: 1,
    words: 'label',
    author: 'Ada',
    edits: [
      {
        target: 'cluster:0',
        after: labelBody('brackets', { note: 'of code', tags: ['code'] })
      }
    ]
  })
  const file = join(place.folder, 'set.json')
  await exportAnnotatedSet(workspace, run, { file, clusters: 'all', program: 'spectroscope test' })
  await workspace.close()
  set = JSON.parse(await readFile(file, 'utf8'))
})
afterAll(() => place.remove())

const command = (...args: string[]): { status: number | null; text: string } => {
  const program = join(import.meta.dirname, '../../out/main/cli.js')
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, ...args, '--workspace', join(place.folder, 'other')],
    { encoding: 'utf8' }
  )
  return { status, text: `${stdout}${stderr}` }
}

const written = async (name: string, ...keys: string[]): Promise<string> => {
  const file = join(place.folder, name)
  await writeFile(file, JSON.stringify(withEscapes(set, new Set(keys))))
  return file
}

const hidden = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202e]/

it('is imported and shown without anything that a terminal obeys', async () => {
  const file = await written('texts.json', 'ending', 'author', 'name', 'program', 'tags', 'note')
  const imported = command('import', file)
  expect(imported).toMatchObject({ status: 0, text: expect.not.stringMatching(hidden) })
  for (const [name, ...args] of [['runs'], ['show', 'latest'], ['labels', 'latest'], ['clusters', 'latest']]) {
    const shown = command(name, ...args)
    expect(shown.status).toBe(0)
    expect(shown.text).not.toMatch(hidden)
    expect(shown.text).not.toMatch(/^line/m)
    expect(shown.text).toContain('␛[31ma')
    expect(command(name, ...args, '--json').text).not.toMatch(hidden)
  }
})

it('is refused where a state has no business to be a text, in a sentence that hides nothing', async () => {
  const { status, text } = command('import', await written('state.json', 'status'))
  expect(status).toBe(4)
  expect(text).not.toMatch(hidden)
  expect(text).toContain('status')
})

describe('what is never free text is refused at its place, in a sentence that hides nothing', () => {
  type Change = (copy: AnnotatedSet) => void
  const anything = (value: unknown): never => value as never
  const refused: Readonly<Record<string, readonly [change: Change, place: string]>> = {
    'a run id': [({ run }) => (run.id = bad), 'at run.id, it must be the id of a run'],
    'a run id that is a path': [({ run }) => (run.id = '../../x'), 'at run.id, it must be the id of a run'],
    'a component': [({ components }) => (components[1] = bad), "at components[1], a component's name has letters"],
    'a component with markup': [({ components }) => (components[0] = '<img src=x>'), 'at components[0], a component'],
    'a component that is a formula': [({ components }) => (components[0] = '=1+1'), 'at components[0], a component'],
    'a component that comes twice': [({ components }) => (components[1] = components[0]), 'a component occurs twice'],
    'a component of the diagnostics': [
      ({ diagnostics }) => (diagnostics[2].component = 'mlp:0\u200b'),
      'at diagnostics[2].component, a component'
    ],
    'a status': [({ clusters }) => (clusters[0].label!.status = anything(bad)), 'at clusters[0].label.status, '],
    'a number': [
      ({ configuration }) => (configuration.sampler = anything({ preset: 'paper', nBeta: bad })),
      'at configuration.sampler.nBeta, '
    ],
    'an ending without end': [({ clustering }) => (clustering.ending = 'x'.repeat(201)), 'at clustering.ending, ']
  }

  it.each(Object.entries(refused))('%s', async (_, [change, expected]) => {
    const copy = structuredClone(set) as AnnotatedSet
    change(copy)
    const file = join(place.folder, 'refused.json')
    await writeFile(file, JSON.stringify(copy))
    const error: unknown = await readAnnotatedSet(file).then(
      () => undefined,
      (reason: unknown) => reason
    )
    expect(error).toMatchObject({ kind: 'input' })
    const { message } = error as Error
    expect(message).toContain(expected)
    expect(message.startsWith(`${file}: `)).toBe(true)
    expect(message).toMatch(/; correct it, or export it again\.$/)
    expect(visibleText(message)).toBe(message)
  })

  it('but components of other models are not', async () => {
    const copy = structuredClone(set) as AnnotatedSet
    const others = ['layers.3.attn:head-2', 'ssm_0', '0.conv']
    copy.diagnostics.forEach((each) => {
      each.component = others[copy.components.indexOf(each.component)] ?? each.component
    })
    copy.components = others
    const file = join(place.folder, 'others.json')
    await writeFile(file, JSON.stringify(copy))
    expect((await readAnnotatedSet(file)).head.components).toEqual(others)
  })
})
