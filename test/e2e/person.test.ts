import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { deskForEach, describeInBrowser, openServed, openShell, pageErrors } from './harness'
import type { Opened, OpenedShell, Place } from './harness'
import { studyConfiguration, writeStudy } from './study'

/** What the terminal says of a configuration that is wrong. */
const terminalSays = (place: Place, configuration: object): string => {
  const file = join(place.folder, 'wrong.json')
  writeFileSync(file, JSON.stringify(configuration))
  const { stderr } = spawnSync(
    process.execPath,
    [join(projectRoot, 'out', 'main', 'cli.js'), 'run', file, '--workspace', join(place.folder, 'elsewhere')],
    { env: place.environment, encoding: 'utf8' }
  )
  return stderr
}

const button = (within: Page | Locator, name: string | RegExp): Locator =>
  within.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) })
const setting = (page: Page, key: string): { readonly field: Locator; readonly problem: Locator } => {
  const field = page.getByLabel(key, { exact: true })
  return { field, problem: page.locator('.row', { has: field }).getByRole('alert') }
}
const toast = (page: Page, words: RegExp): Locator => page.locator('.toast', { hasText: words })
const row = (page: Page, words: string | RegExp): Locator =>
  page.getByRole('listbox', { name: 'Clusters' }).getByRole('option', { name: words })
const labelled = (page: Page, count: number): Promise<void> =>
  page.getByText(new RegExp(`^${count} of \\d+ labelled`)).waitFor()

const newRun = async (page: Page, place: Place): Promise<void> => {
  await button(page, /^New run/)
    .first()
    .click()
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill('first')
  await page.getByRole('textbox', { name: 'Base folder of paths' }).fill(place.folder)

  const model = page.getByRole('textbox', { name: 'Model folder' })
  await model.fill('nowhere')
  const nowhere = page.getByRole('region', { name: 'Model' }).getByRole('alert')
  await nowhere.filter({ hasText: 'nowhere' }).waitFor()
  expect(terminalSays(place, { ...studyConfiguration(), model: join(place.folder, 'nowhere') })).toContain(
    (await nowhere.innerText()).trim()
  )
  await model.fill('tiny')
  await page.getByText('GPT-NeoX', { exact: false }).first().waitFor()

  const path = page.getByRole('textbox', { name: 'File or folder to add' })
  await path.fill('texts')
  await path.press('Enter')
  for (const words of [/^Rows and fields/, /^All sampler settings/, /^All clustering settings/])
    await page.locator('summary', { hasText: words }).click()
  const { corpus, sampler, clustering } = studyConfiguration() as Readonly<
    Record<'corpus' | 'sampler' | 'clustering', object>
  >
  await page.getByRole('radio', { name: /^paper/ }).check()
  for (const [key, value] of Object.entries({ ...corpus, ...sampler, ...clustering })) {
    if (key === 'estimator') await setting(page, key).field.selectOption(String(value))
    else if (key !== 'files' && key !== 'method') await setting(page, key).field.fill(String(value))
  }

  const draws = setting(page, 'draws')
  await draws.field.fill('1')
  await draws.problem.waitFor()
  const words = await draws.problem.innerText()
  expect(words).toContain('draws')
  expect(
    terminalSays(place, {
      ...studyConfiguration(),
      model: join(place.folder, 'tiny'),
      sampler: { ...sampler, draws: 1 }
    })
  ).toContain(words.replace(/\.$/, ''))
  await draws.field.fill('8')
  await draws.problem.waitFor({ state: 'detached' })

  await page.getByText('✓ Ready to start').waitFor()
  const subsets = page.getByRole('table', { name: 'Documents, tokens and rows of each subset' })
  await subsets.getByRole('rowheader', { name: 'prose' }).waitFor()
  await page.getByText('for 920 tokens × 8 components').waitFor()
  await button(page, /^Start/).click()
  await page.getByRole('heading', { name: 'first' }).waitFor()
  await button(page, 'Runs').first().click()
  const run = page.getByRole('row', { name: /^first/ })
  await Promise.all([toast(page, /Run “first” finished/).waitFor(), run.filter({ hasText: 'finished' }).waitFor()])
  await button(run, 'first').click()
}

