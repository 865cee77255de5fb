import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { exportReport } from '../../main/exchange/report'
import { databaseName } from '../../main/store/database'
import { openWorkspace } from '../../main/store/store'
import { writeSyntheticWorkspace } from '../bench/synthetic-workspace'
import { labelBody } from '../unit/store-fixture'
import { describeInBrowser, keepFailure, launchBrowser, makePlace, openServed, pageErrors } from './harness'
import type { Opened, Place } from './harness'

const markup = '"><img src=x onerror="window.ran=1"><meta http-equiv=refresh content="0;url=x">'
const hostile = `\u202eevil\u200b\u001b]0;t\u0007${markup}`
/** How `hostile` begins where it is shown. */
const marked = '\\u{202e}evil\\u{200b}␛]0;t␇'
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2066-\u2069]/

const statement = async (folder: string, ...statements: readonly [sql: string, value: string][]): Promise<void> => {
  const instance = await DuckDBInstance.create(join(folder, databaseName))
  const connection = await instance.connect()
  for (const [sql, value] of statements) await connection.run(sql, [value])
  connection.closeSync()
  instance.closeSync()
}

/** A workspace in which `text` stands wherever a text can: labels through the program, the rest in the database. */
const made = async (folder: string, text: string): Promise<string> => {
  const { run } = await writeSyntheticWorkspace(folder, { tokens: 1_200, clusters: 8 })
  const workspace = await openWorkspace(folder)
  const body = labelBody(text, { note: `${text}\n${text}`, tags: [text, 'b'], author: text })
  await workspace.applyAnnotations({
    run,
    clustering: 1,
    words: text,
    author: text,
    edits: [
      { target: 'cluster:0', after: body },
      { target: 'merge:1', after: { ...body, clusters: [1, 2] } }
    ]
  })
  await workspace.close()
  await statement(
    folder,
    ['UPDATE runs SET name = $1', text],
    ['UPDATE clusterings SET name = $1', text],
    ['UPDATE clusterings SET ending = $1', text],
    ['UPDATE study_rows SET subset = $1', text],
    ['UPDATE documents SET file = $1', text],
    ['UPDATE diagnostics SET component = $1 WHERE component = (SELECT any_value(components[1]) FROM samplings)', text],
    ['UPDATE samplings SET components = list_concat([$1], components[2:])', text],
    [
      'UPDATE runs SET configuration = json_merge_patch(configuration, $1)',
      JSON.stringify({ sampler: { nBeta: text } })
    ]
  )
  return run
}

