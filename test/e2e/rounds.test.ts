import type { Locator, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { clusterRows, deskForEach, describeInBrowser, openServed, pageErrors } from './harness'
import { fillStudy, roundsConfiguration, writeStudy } from './study'

const button = (within: Page | Locator, name: string | RegExp): Locator =>
  within.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) })

const finished = async (page: Page): Promise<void> => {
  await page.getByText('Run finished').waitFor()
}

describeInBrowser('a run that goes in rounds', () => {
  const desk = deskForEach({
    prepare: async (place) => {
      await writeStudy(place.folder)
      return place
    },
    end: (opened) => opened.close()
  })

  it('is previewed, run, diagnosed and continued', async () => {
    desk.opened = await openServed(desk.browser, desk.place)
    const { page } = desk.opened
    await fillStudy(page, desk.place.folder, 'rounds', roundsConfiguration())
    const signal = page.getByRole('region', { name: 'Signal' })
    await button(signal, 'Preview signal').click()
    await signal.getByRole('rowheader').first().waitFor()
    expect(await signal.innerText()).toMatch(/Sampling the whole run/)

    await button(page, /^Start/).click()
    await page.getByRole('heading', { name: 'rounds', exact: true }).waitFor()
    await finished(page)
    await page.getByText('8 of 8 done').waitFor()
    await button(page, 'Diagnostics')
      .or(page.getByRole('tab', { name: 'Diagnostics' }))
      .first()
      .click()
    const table = page.getByRole('table').filter({ has: page.getByRole('columnheader', { name: /Cosine/ }) })
    await table.getByRole('row', { name: /^head:0\.0/ }).waitFor()
    expect(await table.getByRole('row', { name: /^head:0\.0/ }).innerText()).toMatch(/\b2\b/)
    await page
      .getByText(/posterior/)
      .first()
      .waitFor()
    await page
      .getByRole('region', { name: 'Stable share' })
      .getByRole('row', { name: /^Clusters/ })
      .waitFor()

    await button(page, /^Continue/).click()
    const dialog = page.getByRole('dialog', { name: /^Continue/ })
    await dialog.getByRole('radio', { name: 'A number of rounds' }).check()
    await dialog.getByRole('textbox', { name: 'Rounds in total' }).fill('3')
    await button(dialog, 'Continue').click()
    await page.getByRole('heading', { name: 'rounds, continued', exact: true }).waitFor()
    await finished(page)
    await page.getByText('8 of 8 done').waitFor()

    const settings = page.getByRole('tab', { name: 'Settings' })
    await settings.click()
    const again = page.getByRole('region', { name: 'Cluster again' })
    const tried = again.getByRole('slider', { name: 'Resolutions tried' })
    await tried.focus()
    await tried.press('End')
    await tried.press('Enter')
    const resolution = again.getByLabel('resolution', { exact: true })
    const asked = await resolution.inputValue()
    expect(Number(asked)).toBeGreaterThan(0)
    await button(again, 'Cluster again').click()
    // The window goes to the progress once the clustering has begun.
    await page.getByRole('tab', { name: 'Progress', selected: true }).waitFor()
    await settings.click()
    await button(page, 'Explore clustering 2').click()
    const clusterings = page.getByRole('combobox', { name: 'Clustering' })
    await clusterings.getByText(`resolution ${asked}`).waitFor({ state: 'attached' })
    await clusterRows(page).first().waitFor()
    expect(pageErrors.get(page)).toEqual([])
  })
})
