import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import type { Annotation } from '../../preload/contract'
import { writeSyntheticWorkspace } from '../bench/synthetic-workspace'
import { completion, startModelServer } from '../model-server'
import {
  childrenOf,
  describeInBrowser,
  launchBrowser,
  makePlace,
  openServed,
  openShell,
  pageErrors,
  pictures
} from './harness'
import type { Opened, Place } from './harness'

const clusters = 60

/** What the terminal says of the labels of a workspace that no window has open. */
const labelsOf = ({ workspace, environment }: Place): Map<string, string> => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [join(projectRoot, 'out', 'main', 'cli.js'), 'labels', 'latest', '--json', '--workspace', workspace],
    { env: environment, encoding: 'utf8' }
  )
  expect(status, stderr).toBe(0)
  const { annotations } = JSON.parse(stdout) as { annotations: readonly Annotation[] }
  return new Map(annotations.filter(({ name }) => name !== '').map(({ target, name }) => [target, name]))
}

/** Until the window shows so many, and all of them are saved. */
const untilLabelled = async (page: Page, count: number): Promise<void> => {
  await page.getByText(`${count} of ${clusters} labelled`).waitFor()
  await page.getByText(/^saving \d+…$/).waitFor({ state: 'detached' })
}

const explore = async (page: Page): Promise<void> => {
  await page.getByRole('button', { name: 'Explore', exact: true }).first().click()
  await page.getByRole('listbox', { name: 'Clusters' }).getByRole('option').first().waitFor()
  await page.getByRole('region', { name: 'Label' }).getByRole('textbox', { name: 'Name' }).waitFor()
}

/** Names the current cluster by keyboard alone and moves on. */
const nameNext = async (page: Page, name: string): Promise<void> => {
  await page.keyboard.press('n')
  await page.keyboard.type(name)
  await page.keyboard.press('Enter')
}

