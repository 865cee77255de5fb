import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { openWebGpu } from '../../main/engine/devices/webgpu/client'
import type { LiveRun } from '../../preload/contract'
import { messageOf } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import { quickChains } from '../quick-chains'
import { tinyRows, writeTinyModel } from '../tiny-model'
import { childrenOf, describeInBrowser, makePlace, openShell, pageErrors, startAgain } from './harness'
import type { OpenedShell, Place } from './harness'

const noVulkan = await openWebGpu('software').then(
  async (executor) => executor.dispose().then(() => undefined),
  messageOf
)
const onElectron = (process.env['SPECTROSCOPE_ELECTRON'] ?? '') !== ''

type Answer =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: { readonly kind: string; readonly message: string } }
interface Reach {
  readonly spectroscope: { call(method: string, parameters: unknown): Promise<Answer> }
}

let place: Place
let shell: OpenedShell
const call = (method: string, parameters: unknown): Promise<Answer> =>
  shell.page.evaluate(
    ([name, given]) => (window as unknown as Reach).spectroscope.call(name as string, given),
    [method, parameters]
  )

const open = async (): Promise<void> => {
  place = makePlace()
  shell = await openShell(place)
  await shell.page
    .getByRole('button', { name: /^Open example/ })
    .first()
    .waitFor()
}
const leave = async (): Promise<void> => {
  if (shell.process.exitCode === null) await shell.close()
  place.remove()
}

