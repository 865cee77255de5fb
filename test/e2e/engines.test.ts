import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { cudaFiles } from '../../main/engine/onnx/package'
import { openWebGpu } from '../../main/engine/devices/webgpu/client'
import { messageOf } from '../../preload/errors'
import { type Feed, feedLack, pathWithDriver, startFeed } from '../nuget-feed'
import { childrenOf, deskForEach, describeInBrowser, openServed, pageErrors, pictures } from './harness'
import { startStudy, writeStudy } from './study'

/** Goes on by Tab until the focus is there, as a person without a mouse has to. */
const tabTo = async (target: Locator): Promise<void> => {
  const page = target.page()
  await target.waitFor()
  for (let presses = 0; presses < 100; presses++) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not lead to ${String(target)}`)
}
const press = async (target: Locator): Promise<void> => {
  await tabTo(target)
  await target.page().keyboard.press('Enter')
}

describeInBrowser(`an engine that is not installed${feedLack === undefined ? '' : ` (skipped: ${feedLack})`}`, () => {
  const desk = deskForEach({ end: (opened) => opened.close() })
  let folder = ''
  let feed: Feed
  beforeAll(async () => {
    if (feedLack !== undefined) return
    folder = mkdtempSync(join(tmpdir(), 'spectroscope-feed-'))
    feed = await startFeed(join(folder, 'made'))
  })
  afterAll(() => {
    if (feedLack !== undefined) return
    feed.close()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(() => {
    if (feedLack === undefined) feed.manner = 'whole'
  })

  /** Opens the window where there is a GPU's driver by its looks, and engines come from `index`. */
  const open = async (index: string): Promise<Page> => {
    const environment = {
      ...desk.place.environment,
      PATH: pathWithDriver(join(folder, 'driver'), '550.54.14'),
      SPECTROSCOPE_NUGET: index,
      SPECTROSCOPE_ENGINES: join(desk.place.folder, 'engines')
    }
    desk.opened = await openServed(desk.browser, { ...desk.place, environment })
    return desk.opened.page
  }

  const hasFocus = (target: Locator): Promise<void> =>
    expect.poll(() => target.evaluate((element) => element === document.activeElement)).toBe(true)

  const row = (page: Page): Locator =>
    page.getByRole('table', { name: 'Engines of this machine' }).getByRole('row', { name: /^onnx-cuda/ })
  const button = (page: Page, name: string | RegExp): Locator => row(page).getByRole('button', { name })
  const listEngines = async (page: Page): Promise<void> => {
    await page.getByRole('navigation').waitFor()
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Command' }).fill('Settings')
    await page.keyboard.press('Enter')
    await press(page.getByRole('button', { name: 'Measure engines' }))
    await row(page).waitFor()
  }
  const install = async (page: Page): Promise<void> => {
    await press(button(page, 'Install…'))
    await press(
      page.getByRole('dialog', { name: 'Install onnx-cuda' }).getByRole('button', { name: 'Download and install' })
    )
  }
  const picture = async (page: Page, name: string): Promise<void> => {
    await row(page).evaluate((element) => element.scrollIntoView({ block: 'center' }))
    await page.screenshot({ path: join(pictures(), `engines-${name}.png`) })
  }

  it.skipIf(feedLack !== undefined)(
    'is installed by keyboard alone: told of, begun, cancelled, gone on with, and tried at once',
    async () => {
      const page = await open(`${feed.address}/index.json`)
      await listEngines(page)
      await picture(page, 'missing')
      feed.manner = 'stalled'
      await press(button(page, 'Install…'))
      const dialog = page.getByRole('dialog', { name: 'Install onnx-cuda' })
      await dialog
        .getByText(/needs an NVIDIA driver, CUDA 13 and cuDNN 9.*downloads 1 MB from 127\.0\.0\.1:\d+/)
        .waitFor()
      await page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'detached' })
      await hasFocus(button(page, 'Install…'))
      expect(feed.asked.filter((line) => line.startsWith('GET') && line.endsWith('.nupkg'))).toEqual([])

      await install(page)
      await row(page)
        .getByText(/^\d+ %, \d+ of 1 MB/)
        .waitFor()
      await expect
        .poll(() =>
          row(page)
            .getByRole('progressbar', { name: 'Installing onnx-cuda' })
            .evaluate((bar: HTMLProgressElement) => bar.value)
        )
        .toBeCloseTo(0.5, 1)
      await picture(page, 'installing')
      await hasFocus(button(page, 'Cancel'))
      await page.keyboard.press('Enter')
      await row(page).getByText('Stopped. Install again to resume the download.').waitFor()
      await hasFocus(button(page, 'Install…'))
      const folders = (): string[] => readdirSync(join(desk.place.folder, 'engines'))
      expect(folders()).toEqual([expect.stringMatching(/\.part$/)])

      feed.manner = 'whole'
      await install(page)
      // There is no GPU behind the driver, so the engine is tried and does not start.
      const lacks =
        /^onnx-cuda is installed but does not start: .*libcudart\.so\.12: cannot open .*; install the libraries/
      await row(page).getByRole('alert').filter({ hasText: lacks }).waitFor()
      await button(page, 'Install…').waitFor({ state: 'detached' })
      await row(page)
        .getByText(/CUDA could not be opened on .*libcudart\.so\.12: cannot open/)
        .waitFor()
      await picture(page, 'installed')
      expect(readdirSync(join(desk.place.folder, 'engines'), { recursive: true }).map(String)).toEqual(
        expect.arrayContaining(Object.values(cudaFiles()).map((file) => expect.stringContaining(file) as unknown))
      )
      expect(folders()).toHaveLength(1)
      expect(pageErrors.get(page)).toEqual([])
    }
  )

  it.skipIf(feedLack !== undefined)(
    'says in words that there is no network or no package, and what to do, and can be tried again',
    async () => {
      const away = await startFeed(join(folder, 'away'))
      away.close()
      const page = await open(`${away.address}/index.json`)
      await listEngines(page)
      await press(button(page, 'Install…'))
      const from = "from where onnxruntime's provider for CUDA is downloaded"
      const remedy = "connect this machine to the network, or name a mirror's index"
      const unreachable = new RegExp(`^127\\.0\\.0\\.1:\\d+ can't be reached \\(ECONNREFUSED\\), ${from}; ${remedy}`)
      await row(page).getByRole('alert').filter({ hasText: unreachable }).waitFor()
      await hasFocus(button(page, 'Install…'))
      await picture(page, 'offline')
      expect(await page.getByRole('dialog').count()).toBe(0)
      expect(pageErrors.get(page)).toEqual([])
    }
  )
})

