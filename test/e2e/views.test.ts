import { cpSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { writeSyntheticWorkspace } from '../bench/synthetic-workspace'
import { describeInBrowser, keepFailure, launchBrowser, makePlace, openServed, pageErrors, pictures } from './harness'
import type { Opened, Place } from './harness'
import { startStudy, studyConfiguration, writeStudy } from './study'

const clusters = 40
/** A model of two layers, whose four heads share two pairs of keys and values. */
const groupedModel = fileURLToPath(new URL('../golden/architectures/phi-grouped', import.meta.url))
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeResult {
  readonly violations: readonly {
    readonly id: string
    readonly help: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

/** The rules of WCAG 2 A and AA in light colours; in dark ones those of them that depend on colours. */
const rules = {
  light: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] },
  dark: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] }
} as const

/** What axe finds wrong with the window, as lines. */
const violations = async (page: Page, runOnly: object): Promise<string[]> => {
  const { violations: found } = await page.evaluate(
    (options) =>
      (window as unknown as { readonly axe: { run(context: Document, options: object): Promise<AxeResult> } }).axe.run(
        document,
        options
      ),
    { runOnly, resultTypes: ['violations'] }
  )
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map(
      ({ html, failureSummary = '' }) =>
        `${id}: ${help}: ${html.slice(0, 200)} (${failureSummary.split('\n').slice(1, 3).join(' ').trim()})`
    )
  )
}

/** Until nothing moves that would be half way in a picture. */
const settled = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    await Promise.all(
      document
        .getAnimations()
        .filter(({ effect }) => effect?.getComputedTiming().iterations !== Infinity)
        .map(({ finished }) => finished.catch(() => undefined))
    )
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
  })

