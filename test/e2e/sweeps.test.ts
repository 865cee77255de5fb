import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { createServer } from 'vite'
import type { ViteDevServer } from 'vite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { describeInBrowser, launchBrowser } from './harness'

/** Folder for pictures of the new views; none are taken where it is not set. */
const pictures = process.env['SPECTROSCOPE_PICTURES']

/** Studies of several runs and clusterings in the window, on the synthetic workspace of the preview. */
describeInBrowser('a study of several settings', () => {
  const cache = mkdtempSync(join(tmpdir(), 'spectroscope-preview-'))
  let server: ViteDevServer
  let browser: Browser
  let page: Page
  const errors: string[] = []

  beforeAll(async () => {
    server = await createServer({
      configFile: join(projectRoot, 'test', 'host', 'preview.vite.ts'),
      cacheDir: cache,
      logLevel: 'error',
      server: { host: '127.0.0.1', port: 0 }
    })
    await server.listen()
    browser = await launchBrowser()
    const address = server.httpServer?.address()
    if (typeof address !== 'object' || address === null) throw new Error('the preview has no address')
    page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
    page.setDefaultTimeout(25_000)
    page.on('pageerror', ({ message }) => errors.push(message))
    await page.goto(`http://127.0.0.1:${address.port}/preview.html?clusters=60&tokens=6000&latency=0&theme=light`)
    await page.getByRole('row', { name: /^demo/ }).first().waitFor()
  })
  afterAll(async () => {
    await browser.close()
    await server.close()
    rmSync(cache, { recursive: true, force: true })
    expect(errors).toEqual([])
  })

  /** Pictures in both themes and at both sizes, for a person to look at. */
  const taken = async (name: string): Promise<void> => {
    if (pictures === undefined) return
    for (const theme of ['light', 'dark']) {
      for (const [width, height] of [
        [1280, 800],
        [1024, 768]
      ]) {
        await page.setViewportSize({ width, height })
        await page.evaluate((chosen) => (document.documentElement.dataset['theme'] = chosen), theme)
        await page.screenshot({ path: join(pictures, `${name}-${theme}-${width}.png`) })
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.evaluate(() => (document.documentElement.dataset['theme'] = 'light'))
  }

  it('is one thing in the list of runs, with a page that compares its members', async () => {
    const sweeps = page.getByRole('region', { name: 'Sweeps' })
    await sweeps.getByRole('button', { name: 'pythia-14m: k' }).waitFor()
    await taken('runs')
    await sweeps.getByRole('button', { name: 'pythia-14m: k' }).click()
    const members = page.getByRole('table', { name: 'Members' })
    await members.getByRole('row', { name: /k = 30 .*finished 60 .* 0\.70/ }).waitFor()
    const clusters = page.getByRole('table', { name: 'Clusters of the base' })
    const fewest = clusters.locator('.scroller [role=row]').first()
    await expect.poll(() => fewest.textContent()).toMatch(/0 of 2/)
    await expect.poll(() => page.locator('.said').first().textContent()).toMatch(/2 of 3 labels\s+depend on a setting/)
    await taken('sweep')
    await members.getByRole('radio', { name: 'Compare with k = 60' }).click()
    await page.getByRole('heading', { name: 'Clusters of k = 60' }).waitFor()
    expect(page.url()).toMatch(/#\/sweep\/[\w-]+\/2$/)
    await page.goBack()
    await page.getByRole('heading', { name: 'Clusters of k = 45' }).waitFor()
    await page.getByRole('combobox', { name: 'Show' }).selectOption('labelled')
    await expect.poll(() => clusters.locator('.scroller [role=row]').count()).toBe(3)
    await page.keyboard.press('Escape')
    await sweeps.getByRole('button', { name: 'pythia-14m: nβ' }).click()
    await page.getByText(/the posterior is nearly the prior, so nβ can hardly make a difference/).waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    await page.keyboard.press('Escape')
  })

  it('is started from a run, after its cost is shown', async () => {
    await page.getByRole('row', { name: /^demo/ }).first().click()
    await page.keyboard.press('o')
    await page.getByRole('button', { name: 'Sweep…' }).click()
    const dialog = page.getByRole('dialog', { name: /^Sweep settings of/ })
    await dialog.getByText(/3 members: 0 new runs,\s+3 clusterings\.\s+About 6 min here\./).waitFor()
    await taken('sweep-dialog')
    await dialog.getByRole('combobox', { name: 'Setting' }).selectOption('resolution')
    await dialog.getByRole('textbox', { name: 'Values' }).fill('1, 2')
    await dialog.getByText(/^2 members/).waitFor()
    await dialog.getByRole('button', { name: 'Start sweep' }).click()
    await page.getByRole('row', { name: /resolution = 1 .*running/ }).waitFor()
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await page.getByText('Sweep deleted. Its runs are in the list.').waitFor()
  })
})