// These look at the same window one after the other, as each start takes longer than all of them.
describeInBrowser('the shell', () => {
  beforeAll(open)
  afterAll(leave)

  it('opens a workspace that has the demonstration ready', () => {
    expect(pageErrors.get(shell.page)).toEqual([])
    expect(existsSync(join(place.workspace, 'workspace.duckdb'))).toBe(true)
  })

  it('refuses calls that are not as they should be, in a sentence, and goes on', async () => {
    const refusals: [string, unknown][] = [
      ['no.such.call', {}],
      ['__proto__', {}],
      ['constructor', {}],
      ['app.state', null],
      ['app.state', { extra: 1 }],
      ['runs.get', { run: { $ne: 1 } }],
      ['runs.get', { run: 'x'.repeat(1000) }],
      ['clusters.tokens', { run: 'a', clustering: 1, cluster: 0, limit: 1e9 }],
      ['tokens.contexts', { run: 'a', tokens: [1, 2, 3] }],
      ['files.list', { folder: '\0' }],
      ['exports.write', { run: '../..', clustering: 1, format: 'annotated', clusters: 'all', path: '' }],
      ['views.save', { key: '__proto__', value: { polluted: true } }]
    ]
    for (const [method, parameters] of refusals) {
      const answer = await call(method, parameters)
      expect(answer, `${method} ${JSON.stringify(parameters)}`).toMatchObject({ ok: false })
      if (!answer.ok) expect(answer.error.message).toMatch(/^[A-Z"/.].+[.!]$/s)
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(await call('app.state', {})).toMatchObject({ ok: true })
  })

  it('gives the page nothing of Node, follows no link and opens no window', async () => {
    const reach = await shell.page.evaluate(() =>
      ['require', 'process', 'module', 'Buffer', 'global'].filter((name) => name in window)
    )
    expect(reach).toEqual([])
    const before = shell.page.url()
    await shell.page
      .evaluate(() => {
        window.open('https://example.com')
        const link = document.createElement('a')
        link.href = 'https://example.com/'
        link.click()
      })
      .catch(() => undefined)
    await shell.page
      .getByRole('button', { name: /^Open example/ })
      .first()
      .waitFor()
    expect(shell.page.url()).toBe(before)
    const fetched = await shell.page.evaluate(() =>
      fetch('https://example.com/').then(
        () => 'answered',
        () => 'refused'
      )
    )
    expect(fetched).toBe('refused')
  })

  it('asks with the dialogs of the system', async () => {
    await shell.answerDialogs([['/some/model'], []])
    const asked = { purpose: 'model', title: 'A model' }
    expect(await call('files.choose', asked)).toEqual({ ok: true, result: ['/some/model'] })
    expect(await call('files.choose', asked)).toEqual({ ok: true, result: [] })
  })

  it.skipIf(onElectron)('is one: a second start hands over what it was given to the first, and ends', async () => {
    expect(await startAgain(place, join(place.folder, 'corpus'))).toBe(0)
    await shell.page.getByRole('heading', { name: 'New run' }).first().waitFor()
    expect(await call('app.state', {})).toMatchObject({ ok: true })
  })

  it('obeys its menu', async () => {
    expect(await shell.menu('go.settings')).toBe(true)
    await shell.page.getByRole('heading', { name: 'Settings' }).first().waitFor()
    expect(await shell.menu('keys.show')).toBe(true)
    await shell.page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
  })

  it('ends with its window', async () => {
    expect(await shell.close()).toBe(0)
  })
})

describeInBrowser('the shell, with a workspace of its own', () => {
  beforeEach(open)
  afterEach(leave)

  it('keeps settings, views and the size of its window in files', async () => {
    expect(await call('settings.change', { changes: { theme: 'dark', author: 'Ada' } })).toMatchObject({ ok: true })
    expect(await call('views.save', { key: 'test', value: [1, 2] })).toMatchObject({ ok: true })
    await shell.close()
    const read = (name: string): unknown => JSON.parse(readFileSync(join(place.folder, 'settings', name), 'utf8'))
    expect(read('settings.json')).toMatchObject({ theme: 'dark', author: 'Ada' })
    expect(read('views.json')).toMatchObject({ test: [1, 2] })
    expect(read('window.json')).toMatchObject({ maximized: false })
    shell = await openShell(place)
    await shell.page.locator('html[data-theme="dark"]').waitFor()
    const answer = await call('app.state', {})
    expect(answer).toMatchObject({
      ok: true,
      result: { shell: 'electron', nativeDialogs: true, views: { test: [1, 2] } }
    })
  })

  const onDevice =
    'computes on a device: a run is paused when its process ends, keeps the system awake, and is saved at the end'
  it.skipIf(noVulkan !== undefined)(onDevice, async () => {
    await writeTinyModel(join(place.folder, 'model'))
    writeFileSync(
      join(place.folder, 'rows.json'),
      JSON.stringify(tinyRows({ sampling: 8, observation: 4, probe: 6, length: 12 }))
    )
    const configuration = {
      model: 'model',
      rows: 'rows.json',
      components: ['mlp:1'],
      clustering: false,
      engine: 'webgpu-software',
      sampler: { ...quickChains, batchSize: 2, burnIn: 1, draws: 400, stepsBetweenDraws: 2, chains: 1 }
    }
    if (!onElectron) expect(await shell.awake()).toBe(false)
    const started = await call('runs.start', { name: 'device', configuration, baseFolder: place.folder })
    expect(started).toMatchObject({ ok: true })
    const { run } = (started as { result: { run: string } }).result
    const record = async (): Promise<RunRecord> => ((await call('runs.get', { run })) as { result: RunRecord }).result
    const draws = async (): Promise<number> => {
      const { traces } = ((await call('runs.live', { run })) as { result: LiveRun }).result
      return traces.reduce((sum, { losses }) => sum + Object.keys(losses).length, 0)
    }
    await expect.poll(draws).toBeGreaterThan(0)
    if (!onElectron) expect(await shell.awake()).toBe(true)
    const [compute] = childrenOf(shell.process, 'compute')
    process.kill(childrenOf({ pid: compute }, 'webgpu')[0], 'SIGKILL')
    const lost = async (): Promise<string | undefined> => (await record()).provenance.engineLost?.message
    await expect.poll(lost).toMatch(/^The WebGPU process ended \(killed by SIGKILL/)
    if (!onElectron) await expect.poll(() => shell.awake()).toBe(false)

    const drawn = await draws()
    // A run that is being put away can't be resumed yet.
    await expect.poll(() => call('runs.resume', { run })).toMatchObject({ ok: true })
    await expect.poll(draws).toBeGreaterThan(drawn)
    const ended = once(shell.process, 'exit')
    shell.process.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    await shell.close()
    shell = await openShell(place)
    await shell.page.getByRole('row', { name: /device.*paused/ }).waitFor()
    expect(await record()).toMatchObject({
      status: 'interrupted',
      provenance: { engine: { name: 'webgpu-software' }, engineLost: null }
    })
  })
})