const noVulkan = await openWebGpu('software').then(
  async (executor) => executor.dispose().then(() => undefined),
  messageOf
)

describeInBrowser(`a device that goes away${noVulkan === undefined ? '' : ` (skipped: ${noVulkan})`}`, () => {
  const desk = deskForEach({ end: (opened) => opened.close() })

  it.skipIf(noVulkan !== undefined)(
    'pauses the run, which says so where it stands, and goes on by keyboard on another engine',
    async () => {
      await writeStudy(desk.place.folder)
      desk.opened = await openServed(desk.browser, desk.place)
      const { page } = desk.opened
      await startStudy(page, desk.place.folder, 'on a device', 8, 'webgpu-software')
      await page
        .getByText(/draw [1-9] of 8/)
        .first()
        .waitFor()
      const [compute] = childrenOf(desk.opened.process, 'compute')
      process.kill(childrenOf({ pid: compute }, 'webgpu')[0], 'SIGKILL')
      await page.getByText('Device lost. The WebGPU process ended (killed by SIGKILL)').waitFor()
      expect(await page.getByText(/--engine/).count()).toBe(0)
      await page.screenshot({ path: join(pictures(), 'run-device-lost.png') })

      await page.keyboard.press('Alt+1')
      await page
        .getByRole('row', { name: /on a device/ })
        .getByText('device lost')
        .waitFor()
      await page.keyboard.press('Enter')
      await tabTo(page.getByLabel('on another engine'))
      await page.keyboard.type('onnx-cpu')
      await press(page.getByRole('button', { name: 'Resume there' }))
      await page.getByText('Run finished').waitFor()
      await page
        .getByRole('list', { name: 'Log' })
        .getByText(/started on webgpu-software .* and continues on onnx-cpu/)
        .waitFor()
      expect(pageErrors.get(page)).toEqual([])
    }
  )
})