describeInBrowser('every view', () => {
  let browser: Browser
  let place: Place
  let empty: Place
  let opened: Opened
  let page: Page

  /** Looks at what the window shows, in light and in dark colours. */
  const look = async (view: string): Promise<void> => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await settled(page)
      await page.screenshot({ path: join(pictures(), `${view}-${colorScheme}.png`) })
      expect.soft(await violations(page, rules[colorScheme]), `${view} in ${colorScheme} colours`).toEqual([])
    }
    const { scrolled, wide } = await page.evaluate(() => {
      const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement
      return {
        scrolled: scrollWidth > clientWidth || scrollHeight > clientHeight,
        wide: [...document.querySelectorAll('main, main section, main .body, dialog')]
          .filter(
            (each) =>
              each.scrollWidth > each.clientWidth + 1 &&
              getComputedStyle(each).overflowX !== 'visible' &&
              getComputedStyle(each).overflowX !== 'hidden'
          )
          .map((each) => each.outerHTML.slice(0, 120))
      }
    })
    expect.soft(scrolled, `${view}: the page has a scroll bar`).toBe(false)
    expect.soft(wide, `${view}: a scroll bar from side to side`).toEqual([])
    expect.soft(pageErrors.get(page), view).toEqual([])
  }
  const go = (name: string): Promise<void> =>
    page.getByRole('navigation').getByRole('button', { name, exact: true }).click()
  const tab = (name: string): Promise<void> => page.getByRole('tab', { name }).click()
  const command = async (name: string): Promise<void> => {
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Command' }).fill(name)
    await page.getByRole('option', { selected: true }).filter({ hasText: name }).waitFor()
    await page.keyboard.press('Enter')
  }
  const rows = () => page.getByRole('listbox', { name: 'Clusters' }).getByRole('option')
  const explore = async (): Promise<void> => {
    await go('Explore')
    await rows().first().waitFor()
    await page
      .getByRole('grid', { name: /^Contexts of/ })
      .locator('mark')
      .first()
      .waitFor()
    await page.getByRole('toolbar', { name: 'Graph' }).waitFor()
    await page.getByRole('group', { name: 'What the graph shows' }).getByRole('button', { name: 'Tokens' }).click()
  }
  const open = async (where: Place): Promise<void> => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
    await context.addInitScript({ content: axe })
    opened = await openServed(context, where)
    ;({ page } = opened)
  }

  beforeAll(async () => {
    browser = await launchBrowser()
    empty = makePlace()
    place = makePlace()
    await writeSyntheticWorkspace(place.workspace, { tokens: 6000, clusters, name: 'synthetic' })
    await writeStudy(place.folder)
    cpSync(groupedModel, join(place.folder, 'grouped'), { recursive: true })
  })
  afterAll(async () => {
    await browser.close()
    place.remove()
    empty.remove()
  })
  afterEach(async (context) => {
    await keepFailure(context, opened)
    await opened.close()
  })

  it('of an empty workspace', async () => {
    await open(empty)
    await page.getByText('No runs yet').waitFor()
    await look('runs-empty')
    await go('Settings')
    await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor()
    await look('settings')
    await page.keyboard.press('Control+k')
    await page.getByRole('listbox', { name: 'Commands' }).getByRole('option').first().waitFor()
    await look('palette')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+i')
    await page.getByRole('dialog').waitFor()
    await look('import')
  })

  it('of runs', async () => {
    await open(place)
    await page.getByRole('row', { name: /synthetic/ }).waitFor()
    await startStudy(page, place.folder, 'at work', 400)
    await page.getByRole('img', { name: /^Loss of each chain of/ }).waitFor()
    await look('run-progress')
    await page.getByRole('button', { name: 'Cancel', exact: true }).click()
    await look('run-cancel')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: /^Pause/ }).click()
    await page.getByText('Paused.').waitFor()
    await look('run-paused')
    await go('Runs')
    await page
      .getByRole('row', { name: /paused/ })
      .first()
      .waitFor()
    await look('runs')

    await page.getByRole('button', { name: /^New run/ }).click()
    await page.getByText('Still needed').waitFor()
    await look('new-run-empty')
    await page.getByRole('textbox', { name: 'Base folder of paths' }).fill(place.folder)
    await page.getByRole('textbox', { name: 'Model folder' }).fill('tiny')
    await page.getByRole('textbox', { name: 'File or folder to add' }).fill('texts')
    await page.keyboard.press('Enter')
    await page.getByRole('table', { name: 'Documents, tokens and rows of each subset' }).waitFor()
    await page.getByRole('radio', { name: /^paper/ }).check()
    await page.locator('summary', { hasText: 'All sampler settings' }).click()
    await page.getByLabel('draws', { exact: true }).fill('1')
    await page.getByText('Fix before starting').waitFor()
    await look('new-run')
    await page.getByLabel('draws', { exact: true }).scrollIntoViewIfNeeded()
    await look('new-run-settings')

    await page.getByRole('textbox', { name: 'Model folder' }).fill('grouped')
    const together = page.getByRole('checkbox', { name: 'Heads that share keys and values as one' })
    await page.getByText('12 of 12 chosen').waitFor()
    expect(await together.isChecked()).toBe(false)
    await together.check()
    await page.getByText('8 of 8 chosen').waitFor()
    await page.getByRole('button', { name: 'group:1.1' }).click()
    await page.getByText('7 of 8 chosen').waitFor()
    expect(await together.isChecked()).toBe(true)
    await page.getByRole('button', { name: 'All 8' }).click()
    await page.getByRole('button', { name: 'Group 1 of every layer' }).scrollIntoViewIfNeeded()
    await look('new-run-groups')
    await page.setViewportSize({ width: 1024, height: 768 })
    await look('new-run-groups-1024')
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.getByRole('button', { name: 'JSON', exact: true }).click()
    const written = await page.getByRole('textbox', { name: 'Configuration as JSON' }).inputValue()
    expect(JSON.parse(written)).toMatchObject({ model: 'grouped', components: 'groups' })
    const { corpus, ...rest } = studyConfiguration()
    const begun = { ...rest, corpus: { ...(corpus as object), prependBos: true } }
    await page.getByRole('textbox', { name: 'Configuration as JSON' }).fill(JSON.stringify(begun))
    await page
      .getByRole('complementary', { name: 'Estimate and problems' })
      .getByText('Each row begins with <|endoftext|>.')
      .waitFor()

    await go('Runs')
    await page.getByRole('button', { name: /Progress, diagnostics, settings: synthetic/ }).click()
    await tab('Diagnostics')
    await page
      .getByText(/reliab/i)
      .first()
      .waitFor()
    await look('run-diagnostics')
    await tab('Heat map')
    await page.locator('canvas').first().waitFor()
    await look('run-heat-map')
    await tab('Settings')
    await page.getByRole('heading', { name: 'Provenance' }).waitFor()
    await look('run-settings')
  })

  it('of exploring and labelling', async () => {
    await open(place)
    await page.getByRole('row', { name: /synthetic/ }).waitFor()
    await explore()
    const list = page.getByRole('listbox', { name: 'Clusters' })
    await list.focus()
    await page.keyboard.press('Tab')
    expect(await list.evaluate((element) => element.contains(document.activeElement)), 'Tab stays in the list').toBe(
      false
    )
    await page.getByText(/^6,\d+ tokens · /).waitFor()
    await look('explore-tokens')
    await rows().first().click()
    await page.getByRole('listbox', { name: 'Clusters' }).press('Space')
    await page
      .getByRole('grid', { name: /^Contexts of/ })
      .nth(1)
      .waitFor()
    await look('explore-beside')
    await page.keyboard.press('Escape')
    await page.keyboard.press('n')
    await page.keyboard.type('a name')
    await page.keyboard.press('Enter')
    await page.getByText(/^saving \d+…$/).waitFor({ state: 'detached' })
    await command('Show clusters')
    await page.getByText(/^4\d nodes · /).waitFor()
    await look('explore-clusters')
    await command('Show or hide node list')
    await page.getByRole('region', { name: 'Node list' }).getByRole('option').first().waitFor()
    await look('explore-list')
    await command('Show or hide node list')
    await page.getByRole('searchbox', { name: 'Search clusters' }).fill('size>50 status:unseen')
    await page.getByRole('button', { name: 'Search help' }).click()
    await look('explore-search')
    await page.getByRole('searchbox', { name: 'Search clusters' }).fill('')
    await page.keyboard.press('Escape')
    await page.getByRole('group', { name: 'Search help' }).waitFor({ state: 'detached' })
    await rows().first().click()
    await page.keyboard.press('b')
    await page
      .getByRole('dialog', { name: /^Blind test/ })
      .getByRole('listitem')
      .nth(5)
      .waitFor()
    await look('blind-test')
    await page.keyboard.press('2')
    await page.getByText(/right so far/).waitFor()
    await look('blind-test-answered')
    await page.keyboard.press('Escape')
    await page.keyboard.press('h')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    await look('keys')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+Shift+h')
    await page
      .getByRole('dialog', { name: /[Hh]istory/ })
      .getByText(/a name/)
      .first()
      .waitFor()
    await look('history')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+e')
    await page.getByRole('dialog', { name: /^Export/ }).waitFor()
    await look('export')
  })

  it('of comparing', async () => {
    await open(place)
    await page.getByRole('row', { name: /synthetic/ }).waitFor()
    await page.getByRole('button', { name: /Progress, diagnostics, settings: synthetic/ }).click()
    await tab('Settings')
    const again = page.getByRole('region', { name: 'Cluster again' })
    await again.getByLabel('method', { exact: true }).selectOption('acl')
    for (const [key, value] of [
      ['neighbours', '10'],
      ['minSize', '10'],
      ['alpha', '0.05'],
      ['epsilon', '1e-5'],
      ['maxRejections', '20']
    ])
      await again.getByLabel(key, { exact: true }).fill(value)
    await again.getByRole('button', { name: 'Cluster again' }).click()
    // The window goes to the progress once the clustering has begun.
    await page.getByRole('tab', { name: 'Progress', selected: true }).waitFor()
    await page
      .getByText(/^Cluster finished in/)
      .first()
      .waitFor()
    await go('Compare')
    await page.getByRole('heading', { name: 'Agreement' }).waitFor()
    await look('compare')
  })
})
