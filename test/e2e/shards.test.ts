import { execFile } from 'node:child_process'
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Locator, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { entryPath } from '../../main/base/entries'
import { deskForEach, describeInBrowser, openServed, pageErrors } from './harness'
import { fillStudy, roundsConfiguration, writeStudy } from './study'

const button = (within: Page | Locator, name: string | RegExp): Locator =>
  within.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) })

/** Works on all shards of a folder as another machine would. */
const workOn = async (folder: string, environment: NodeJS.ProcessEnv): Promise<void> => {
  const program = `'${process.execPath}' '${entryPath('cli')}'`
  await promisify(execFile)('bash', [join(folder, 'run-all.sh')], { env: { ...environment, SPECTROSCOPE: program } })
}

const cardOf = (page: Page, folder: string): Locator =>
  page.getByRole('article').filter({ has: page.getByTitle(folder) })

/** Writes a picture of the page where a person asks for pictures. */
const picture = async (page: Page, name: string): Promise<void> => {
  const folder = process.env['SPECTROSCOPE_PICTURES']
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) })
}

const fits = (page: Page): Promise<boolean> =>
  page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth')

describeInBrowser('runs and clusterings in shards', () => {
  const desk = deskForEach({
    prepare: async (place) => {
      await writeStudy(place.folder)
      return place
    },
    end: (opened) => opened.close()
  })

  it('are divided, watched and gathered in the window', async () => {
    desk.opened = await openServed(desk.browser, desk.place)
    const { page } = desk.opened
    const { folder, environment } = desk.place
    await page.setViewportSize({ width: 1024, height: 768 })
    await fillStudy(page, folder, 'study', roundsConfiguration())
    await button(page, 'Divide into shards…').click()
    const dialog = page.getByRole('dialog', { name: 'Divide the run into shards' })
    await dialog.getByText(/node hours/).waitFor()
    await picture(page, 'plan')
    await dialog.getByRole('textbox', { name: 'Shards' }).fill('2')
    await dialog.getByText(/^2, \d/).waitFor()
    await button(dialog, 'Write shards').and(page.locator(':enabled')).waitFor()
    const shards = join(folder, 'study-shards')
    expect(await dialog.getByRole('textbox', { name: 'Folder' }).inputValue()).toBe(shards)
    await dialog.getByRole('textbox', { name: 'Shards' }).press('Enter')

    const card = cardOf(page, shards)
    await card.getByText('2 shards: 2 waiting. 0 % of the work is done').waitFor()
    expect(await card.getByRole('row').nth(1).innerText()).toMatch(/0\s+○?\s*waiting\s+0 %/)
    const command = `sbatch --array=0-1 ${shards}/sbatch.sh`
    await card.getByText(command).waitFor()
    await card.getByText(`bash ${shards}/run-all.sh`).waitFor()
    await desk.opened.page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    const copy = button(card, `Copy: ${command}`)
    await copy.focus()
    await copy.press('Enter')
    await page.getByText('Command copied.').waitFor()
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(command)
    expect(await button(card, 'Gather').isDisabled()).toBe(true)
    expect(await fits(page)).toBe(true)
    await picture(page, 'waiting-light')
    await page.emulateMedia({ colorScheme: 'dark' })
    await picture(page, 'waiting-dark')
    await page.emulateMedia({ colorScheme: 'light' })

    await workOn(shards, environment)
    await card.getByText('2 shards: 2 done. 100 % of the work is done').waitFor()
    await button(card, 'Gather').click()
    await page.getByText('Run finished').waitFor()

    // Its clustering is divided as well.
    await page.getByRole('tab', { name: 'Settings' }).click()
    const again = page.getByRole('region', { name: 'Cluster again' })
    await button(again, 'Divide into shards…').click()
    const clustering = page.getByRole('dialog', { name: /^Divide a clustering of/ })
    await clustering.getByText(/node hours/).waitFor()
    const clusters = await clustering.getByRole('textbox', { name: 'Folder' }).inputValue()
    await button(clustering, 'Write shards').click()
    const second = cardOf(page, clusters)
    await second.getByText('1 shard: 1 waiting.').waitFor()
    await button(card, 'Open gathered run').waitFor()
    await workOn(clusters, environment)
    await button(second, 'Gather').and(page.locator(':enabled')).click()
    await page.getByText('Clustering finished').or(page.getByText('Run finished')).first().waitFor()
    await button(page, 'Explore clustering 2').or(page.getByText('Clustering 2')).first().waitFor()

    // A folder that is gone or damaged says so and can be taken off the list.
    await button(page, /^Runs/)
      .or(page.getByRole('link', { name: /^Runs/ }))
      .first()
      .click()
    renameSync(shards, `${shards}-moved`)
    await card
      .getByRole('alert')
      .getByText(/shards\.json does not exist/)
      .waitFor()
    await picture(page, 'gone')
    renameSync(`${shards}-moved`, shards)
    writeFileSync(join(shards, 'shards.json'), '{')
    await button(card, 'Try again').click()
    await card
      .getByRole('alert')
      .getByText(/no valid JSON/)
      .waitFor()
    await button(card, /^Remove study-shards/).click()
    await card.waitFor({ state: 'detached' })

    // It comes back by the picker; a folder of something else is refused by what its card says.
    const add = button(page, 'Add a shard folder…')
    await add.focus()
    await add.press('Enter')
    const picker = page.getByRole('dialog', { name: 'Add a shard folder' })
    await picker.getByRole('combobox').fill(join(folder, 'texts'))
    await picker.getByRole('combobox').press('Enter')
    await button(picker, 'Choose “texts”').click()
    await cardOf(page, join(folder, 'texts')).getByRole('alert').waitFor()
    rmSync(clusters, { recursive: true })
    expect(existsSync(clusters)).toBe(false)
    expect(await fits(page)).toBe(true)
    expect(pageErrors.get(page)).toEqual([])
  })
})
