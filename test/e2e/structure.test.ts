import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { clusterRows, describeInBrowser, launchBrowser } from './harness'
import { servePreview, type Preview } from './preview-window'

/** What the window shows of structure, on the synthetic workspace of the preview, where a test can hold an answer. */
describeInBrowser('the window on a tree of clusters', () => {
  let preview: Preview
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    preview = await servePreview()
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser.close()
    await preview.close()
  })
  beforeEach(async () => {
    page = await preview.open(browser, { width: 1280, height: 800 })
  })
  afterEach(async () => {
    await page.close()
    expect(preview.errors.splice(0)).toEqual([])
  })

  const button = (within: Page | Locator, name: string | RegExp): Locator =>
    within.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) })
  const tree = (): Locator => page.getByRole('tree', { name: 'Clusters' })
  const explore = async (): Promise<void> => {
    await button(page.getByRole('navigation'), 'Explore').click()
    await page
      .getByRole('grid', { name: /^Contexts of/ })
      .locator('mark')
      .first()
      .waitFor()
  }
  /** The row that the keys are at: its level, whether it is open, and its words. */
  const current = async (list = tree()): Promise<{ level: string | null; open: string | null; words: string }> => {
    const id = await list.getAttribute('aria-activedescendant')
    const row = page.locator(`#${id}`)
    const [level, open] = await Promise.all([row.getAttribute('aria-level'), row.getAttribute('aria-expanded')])
    return { level, open, words: (await row.locator('.unseen-by-eye').first().textContent()) ?? '' }
  }
  const runSettings = async (name: RegExp): Promise<void> => {
    await button(page, name).click()
    await page.getByRole('tab', { name: 'Settings' }).click()
  }

  it('folds and unfolds by arrows, and goes from group to group', async () => {
    await explore()
    await tree().focus()
    await page.keyboard.press('Home')
    const region = await current()
    expect(region).toMatchObject({ level: '1', open: 'true' })
    expect(region.words).toMatch(/region \d+, .*\d+ clusters, .*stability 0\.\d\d/)
    const levelBelow = (): Promise<string | null> => clusterRows(page).nth(1).getAttribute('aria-level')
    await expect.poll(levelBelow).toBe('2')

    await page.keyboard.press('ArrowLeft')
    await expect.poll(current).toEqual({ ...region, open: 'false' })
    await expect.poll(levelBelow).toBe('1')
    await page.keyboard.press('ArrowRight')
    await expect.poll(current).toEqual(region)
    await expect.poll(levelBelow).toBe('2')
    await page.keyboard.press('ArrowRight')
    const level = async (): Promise<string | null> => (await current()).level
    await expect.poll(level).toBe('2')
    await page.keyboard.press('ArrowLeft')
    while ((await level()) !== '1') await page.keyboard.press('ArrowLeft')
    await expect.poll(async () => (await current()).words).toBe(region.words)
    await page.keyboard.press('End')
    await expect.poll(async () => (await current()).words).toMatch(/^Unclustered/)
  })

  it('unfolds what is opened elsewhere, and shows the groups around it', async () => {
    await explore()
    await tree().focus()
    await page.keyboard.press('Home')
    while ((await current()).open !== null) await page.keyboard.press('ArrowRight')
    const cluster = await current()
    const path = page.getByRole('navigation', { name: 'Parent groups' })
    await expect.poll(() => path.getByRole('button').count()).toBe(Number(cluster.level) - 1)
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Command' }).fill('Collapse all groups')
    await page.keyboard.press('Enter')
    await page.locator('.row.holds').waitFor()
    await path.getByRole('button').last().click()
    await expect.poll(async () => (await current()).level).toBe(String(Number(cluster.level) - 1))
  })

  it('takes a name for a region, shows it on its clusters, counts clusters only, and undoes it', async () => {
    await explore()
    await page.getByText('5 of 60 labelled').waitFor()
    await tree().focus()
    await page.keyboard.press('Home')
    await page.keyboard.press('n')
    await page.keyboard.type('everything of one kind')
    await page.keyboard.press('Shift+Enter')
    const named = tree().getByRole('treeitem', { name: /^everything of one kind, region \d+, .*labelled/ })
    await named.waitFor()
    await page.keyboard.press('ArrowRight')
    const path = page.getByRole('navigation', { name: 'Parent groups' })
    await button(path, 'everything of one kind').waitFor()
    await page.getByText('5 of 60 labelled').waitFor()
    await page.keyboard.press('Control+z')
    await page.locator('.toast', { hasText: /Undone: label region \d+ “everything of one kind”/ }).waitFor()
    await named.waitFor({ state: 'detached' })
  })

  it('lists one level, by stability, and finds groups that may be noise', async () => {
    await explore()
    await page.getByRole('combobox', { name: 'View as' }).selectOption('region')
    const list = page.getByRole('listbox', { name: 'Clusters' })
    await list.getByRole('option').first().waitFor()
    await page.getByRole('combobox', { name: 'Sort by' }).selectOption('stability')
    const said = (): Promise<string[]> =>
      list.getByRole('option').locator('.unseen-by-eye:first-child').allTextContents()
    const stabilitiesIn = (words: readonly string[]): number[] =>
      words.flatMap((each) => /stability (\d\.\d\d)/.exec(each)?.slice(1).map(Number) ?? [])
    await expect
      .poll(async () => {
        const seen = stabilitiesIn(await said())
        return seen.length > 2 && seen.every((each, at) => at === 0 || each <= seen[at - 1])
      })
      .toBe(true)
    const words = await said()
    const stabilities = stabilitiesIn(words)
    for (const [index, value] of stabilities.entries()) {
      expect(words[index].includes('may be noise'), words[index]).toBe(value < 0.5)
    }

    await page.getByRole('combobox', { name: 'View as' }).selectOption('tree')
    await page.getByRole('searchbox', { name: 'Search clusters' }).fill('stable<0.5 level:cluster')
    await page.getByText(/^\d+ found$/).waitFor()
    const clusters = tree().getByRole('treeitem', { name: /^(Cluster \d+|.*, cluster \d+),/ })
    const found = await clusters.locator('.unseen-by-eye:first-child').allTextContents()
    expect(found.length).toBeGreaterThan(0)
    for (const each of found) expect(each).toContain('may be noise')
  })

  it('says what rules leave out, and how strong each member is', async () => {
    await explore()
    const rules = page.getByRole('region', { name: 'Rules' })
    await rules.getByRole('row').nth(1).waitFor()
    const best = await rules.getByRole('rowheader').first().innerText()
    const gallery = page.getByRole('region', { name: 'Gallery' })
    const sentence = await gallery.getByTitle(/^The rule that predicts membership best/).innerText()
    expect(sentence).toMatch(/: [\d,]+ of [\d,]+ here; \d+ % of all such tokens are here\.$/)
    expect(sentence).toContain(`A token that ${best}: `)
    const link = button(rules, /^\d+ exceptions? to the best rule$/)
    const [count] = /\d+/.exec(await link.innerText()) ?? ['']
    await link.click()
    const shown = page.getByRole('group', { name: 'Token view' })
    await expect.poll(() => button(shown, 'Exceptions').getAttribute('aria-pressed')).toBe('true')
    await expect.poll(() => page.getByRole('grid', { name: /^Contexts of/ }).getAttribute('aria-rowcount')).toBe(count)
    await button(shown, 'Core').click()
    const strength = page.getByText(/^strength [01]\.\d\d: in the group in \d of 6 split halves of the draws$/)
    await strength.first().waitFor({ state: 'attached' })
  })

  it('says quietly what was not measured', async () => {
    await explore()
    await page.getByRole('combobox', { name: 'Clustering' }).selectOption('1')
    await page.getByRole('listbox', { name: 'Clusters' }).getByRole('option').first().waitFor()
    await page.getByText('stability not measured').waitFor()
    await page.getByRole('combobox', { name: 'View as' }).waitFor({ state: 'detached' })
    const shown = page.getByRole('group', { name: 'Token view' })
    for (const name of ['Core', 'Edge', 'Exceptions']) expect(await button(shown, name).isDisabled(), name).toBe(true)
  })

  it('takes a resolution from the plot, by keyboard, by click and from its table', async () => {
    await runSettings(/^Progress, diagnostics, settings: demo/)
    const again = page.getByRole('region', { name: 'Cluster again' })
    const tried = again.getByRole('slider', { name: 'Resolutions tried' })
    const resolution = again.getByLabel('resolution', { exact: true })
    await tried.focus()
    await page.keyboard.press('End')
    const last = /^resolution (\S+):/.exec((await tried.getAttribute('aria-valuetext')) ?? '')?.[1]
    await page.keyboard.press('Enter')
    expect(await resolution.inputValue()).toBe(last)
    await tried.click({ position: { x: 46, y: 60 } })
    const first = Number(await resolution.inputValue())
    expect(first).toBeLessThan(Number(last))
    await again.getByText('Values as a table').click()
    await again
      .getByRole('button', { name: /^Use resolution/ })
      .nth(1)
      .click()
    expect(Number(await resolution.inputValue())).toBeGreaterThan(first)

    await again.getByLabel('method', { exact: true }).selectOption('acl')
    await again.getByLabel('alpha', { exact: true }).waitFor()
    expect(await resolution.count()).toBe(0)
    await tried.click({ position: { x: 46, y: 60 } })
    expect(Number(await resolution.inputValue())).toBe(first)
  })

  it('keeps what is typed in the file picker while a folder loads, and drops a list that comes late', async () => {
    await button(page.getByRole('navigation'), 'Settings').click()
    const lists = await page.evaluateHandle(() => {
      const { spectroscope } = window as unknown as {
        readonly spectroscope: { call: (method: string, given: unknown) => Promise<unknown> }
      }
      const { call } = spectroscope
      const held: (() => void)[] = []
      spectroscope.call = async (method, given) => {
        const answer = await call(method, given)
        if (method === 'files.list') await new Promise<void>((give) => held.push(give))
        return answer
      }
      return held
    })
    const asked = (count: number): Promise<void> =>
      expect.poll(() => lists.evaluate(({ length }) => length)).toBe(count)
    /** Until the window has taken it: that is done before the next task. */
    const answer = (which: number): Promise<void> =>
      lists.evaluate((held, at) => {
        held[at]()
        return new Promise<void>((done) => setTimeout(done))
      }, which)

    await button(page, 'Open another…').click()
    const picker = page.getByRole('dialog', { name: 'Open workspace' })
    const field = picker.getByRole('combobox', { name: 'Filter this folder or enter a path' })
    await asked(1)
    await field.fill('/home/late')
    await answer(0)
    await picker.getByRole('option', { name: /pythia-14m/ }).waitFor()
    expect(await field.inputValue()).toBe('/home/late')

    await field.press('Enter')
    await asked(2)
    await field.fill('/home/wanted')
    await field.press('Enter')
    await asked(3)
    await answer(2)
    await picker.getByTitle('/home/wanted', { exact: true }).waitFor()
    expect(await field.inputValue()).toBe('')
    await answer(1)
    expect(await picker.getByTitle('/home/late', { exact: true }).count()).toBe(0)
    expect(await picker.getByTitle('/home/wanted', { exact: true }).count()).toBe(1)
  })
})