const exploreIt = async (page: Page): Promise<void> => {
  await row(page, /Cluster \d+/)
    .first()
    .waitFor()
  const contexts = page.getByRole('grid', { name: /^Contexts of/ })
  await contexts.locator('mark').first().waitFor()
  await page.getByText(/^920 tokens · /).waitFor()
  await button(page, 'Node list').click()
  const list = page.getByRole('region', { name: 'Node list' })
  await list.getByRole('option').first().waitFor()
  await list.getByText(/^[\d,]+ tokens$/).waitFor()
  await button(list, 'Close node list').click()
}

/** Puts the keyboard on the list of clusters, at its first one. */
const toFirst = async (page: Page): Promise<void> => {
  await row(page, /Cluster \d+|first kind/)
    .first()
    .click()
  await page.getByRole('listbox', { name: 'Clusters' }).focus()
  await page.keyboard.press('Home')
}

const name = async (page: Page, words: string): Promise<void> => {
  await page.keyboard.press('n')
  await page.keyboard.type(words)
  await page.keyboard.press('Enter')
}

/** Labels, merges, splits and tests, by keyboard; six clusters have a name afterwards. */
const label = async (page: Page): Promise<void> => {
  await toFirst(page)
  for (const words of ['first kind', 'second kind', 'third kind']) await name(page, words)
  await labelled(page, 3)
  await row(page, /first kind.*labelled/).waitFor()

  await page.keyboard.press('Shift+ArrowDown')
  await page.keyboard.press('g')
  await row(page, /merged with 1 other/)
    .nth(1)
    .waitFor()
  await name(page, 'two as one')
  await labelled(page, 5)
  await page.keyboard.press('Control+z')
  await labelled(page, 3)
  await page.keyboard.press('Control+Shift+z')
  await labelled(page, 5)

  await row(page, /first kind/).click()
  await page.keyboard.press('.')
  await page.keyboard.press('m')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('m')
  await button(page, /^Selected\s*2/).waitFor()
  await page.keyboard.press('x')
  const parts = page.getByRole('group', { name: 'Parts of the cluster' })
  await button(parts, /part 1\s*2/).waitFor()
  await page.keyboard.press('n')
  await page.keyboard.type('odd ones')
  await page.keyboard.press('Shift+Enter')
  await button(parts, /odd ones\s*2/).waitFor()

  await row(page, /second kind/).click()
  await page.keyboard.press('b')
  const test = page.getByRole('dialog', { name: /Blind test of “second kind”/ })
  await test.getByRole('listitem').nth(5).waitFor()
  await page.keyboard.press('1')
  await test.getByText(/[01] of 1 right so far/).waitFor()
  await page.keyboard.press('Escape')
  await page.getByText(/^blind test [01]\/1$/).waitFor()
}

const undo = async (page: Page): Promise<void> => {
  await row(page, /Cluster \d+.*unseen/)
    .first()
    .click()
  await name(page, 'a slip')
  await labelled(page, 6)
  await page.keyboard.press('Control+z')
  await labelled(page, 5)
  await toast(page, /Undone: .*a slip/).waitFor()
}

const allIsThere = async (page: Page): Promise<void> => {
  await labelled(page, 5)
  for (const words of [/first kind.*labelled/, /second kind/, /third kind/, /two as one.*merged with 1 other/])
    await row(page, words).first().waitFor()
  await row(page, /second kind/).click()
  await page.getByText(/^blind test [01]\/1$/).waitFor()
  await row(page, /first kind/).click()
  await button(page.getByRole('group', { name: 'Parts of the cluster' }), /odd ones\s*2/).waitFor()
}

const clusterAgain = async (page: Page): Promise<void> => {
  await button(page, 'Recluster…').click()
  const dialog = page.getByRole('dialog', { name: 'Recluster “first”' })
  await dialog.getByText(/^About/).waitFor()
  await dialog.getByLabel('neighbours', { exact: true }).fill('10')
  const name = dialog.getByRole('textbox', { name: 'Name' })
  await expect.poll(() => name.getAttribute('placeholder')).toBe('k 10')
  await name.fill('ten neighbours')
  await button(dialog, 'Recluster').click()
  // The clustering is followed where it was asked for.
  await toast(page, /Clustering 2 of “first” finished/).waitFor()
  await page.getByRole('status', { name: 'Clustering' }).waitFor({ state: 'detached' })
}

