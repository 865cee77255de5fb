import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { clusterRows, deskForEach, describeInBrowser, openServed, openShell, pageErrors } from './harness'
import type { Opened, OpenedShell } from './harness'

const button = (within: Page | Locator, name: string | RegExp): Locator =>
  within.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) })
const toast = (page: Page, words: RegExp): Locator => page.locator('.toast', { hasText: words })

const startDemo = async (page: Page): Promise<void> => {
  await button(page, /^Run it yourself/).click()
  await page.getByRole('heading', { name: 'demo' }).waitFor()
}

const isAtWork = async (page: Page): Promise<void> => {
  await page.getByRole('list', { name: 'Stages' }).locator('[aria-current=step]', { hasText: 'Sample' }).waitFor()
  const numbers = page.locator('dl', { has: page.getByText('Tokens per second', { exact: true }) }).locator('dd')
  await numbers.filter({ hasText: /^\d.* (s|min)/ }).waitFor()
  await numbers.filter({ hasText: /^[\d,]+$/ }).waitFor()
  await page
    .getByText(/round \d+ of at most \d+/)
    .first()
    .waitFor()
}

describeInBrowser('a person who starts for the first time', () => {
  const desk = deskForEach({ end: (opened) => opened.close() })

  describe.each([
    ['a browser', (): Promise<Opened> => openServed(desk.browser, desk.place)],
    ['the shell', (): Promise<OpenedShell> => openShell(desk.place)]
  ] as const)('in %s', (_, open) => {
    it('opens the example at once, with clusters to read', async () => {
      desk.opened = await open()
      const { page } = desk.opened
      await button(page, /^Open example/).click()
      // At least so many; how many are laid out depends on the window.
      await clusterRows(page).nth(4).waitFor()
      await page
        .getByRole('grid', { name: /^Contexts of/ })
        .locator('mark')
        .first()
        .waitFor()
      expect(pageErrors.get(page)).toEqual([])
    })

    it('starts the demonstration by one click, sees how it goes on, pauses it, goes on, and deletes it, with undo', async () => {
      desk.opened = await open()
      const { page } = desk.opened
      await startDemo(page)
      await isAtWork(page)
      // The first round takes as long as a busy machine needs; what is shown after it is looked at where runs are
      // short.
      await page.getByRole('heading', { name: 'Reliability', exact: true }).waitFor()

      await button(page, /^Pause/).click()
      await page.getByText(/Paused\..* keeps all work so far; the run resumes with “Sample”/).waitFor()
      expect(
        readdirSync(join(desk.place.workspace, 'runs')).flatMap((run) =>
          readdirSync(join(desk.place.workspace, 'runs', run))
        ).length
      ).toBeGreaterThan(0)
      await button(page, /^Resume/).click()
      await page.getByText('Resumed from checkpoint.').waitFor()
      await isAtWork(page)

      await button(page, 'Cancel').click()
      await button(page.getByRole('dialog', { name: 'Cancel run?' }), 'Stop and delete').click()
      await page.getByText('No runs yet').waitFor()
      await button(toast(page, /stopped and deleted/), 'Undo').click()
      const kept = page.getByRole('row', { name: /demo.*paused/ })
      await kept.waitFor()
      await button(kept, 'Delete: demo').click()
      await page.getByText('No runs yet').waitFor()
      expect(pageErrors.get(page)).toEqual([])
      await desk.opened.close()
      expect(readdirSync(join(desk.place.workspace, 'runs'))).toEqual([])
    })
  })
})
