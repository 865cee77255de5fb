import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { writeSyntheticWorkspace } from '../bench/synthetic-workspace'
import { describeInBrowser, keepFailure, launchBrowser, makePlace, openServed, openShell, pageErrors } from './harness'
import type { Opened, Place } from './harness'

describeInBrowser('a workspace that somebody else made', () => {
  let made: string
  let browser: Browser
  let place: Place
  let opened: Opened | undefined

  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'spectroscope-synthetic-'))
    await writeSyntheticWorkspace(join(made, 'workspace'), { tokens: 1_200, clusters: 30 })
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser.close()
    rmSync(made, { recursive: true, force: true })
  })
  beforeEach(() => {
    place = { ...makePlace(), isTrusted: false }
    cpSync(join(made, 'workspace'), place.workspace, { recursive: true })
  })
  afterEach(async (context) => {
    await keepFailure(context, opened)
    if (opened?.process.exitCode === null) await opened.close()
    opened = undefined
    place.remove()
  })

  describe.each([
    ['a browser', () => openServed(browser, place)],
    ['the shell', () => openShell(place)]
  ] as const)('in %s', (_, open) => {
    it('is explored as it is, and labelled once the folder is trusted, the next time too', async () => {
      const journal = join(place.workspace, 'journal', 'labels.jsonl')
      const before = readFileSync(journal)
      opened = await open()
      let { page } = opened
      const asked = page.getByText(/you did not create this workspace here, so it is open read-only/)
      await asked.waitFor()
      await page.getByRole('button', { name: 'Explore', exact: true }).first().click()
      const clusters = page.getByRole('listbox', { name: 'Clusters' }).getByRole('option')
      await clusters.first().waitFor()
      expect(readFileSync(journal)).toEqual(before)

      await page.getByRole('button', { name: 'Trust this folder' }).click()
      await asked.waitFor({ state: 'detached' })
      const name = page.getByRole('region', { name: 'Label' }).getByRole('textbox', { name: 'Name' })
      await name.fill('brackets')
      await name.press('Enter')
      await page.getByText(/^1 of 30 labelled/).waitFor()
      await page.getByText(/^saving \d+…$/).waitFor({ state: 'detached' })
      expect(readFileSync(journal, 'utf8')).toContain('brackets')
      expect(pageErrors.get(page)).toEqual([])
      await opened.close()

      opened = await open()
      page = opened.page
      await page.getByRole('button', { name: 'Explore', exact: true }).first().click()
      await page.getByText(/^1 of 30 labelled/).waitFor()
      expect(await page.getByRole('button', { name: 'Trust this folder' }).count()).toBe(0)
    })
  })
})