const compareAndTransfer = async (page: Page): Promise<void> => {
  await button(page, 'Compare').click()
  await page.getByRole('heading', { name: 'Agreement' }).waitFor()
  await page.getByText('first kind', { exact: true }).first().waitFor()
  await page.getByRole('spinbutton', { name: 'Minimum overlap (Jaccard)' }).fill('0.01')
  await button(page, /^Transfer \d+ labels?$/).click()
  await page.getByText(/✓ \d+ labels? transferred/).waitFor()
  await page.keyboard.press('Alt+2')
  await page.getByRole('combobox', { name: 'Clustering' }).selectOption('2')
  await row(page, /first kind/)
    .first()
    .waitFor()
  await page.getByRole('combobox', { name: 'Clustering' }).selectOption('1')
  await row(page, /first kind/)
    .first()
    .waitFor()
}

const takeAway = async (
  page: Page,
  format: RegExp,
  path: string,
  field: 'Export file' | 'Export folder'
): Promise<void> => {
  await page.keyboard.press('Control+e')
  const exporting = page.getByRole('dialog', { name: 'Export “first”' })
  await exporting.getByRole('radio', { name: format }).check()
  await exporting.getByRole('textbox', { name: field }).fill(path)
  await button(exporting, 'Export').click()
  await exporting.getByText(/✓ .* written/).waitFor()
  await button(exporting, 'Close').last().click()
}

const importSet = async (page: Page, file: string): Promise<void> => {
  await page.keyboard.press('Control+i')
  const importing = page.getByRole('dialog', { name: /Import/ })
  await importing.getByRole('textbox', { name: 'File to import' }).fill(file)
  await importing.getByText('labels for “first”, clustering 1').waitFor()
  await button(importing, 'Import').click()
  await button(importing, 'Explore').click()
  await row(page, /first kind/)
    .first()
    .waitFor()
}

describeInBrowser('a person', () => {
  const desk = deskForEach({ end: (opened) => opened.close() })

  describe.each([
    ['a browser', (): Promise<Opened> => openServed(desk.browser, desk.place)],
    ['the shell', (): Promise<OpenedShell> => openShell(desk.place)]
  ] as const)('in %s', (_, open) => {
    it('makes a run of their own, labels its clusters, comes back, clusters again, carries labels over, and takes them away', async () => {
      await writeStudy(desk.place.folder)
      desk.opened = await open()
      await newRun(desk.opened.page, desk.place)
      await exploreIt(desk.opened.page)
      if ('notifications' in desk.opened)
        expect(await (desk.opened as OpenedShell).notifications()).toContain('Run “first” finished')
      await label(desk.opened.page)
      await undo(desk.opened.page)
      expect(pageErrors.get(desk.opened.page)).toEqual([])
      expect(await desk.opened.close(), desk.opened.output()).toBe(0)

      desk.opened = await open()
      const { page } = desk.opened
      await button(page, 'Explore').first().click()
      await allIsThere(page)
      await clusterAgain(page)
      await compareAndTransfer(page)

      const [set, report, tables] = ['set.json', 'report.html', 'tables'].map((file) => join(desk.place.folder, file))
      await takeAway(page, /^Annotated cluster set/, set, 'Export file')
      await takeAway(page, /^HTML report/, report, 'Export file')
      await takeAway(page, /^CSV tables/, tables, 'Export folder')
      expect(JSON.parse(readFileSync(set, 'utf8'))).toMatchObject({ clusters: expect.any(Array) as unknown })
      expect(readFileSync(report, 'utf8')).toContain('two as one')
      expect(readFileSync(join(tables, 'labels.csv'), 'utf8')).toContain('odd ones')
      await importSet(page, set)
      await labelled(page, 5)
      expect(pageErrors.get(page)).toEqual([])
      await desk.opened.close()
      expect(existsSync(join(desk.place.workspace, 'backups'))).toBe(true)
    })
  })
})
