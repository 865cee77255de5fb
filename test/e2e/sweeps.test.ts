import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeInBrowser, launchBrowser, pictures } from './harness'
import { servePreview, type Preview } from './preview-window'

/** Studies of several runs and clusterings in the window, on the synthetic workspace of the preview. */
describeInBrowser('a study of several settings', () => {
  const usual = { width: 1280, height: 800 }
  let preview: Preview
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    preview = await servePreview()
    browser = await launchBrowser()
    page = await preview.open(browser, usual, '&theme=light')
  })
  afterAll(async () => {
    await browser.close()
    await preview.close()
    expect(preview.errors).toEqual([])
  })

  /** Pictures in both themes and at both sizes, for a person to look at. */
  const taken = async (name: string): Promise<void> => {
    for (const theme of ['light', 'dark']) {
      for (const [width, height] of [
        [1280, 800],
        [1024, 768]
      ]) {
        await page.setViewportSize({ width, height })
        await page.evaluate((chosen) => (document.documentElement.dataset['theme'] = chosen), theme)
        await page.screenshot({ path: join(pictures(), `${name}-${theme}-${width}.png`) })
      }
    }
    await page.setViewportSize(usual)
    await page.evaluate(() => (document.documentElement.dataset['theme'] = 'light'))
  }

  it('is one thing in the list of runs, with a page that compares its members', async () => {
    const sweeps = page.getByRole('region', { name: 'Sweeps' })
    await sweeps.getByRole('button', { name: 'pythia-14m: k' }).waitFor()
    await taken('runs-with-sweeps')
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

  it('has labels reviewed by keyboard that overlap too little to transfer', async () => {
    await page
      .getByRole('navigation')
      .getByRole('button', { name: /^Compare/ })
      .click()
    await page.getByRole('heading', { name: 'Agreement' }).waitFor()
    await page.getByRole('spinbutton', { name: 'Minimum overlap (Jaccard)' }).fill('1')
    await page.keyboard.press('Tab')
    const open = page.getByRole('button', { name: 'Review…' })
    await open.click()
    const review = page.getByRole('dialog', { name: 'Review labels' })
    const progress = review.getByRole('status').filter({ hasText: /\d+ of \d+ label/ })
    const title = review.getByRole('heading', { level: 3 }).first()
    await review.getByRole('region', { name: 'Came in' }).getByRole('listitem').first().waitFor()
    const count = Number(/of (\d+) label/.exec((await progress.textContent()) ?? '')?.[1])
    expect(count).toBeGreaterThan(1)
    await taken('review')
    const first = await title.textContent()
    await page.keyboard.press('s')
    await expect.poll(() => title.textContent()).not.toBe(first)
    expect(await progress.textContent()).toContain(`0 of ${count} `)
    const second = await title.textContent()
    await page.keyboard.press('r')
    await expect.poll(() => progress.textContent()).toContain(`1 of ${count} `)
    // Decisions outlive the dialog.
    await page.keyboard.press('Escape')
    await review.waitFor({ state: 'detached' })
    await page.getByText(`${count - 1} to review`).waitFor()
    await open.click()
    await expect.poll(() => progress.textContent()).toContain(`1 of ${count} `)
    expect(await title.textContent()).not.toBe(second)
    for (let decided = 2; decided <= count; decided++) {
      await review.getByText('Overlap (Jaccard)').waitFor()
      await page.keyboard.press('a')
      await expect.poll(() => progress.textContent()).toContain(`${decided} of ${count} `)
    }
    await review.getByText(`${count - 1} ${count === 2 ? 'label' : 'labels'} transferred, 1 refused.`).waitFor()
    await review.getByRole('button', { name: 'Review refused labels again' }).click()
    await expect.poll(() => title.textContent()).toBe(second)
    await page.keyboard.press('Escape')
  })
})