describeInBrowser('a workspace with hostile texts', () => {
  let browser: Browser
  let place: Place
  let opened: Opened | undefined

  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterAll(() => browser.close())
  beforeEach(() => {
    place = makePlace()
    opened = undefined
  })
  afterEach(async (context) => {
    await keepFailure(context, opened)
    if (opened !== undefined) expect(await opened.close()).toBe(0)
    place.remove()
  })

  /** Elements of a report with their attributes, and the values of those that lead or load anywhere. */
  const structureOf = async (page: Page, text: string): Promise<readonly string[]> => {
    const folder = join(place.folder, text === hostile ? 'hostile' : 'plain')
    const run = await made(folder, text)
    const workspace = await openWorkspace(folder, { readOnly: true })
    const file = `${folder}.html`
    await exportReport(workspace, run, { file, clusters: 'all', program: 'spectroscope test' })
    await workspace.close()
    await page.goto(pathToFileURL(file).href)
    return page.evaluate(() => {
      const telling = new Set(['href', 'src', 'id', 'class', 'http-equiv', 'charset'])
      return [...document.querySelectorAll('*')].map(({ tagName, attributes }) => {
        const names = [...attributes].map(({ name, value }) => (telling.has(name) ? `${name}=${value}` : name))
        return `${tagName} ${names.join(' ')}`
      })
    })
  }

  it('gives a report with no element or attribute more than one with plain texts has', async () => {
    const page = await browser.newPage()
    const plain = await structureOf(page, 'plain')
    expect(await structureOf(page, hostile)).toEqual(plain)
    expect(await page.evaluate(() => 'ran' in window)).toBe(false)
    const text = await page.evaluate(() => document.documentElement.outerHTML)
    expect(text).not.toMatch(hidden)
    const shown = await page.evaluate(() => document.body.innerText)
    expect(shown).toContain(`nβ ${marked}${markup}`)
    await page.close()
  })

  it('gives no report where the state of a label is a text, but a sentence', async () => {
    const folder = join(place.folder, 'state')
    const run = await made(folder, 'plain')
    const state = JSON.stringify({ status: hostile })
    await statement(folder, ['UPDATE annotations SET body = json_merge_patch(body, $1)', state])
    const workspace = await openWorkspace(folder, { readOnly: true })
    const file = join(place.folder, 'state.html')
    const error: unknown = await exportReport(workspace, run, {
      file,
      clusters: 'all',
      program: 'spectroscope test'
    }).then(
      () => undefined,
      (reason: unknown) => reason
    )
    await workspace.close()
    expect((error as Error).message).toMatch(/status.*\.$/)
    expect((error as Error).message).not.toMatch(hidden)
    expect(existsSync(file)).toBe(false)
  })

  /** Texts and read attributes of a page, by where they stand. */
  const readIn = (page: Page): Promise<Readonly<Record<'text' | 'title' | 'label', readonly string[]>>> =>
    page.evaluate(() => {
      const all = [...document.querySelectorAll('*')]
      const given = (name: string): string[] => all.flatMap((element) => element.getAttribute(name) ?? [])
      return {
        text: all
          .filter(({ tagName }) => tagName !== 'SCRIPT' && tagName !== 'STYLE')
          .flatMap(({ childNodes }) =>
            [...childNodes].flatMap((node) => (node.nodeType === 3 ? (node.nodeValue ?? '') : []))
          ),
        title: [...given('title'), document.title],
        label: [...given('aria-label'), ...given('placeholder'), ...given('alt')]
      }
    })

  it('is shown in a window with marks in texts, titles and labels, and nothing of it runs', async () => {
    await made(place.workspace, hostile)
    opened = await openServed(browser, place)
    const { page } = opened
    const found = { text: false, title: false, label: false }
    const look = async (): Promise<void> => {
      const read = await readIn(page)
      for (const [where, texts] of Object.entries(read)) {
        expect(
          texts.filter((each) => hidden.test(each)),
          where
        ).toEqual([])
        if (texts.some((each) => each.includes(marked))) found[where as keyof typeof read] = true
      }
      expect(await page.evaluate(() => 'ran' in window)).toBe(false)
      expect(await page.locator('img[src="x"], meta[http-equiv="refresh"]').count()).toBe(0)
    }
    await page.getByRole('button', { name: 'Explore', exact: true }).first().waitFor()
    await look()
    await page.getByRole('button', { name: 'Explore', exact: true }).first().click()
    const clusters = page.getByRole('listbox', { name: 'Clusters' }).getByRole('option')
    await clusters.filter({ hasText: 'evil' }).first().click()
    await page.getByRole('region', { name: 'Label' }).waitFor()
    await look()
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog').waitFor()
    await look()
    expect(found).toEqual({ text: true, title: true, label: true })
    expect(pageErrors.get(page)).toEqual([])
  })

  it('is exported with apostrophes before formulas, or as it is where that is chosen', async () => {
    await made(place.workspace, '=1+1')
    opened = await openServed(browser, place)
    const { page } = opened
    const dialog = page.getByRole('dialog')
    const labelsIn = async (folder: string): Promise<string> => {
      await dialog.getByRole('textbox', { name: 'Export folder' }).fill(folder)
      await dialog.getByRole('button', { name: 'Export', exact: true }).click()
      await dialog.getByText(/^✓ CSV tables written/).waitFor()
      return readFileSync(join(folder, 'labels.csv'), 'utf8')
    }
    await page.getByRole('button', { name: 'Explore', exact: true }).first().click()
    await page.getByRole('button', { name: 'Export', exact: true }).first().click()
    await dialog.getByRole('radio', { name: /^CSV tables/ }).check()
    expect(await labelsIn(join(place.folder, 'guarded'))).toContain(',"\'=1+1",')
    await dialog.getByRole('button', { name: 'Export again' }).click()
    await dialog.getByRole('checkbox', { name: /^Keep text cells as they are/ }).check()
    expect(await labelsIn(join(place.folder, 'raw'))).toContain(',"=1+1",')
    expect(pageErrors.get(page)).toEqual([])
  })
})