describeInBrowser('labelling', () => {
  let made: string
  let browser: Browser
  let place: Place
  let opened: Opened | undefined

  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'spectroscope-synthetic-'))
    await writeSyntheticWorkspace(join(made, 'workspace'), { tokens: 2_400, clusters })
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser.close()
    rmSync(made, { recursive: true, force: true })
  })
  beforeEach(() => {
    place = makePlace()
    cpSync(join(made, 'workspace'), place.workspace, { recursive: true })
  })
  afterEach(async () => {
    if (opened?.process.exitCode === null) await opened.close()
    opened = undefined
    place.remove()
  })

  describe.each([
    ['a browser', 30, () => openServed(browser, place)],
    ['the shell', 9, () => openShell(place)]
  ] as const)('in %s', (_, count, open) => {
    it(`${count} clusters by keyboard as fast as keys come, undo, quit, reopen: every key counts and nothing is lost`, async () => {
      opened = await open()
      const { page } = opened
      await explore(page)
      for (let i = 0; i < count; i++) {
        if (i % 3 === 2) await page.keyboard.press('1')
        else await nameNext(page, `name ${i}`)
      }
      await untilLabelled(page, count)
      for (let i = 0; i < 3; i++) await page.keyboard.press('Control+z')
      await untilLabelled(page, count - 3)
      await page.keyboard.press('Control+Shift+z')
      await untilLabelled(page, count - 2)
      expect(pageErrors.get(page)).toEqual([])
      await opened.close()

      const names = [...labelsOf(place).values()]
      expect(names).toHaveLength(count - 2)
      for (let i = 0; i < count - 2; i++) if (i % 3 !== 2) expect(names).toContain(`name ${i}`)

      opened = await open()
      await explore(opened.page)
      await untilLabelled(opened.page, count - 2)
      await opened.page.keyboard.press('Control+z')
      await untilLabelled(opened.page, count - 3)
      await opened.page.keyboard.press('Control+Shift+z')
      await opened.page.keyboard.press('Control+Shift+z')
      await untilLabelled(opened.page, count - 1)
      await opened.close()
      expect(labelsOf(place).size).toBe(count - 1)
      expect(
        readdirSync(join(place.workspace, 'backups')).filter((name) => /^labels-.*\.json$/.test(name)).length
      ).toBeGreaterThan(0)
    })
  })

  it('shows what a model is sent, and makes its name a label when that is accepted', async () => {
    const server = await startModelServer(({ said }) =>
      completion(said.startsWith('Cluster: ') ? '{"odd": 1}' : '{"name": "a name by a model"}')
    )
    opened = await openServed(browser, place)
    const { page } = opened
    await page.getByRole('button', { name: 'Settings', exact: true }).click()
    await page.getByRole('checkbox', { name: 'Suggest names of clusters by a model' }).check()
    await page.getByLabel('Address').fill(server.address)
    await page.getByLabel('Model', { exact: true }).fill('tiny')
    await page.getByLabel('Model', { exact: true }).blur()
    await explore(page)
    await page.getByRole('button', { name: 'Suggest name…', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Suggest name by model' })
    const sent = await dialog.getByRole('region', { name: /^Text sent for/ }).textContent()
    expect(server.asked).toHaveLength(0)
    await dialog.getByRole('button', { name: 'Suggest name', exact: true }).click()
    const name = page.getByRole('group', { name: 'Name by a model' })
    await name.getByText('suggested by tiny').waitFor()
    await name.getByText(/^blind test \d\/5$/).waitFor()
    expect(server.asked).toHaveLength(6)
    expect(sent?.replace(/\s+/g, ' ')).toContain('The cluster to name: ')
    await name.getByRole('button', { name: 'Accept name' }).click()
    await untilLabelled(page, 1)
    await name.getByText('accepted').waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('n')
    await page.keyboard.type('A name by a model')
    await page.getByText(/^Also the name of /).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+z')
    await untilLabelled(page, 0)
    expect(pageErrors.get(page)).toEqual([])
    await server.close()
  })

  it('keeps what is being typed across a reload, for the cluster that it was typed for', async () => {
    opened = await openServed(browser, place)
    const { page } = opened
    await explore(page)
    await nameNext(page, 'first')
    await untilLabelled(page, 1)
    const label = page.getByRole('region', { name: 'Label' })
    const [name, note, tag] = [
      label.getByRole('textbox', { name: 'Name' }),
      label.getByRole('textbox', { name: 'Note' }),
      label.getByRole('combobox', { name: 'Add tag' })
    ]
    for (const [field, text] of [
      [name, 'half a na'],
      [note, 'half a no'],
      [tag, 'half a t']
    ] as const) {
      await field.focus()
      await page.keyboard.type(text)
      await page.reload()
      await explore(page)
      await expect.poll(() => field.inputValue()).toBe(text)
      await field.press('End')
      await page.keyboard.type('…')
      await field.blur()
      await page.getByText(/^saving \d+…$/).waitFor({ state: 'detached' })
    }
    await untilLabelled(page, 2)
    await label.getByText('half a t…').waitFor()
    await opened.close()
    expect([...labelsOf(place).values()].sort()).toEqual(['first', 'half a na…'])
  })

  it('goes on when the store process is killed in the middle, and no label is lost', async () => {
    opened = await openServed(browser, place)
    const { page } = opened
    await explore(page)
    for (let i = 0; i < 12; i++) {
      if (i === 4 || i === 8) for (const pid of childrenOf(opened.process, 'store')) process.kill(pid, 'SIGKILL')
      await nameNext(page, `kept ${i}`)
    }
    await page
      .getByText(/was restarted/)
      .first()
      .waitFor()
    await untilLabelled(page, 12)
    await opened.close()
    expect([...labelsOf(place).values()].sort()).toEqual(Array.from({ length: 12 }, (__, i) => `kept ${i}`).sort())
  })

  it('is shown as text, whatever it says, and taken to another workspace by an annotated set', async () => {
    opened = await openServed(browser, place)
    const { page } = opened
    await explore(page)
    const markup = '<img src=x onerror=window.broken=1>'
    for (let i = 0; i < 5; i++) await nameNext(page, `${markup} ${i}`)
    await untilLabelled(page, 5)
    await page.getByRole('listbox', { name: 'Clusters' }).getByText(`${markup} 4`).first().waitFor()
    expect(await page.evaluate(() => 'broken' in window)).toBe(false)
    expect(await page.getByText(/^\d+ of 60 labelled/).count()).toBe(1)
    expect(existsSync(join(place.workspace, 'journal', 'labels.jsonl'))).toBe(true)
    const file = join(place.folder, 'set.json')
    await page.keyboard.press('Control+e')
    const exporting = page.getByRole('dialog', { name: /Export/ })
    await exporting.getByRole('textbox', { name: 'Export file' }).fill(file)
    await exporting.getByRole('button', { name: 'Export', exact: true }).click()
    await exporting.getByText('set.json').first().waitFor()
    await page.keyboard.press('Escape')
    await opened.close()
    const set = JSON.parse(readFileSync(file, 'utf8')) as { clusters: readonly unknown[] }
    expect(set.clusters.length).toBeGreaterThanOrEqual(clusters)
    const before = labelsOf(place)

    const other = makePlace()
    try {
      opened = await openServed(browser, other, '--folder', place.folder)
      await opened.page
        .getByRole('button', { name: /^Open example/ })
        .first()
        .waitFor()
      await opened.page.keyboard.press('Control+i')
      const importing = opened.page.getByRole('dialog', { name: /Import/ })
      await importing.getByRole('textbox', { name: 'File to import' }).fill(file)
      await importing.getByRole('button', { name: 'Import', exact: true }).click()
      await importing.getByRole('button', { name: 'Explore' }).click()
      await untilLabelled(opened.page, 5)
      await opened.close()
      expect(labelsOf(other)).toEqual(before)
    } finally {
      other.remove()
    }
  })

  it('reads a lasso, names it, finds it again after a reload, and exports it', async () => {
    opened = await openServed(browser, place)
    const { page } = opened
    await explore(page)
    const graph = page.getByRole('region', { name: 'Graph' })
    const canvas = graph.locator('canvas').first()
    await graph.getByText(/^[\d,]+ tokens · /).waitFor()
    await page.keyboard.press('l')
    const { x, y, width, height } = (await canvas.boundingBox())!
    const [across, down] = [x + width / 2, y + height / 2]
    const corner = (turn: number): [number, number] => {
      const angle = (turn * Math.PI) / 6
      return [across + Math.cos(angle) * 0.3 * width, down + Math.sin(angle) * 0.3 * height]
    }
    await page.mouse.move(...corner(0))
    await page.mouse.down()
    for (let turn = 1; turn <= 12; turn++) await page.mouse.move(...corner(turn))
    await page.mouse.up()
    const summary = page.getByRole('region', { name: 'Selection summary' })
    for (const title of ['Clusters', 'Top tokens', 'Patterns', 'Subsets'])
      await summary.getByText(title, { exact: true }).waitFor()
    await summary.getByText(/\d+ in the selection/).waitFor()

    const label = page.getByRole('region', { name: 'Label' })
    const heading = label.getByRole('heading')
    const words = (await heading.textContent()) ?? ''
    expect(words).toMatch(/^Selection · [\d,]+ tokens$/)
    const count = Number(words.replace(/\D/g, ''))
    await page.keyboard.press('n')
    await page.keyboard.type('half a name')
    await page.reload()
    await label.getByRole('heading', { name: words }).waitFor()
    await expect.poll(() => label.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('half a name')
    await nameNext(page, 'the middle of the map')
    const list = page.getByRole('region', { name: 'Selections' })
    const row = list.getByRole('button', { name: /^the middle of the map/, pressed: true })
    await row.waitFor()
    await page.keyboard.press('Shift+N')
    await page.keyboard.type('by hand')
    await page.keyboard.press('Control+Enter')
    await row.and(page.locator('[title*="by hand"]')).waitFor()
    for (const theme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: theme })
      for (const [wide, high] of [
        [1280, 800],
        [1024, 768]
      ] as const) {
        await page.setViewportSize({ width: wide, height: high })
        await page.screenshot({ path: join(pictures(), `selection-${theme}-${wide}.png`) })
      }
    }
    await page.keyboard.press('Control+z')
    await row.and(page.locator('[title*="by hand"]')).waitFor({ state: 'detached' })
    await page.keyboard.press('Control+Shift+z')
    await row.and(page.locator('[title*="by hand"]')).waitFor()

    await page.reload()
    await explore(page)
    await list.getByRole('button', { name: /^▸? ?Selections/ }).click()
    await list.getByRole('button', { name: /^the middle of the map/ }).click()
    await expect.poll(() => heading.textContent()).toBe(words)
    expect(await label.getByRole('textbox', { name: 'Note' }).inputValue()).toBe('by hand')
    await page.getByRole('region', { name: 'Gallery' }).getByRole('button', { name: 'Export…' }).click()
    const exporting = page.getByRole('dialog', { name: /Export/ })
    expect(
      await exporting.getByRole('radio', { name: `Selected tokens ${count.toLocaleString('en')}` }).isChecked()
    ).toBe(true)
    expect(await exporting.getByRole('radio', { name: /^HTML report/ }).isDisabled()).toBe(true)
    await exporting.getByRole('radio', { name: /^CSV tables/ }).check()
    const folder = join(place.folder, 'lasso')
    await exporting.getByRole('textbox', { name: 'Export folder' }).fill(folder)
    await page.screenshot({ path: join(pictures(), 'export-selection.png') })
    await exporting.getByRole('button', { name: 'Export', exact: true }).click()
    await exporting.getByText('susceptibilities.csv').waitFor()
    await page.keyboard.press('Escape')
    const { selectedTokens } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { selectedTokens: object }
    expect(selectedTokens).toMatchObject({ count, label: { name: 'the middle of the map', note: 'by hand' } })
    expect(readFileSync(join(folder, 'susceptibilities.csv'), 'utf8').trimEnd().split('\n')).toHaveLength(count + 1)

    await page.getByRole('button', { name: 'Appearance' }).click()
    const panel = page.getByRole('group', { name: 'Appearance' })
    await panel.getByRole('checkbox', { name: 'Shade by density' }).check()
    await panel.getByRole('slider', { name: 'Point size' }).fill('2')
    await panel.getByRole('slider', { name: 'Opacity' }).fill('0.5')
    await page.screenshot({ path: join(pictures(), 'appearance.png') })
    await page.reload()
    await explore(page)
    await page.getByRole('button', { name: 'Appearance' }).click()
    expect(await panel.getByRole('checkbox', { name: 'Shade by density' }).isChecked()).toBe(true)
    expect(await panel.getByRole('slider', { name: 'Point size' }).inputValue()).toBe('2')
    await panel.getByRole('button', { name: 'Reset' }).click()
    expect(await panel.getByRole('slider', { name: 'Opacity' }).inputValue()).toBe('1')
    await opened.close()
    expect(labelsOf(place).get('selection:1')).toBe('the middle of the map')
  })
})
