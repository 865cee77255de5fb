import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { unreachable } from './fits'
import { describeInBrowser, launchBrowser, pictures } from './harness'
import { servePreview, type Preview } from './preview-window'

/** A small screen, and a usual one (1280 × 800) at 150 % zoom. */
const sizes = [
  { width: 1024, height: 768 },
  { width: 853, height: 533 }
]

/** Every view on the synthetic workspace of the preview: no main side is there. */
describeInBrowser('a small window', () => {
  let preview: Preview
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    preview = await servePreview()
    browser = await launchBrowser()
    page = await preview.open(browser, sizes[0])
  })
  afterAll(async () => {
    await browser.close()
    await preview.close()
  })

  const frame = (): Promise<unknown> =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  const look = async (view: string): Promise<void> => {
    for (const size of sizes) {
      await page.setViewportSize(size)
      await frame()
      const name = `${view} at ${size.width}`
      await page.screenshot({ path: join(pictures(), `small-${view}-${size.width}.png`) })
      expect.soft(await unreachable(page), name).toEqual([])
    }
    await page.setViewportSize(sizes[0])
  }
  const go = (name: string): Promise<void> =>
    page
      .getByRole('navigation')
      .getByRole('button', { name: new RegExp(`^${name}`) })
      .click()
  const press = (key: string): Promise<void> => page.keyboard.press(key)
  const dialog = (name: RegExp) => page.getByRole('dialog', { name })
  const command = async (name: string): Promise<void> => {
    await press('Control+k')
    await page.getByRole('combobox', { name: 'Command' }).fill(name)
    await page.getByRole('option').filter({ hasText: name }).first().waitFor()
    await press('Enter')
  }

  it('shows runs, a run’s tabs and the form of a new one whole', async () => {
    await look('runs')
    for (const run of ['pythia-14m, seed 7', 'demo']) {
      await go('Runs')
      await page.getByRole('button', { name: `Progress, diagnostics, settings: ${run}` }).click()
      for (const tab of ['Progress', 'Diagnostics', 'Heat map', 'Settings']) {
        await page.getByRole('tab', { name: tab }).click()
        await page.getByRole('tab', { name: tab, selected: true }).waitFor()
        await look(`${run.slice(0, 4)}-${tab}`)
      }
    }
    await go('Runs')
    await command('Continue run with more rounds')
    await dialog(/^Continue/).waitFor()
    await look('continue')
    await press('Escape')
    await page.getByRole('button', { name: /^New run/ }).click()
    await page.getByText('Still needed').waitFor()
    await look('new-run-empty')
    await go('Runs')
    await command('Duplicate run with changes')
    await page.locator('summary', { hasText: 'All sampler settings' }).click()
    await look('new-run')
    await page
      .getByRole('button', { name: /^Choose|^Browse/ })
      .first()
      .click()
    await page.getByRole('listbox', { name: 'Files and folders' }).waitFor()
    await look('files')
    await press('Escape')
    expect(preview.errors.splice(0)).toEqual([])
  })

  it('shows exploring, labelling and comparing whole', async () => {
    await go('Explore')
    await page
      .getByRole('grid', { name: /^Contexts of/ })
      .locator('mark')
      .first()
      .waitFor()
    await look('explore')
    await page.getByRole('tree', { name: 'Clusters' }).press('Space')
    await page
      .getByRole('grid', { name: /^Contexts of/ })
      .nth(1)
      .waitFor()
    await look('explore-beside')
    await press('Escape')
    await command('Show or hide node list')
    await look('explore-nodes')
    await command('Show or hide node list')
    await page.getByRole('button', { name: 'Search help' }).click()
    await look('search-help')
    await press('Escape')
    await page.getByRole('tree', { name: 'Clusters' }).getByRole('treeitem').first().click()
    await press('b')
    await dialog(/^Blind test/).waitFor()
    await look('blind-test')
    await press('Escape')
    await press('Control+Shift+h')
    await dialog(/[Hh]istory/).waitFor()
    await look('history')
    await press('Escape')
    await press('Control+e')
    await dialog(/^Export/).waitFor()
    await look('export')
    await press('Escape')
    await press('Control+i')
    await dialog(/^Import/).waitFor()
    await look('import')
    await press('Escape')
    await go('Compare')
    await page.getByRole('heading', { name: 'Agreement' }).waitFor()
    await look('compare')
    expect(preview.errors.splice(0)).toEqual([])
  })

  it('shows settings, keys and commands whole', async () => {
    await go('Settings')
    await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor()
    await look('settings')
    await press('Control+k')
    await page.getByRole('listbox', { name: 'Commands' }).getByRole('option').first().waitFor()
    await look('palette')
    await press('Escape')
    await press('h')
    await dialog(/^Keyboard shortcuts/).waitFor()
    await look('keys')
    await press('Escape')
    expect(preview.errors.splice(0)).toEqual([])
  })
})
