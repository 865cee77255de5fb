import type { BrowserContext, Locator, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { writeSyntheticWorkspace } from '../bench/synthetic-workspace'
import { deskForEach, describeInBrowser, openServed, pageErrors } from './harness'
import { startStudy, writeStudy } from './study'

const button = (within: Page | Locator, name: string | RegExp): Locator =>
  within.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) })
const list = (page: Page): Locator => page.getByRole('listbox', { name: 'Clusters' })
const go = (page: Page, view: string): Promise<void> =>
  page
    .getByRole('navigation')
    .getByRole('button', { name: new RegExp(`^${view}`) })
    .click()

const explore = async (page: Page): Promise<void> => {
  await go(page, 'Explore')
  await list(page).getByRole('option').first().waitFor()
  await page
    .getByRole('grid', { name: /^Contexts of/ })
    .locator('mark')
    .first()
    .waitFor()
}
const name = async (page: Page, words: string): Promise<void> => {
  await page.keyboard.press('n')
  await page.keyboard.type(words)
  await page.keyboard.press('Enter')
}
/** What has the focus: "BODY", or its role and label. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const element = document.activeElement
    return element?.id === 'main' ? 'the view' : (element?.getAttribute('aria-label') ?? element?.tagName ?? '')
  })
/** Place of the current cluster in the list, as it is read to those who do not see it. */
const currentPlace = (page: Page): Promise<string | null> =>
  list(page).locator('[role=option].current').getAttribute('aria-posinset')

describeInBrowser('the window', () => {
  const desk = deskForEach({
    prepare: async (place) => {
      await writeSyntheticWorkspace(place.workspace, { tokens: 2_400, clusters: 60 })
      await writeStudy(place.folder)
      return place
    },
    end: (opened) => opened.close()
  })
  const open = async (context?: BrowserContext): Promise<Page> => {
    desk.opened = await openServed(context ?? desk.browser, desk.place)
    return desk.opened.page
  }

  it('goes back to what is undone, and its messages cover no field of the label', async () => {
    const page = await open()
    await explore(page)
    await page.keyboard.press('Home')
    await name(page, 'a slip')
    await page.keyboard.press('End')
    await page.keyboard.press('Control+z')
    const toast = page.locator('.toast', { hasText: /Undone: .*a slip/ })
    await toast.waitFor()
    await expect.poll(() => currentPlace(page)).toBe('1')
    const label = await page.getByRole('region', { name: 'Label' }).boundingBox()
    const message = await toast.boundingBox()
    expect(message!.x).toBeGreaterThanOrEqual(label!.x + label!.width)
    await page.keyboard.press('End')
    await page.keyboard.press('Control+Shift+z')
    await expect.poll(() => currentPlace(page)).toBe('1')
    expect(pageErrors.get(page)).toEqual([])
  })

  it('has its place in the address: Back, Forward and a reload return to it, with the form as it was', async () => {
    const page = await open()
    await explore(page)
    await page.keyboard.press('End')
    const last = await currentPlace(page)
    await go(page, 'Settings')
    await page.getByRole('heading', { name: 'Settings' }).waitFor()
    await go(page, 'Runs')
    await button(page, 'New run…').click()
    await page.getByLabel('Name', { exact: true }).fill('half a form')
    for (const view of ['Runs', 'Settings']) {
      await page.goBack()
      await page.locator('nav button[aria-current=page]', { hasText: view }).waitFor()
    }
    await page.goBack()
    await expect.poll(() => currentPlace(page)).toBe(last)
    await page.reload()
    await expect.poll(() => currentPlace(page)).toBe(last)
    for (let step = 0; step < 3; step++) await page.goForward()
    await page.getByText('Restored from last time').waitFor()
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('half a form')
    await button(page, 'Clear form').click()
    await page.reload()
    await expect.poll(() => page.getByLabel('Name', { exact: true }).inputValue()).toBe('')
    expect(await page.getByText('Restored from last time').count()).toBe(0)
    expect(pageErrors.get(page)).toEqual([])
  })

  it('explains itself: a tour at the first start, terms where they stand, commands by other words', async () => {
    const page = await open()
    await button(page, 'Take the tour').click()
    const tour = page.getByRole('dialog', { name: /^Tour, step/ })
    const frame = page.locator('.tour-ring')
    for (const [step, title, pointsAt] of [
      [1, 'Runs', page.getByRole('row', { name: /synthetic/ })],
      [2, 'The map', page.getByRole('region', { name: 'Graph' })],
      [3, 'The clusters', list(page)],
      [4, 'The tokens', page.getByRole('region', { name: 'Gallery' })],
      [5, 'Names', page.getByRole('region', { name: 'Label' })]
    ] as const) {
      await tour.getByRole('heading', { name: `${title} ${step} of 5` }).waitFor()
      await pointsAt.waitFor()
      await expect
        .poll(async () =>
          [await frame.boundingBox(), await pointsAt.boundingBox()].map((box) =>
            Math.round((box?.x ?? -1) + (box?.height ?? -1))
          )
        )
        .toSatisfy(([ring, target]: number[]) => Math.abs(ring - target) <= 1)
      const card = (await tour.boundingBox())!
      const { width, height } = page.viewportSize()!
      expect(card.x >= 0 && card.y >= 0 && card.x + card.width <= width && card.y + card.height <= height).toBe(true)
      await page.keyboard.press('Enter')
    }
    await tour.waitFor({ state: 'detached' })
    await go(page, 'Runs')
    await page.getByRole('row', { name: /synthetic/ }).waitFor()
    expect(await button(page, 'Take the tour').count()).toBe(0)

    await explore(page)
    await button(page, 'Explain Lift').click()
    await page.getByText(/How many times as frequent/).waitFor()
    await page.keyboard.press('Escape')
    await page.getByText(/How many times as frequent/).waitFor({ state: 'hidden' })

    await list(page).focus()
    await page.keyboard.press('h')
    const keys = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
    await keys.waitFor()
    await page.keyboard.type('combine')
    await expect.poll(() => keys.locator('dt').allInnerTexts()).toEqual(['Merge clusters'])
    await keys.getByRole('searchbox').fill('ctrl+z')
    await expect.poll(() => keys.locator('dt').allInnerTexts()).toEqual(['Undo'])
    await page.keyboard.press('Escape')
    await keys.waitFor({ state: 'detached' })
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Command' }).fill('glossary')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Terms' }).waitFor()
    expect(pageErrors.get(page)).toEqual([])
  })

  it('takes Home and End in its lists, whatever has the focus', async () => {
    const page = await open()
    await page.getByRole('row', { name: /synthetic/ }).waitFor()
    await startStudy(page, desk.place.folder, 'another', 100)
    await page.keyboard.press('Alt+1')
    await page.getByRole('row', { name: /^another/ }).waitFor()
    await page.keyboard.press('End')
    await page.locator('tr[aria-selected=true]', { hasText: 'synthetic' }).waitFor()
    await page.keyboard.press('Home')
    await page.locator('tr[aria-selected=true]', { hasText: 'another' }).waitFor()
    await explore(page)
    expect(await focused(page)).toBe('the view')
    await page.keyboard.press('End')
    await expect.poll(() => currentPlace(page)).not.toBe('1')
    await page.keyboard.press('Home')
    await expect.poll(() => currentPlace(page)).toBe('1')
  })

  it('never leaves the focus nowhere: after another view, the keys in force, or the list of commands', async () => {
    const page = await open()
    await page.getByRole('row', { name: /synthetic/ }).waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Control+Alt+n')
    await page.getByText('Still needed').waitFor()
    await expect.poll(() => focused(page)).not.toBe('BODY')
    await explore(page)
    for (const leave of ['Escape', 'h']) {
      await list(page).focus()
      await page.keyboard.press('h')
      const keys = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
      await keys.waitFor()
      await page.keyboard.press(leave)
      await keys.waitFor({ state: 'detached' })
      expect(await focused(page)).toBe('Clusters')
    }
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Command' }).fill('keyboard shortcuts')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    await button(page.getByRole('dialog'), 'Close').click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await focused(page)).toBe('Clusters')
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Command' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('combobox', { name: 'Command' }).waitFor({ state: 'detached' })
    expect(await focused(page)).toBe('Clusters')
  })

  it('draws nothing on a graph that was left while it moved, on a slow device', async () => {
    const context = await desk.browser.newContext({ viewport: { width: 1280, height: 800 } })
    // As where a device takes long for a frame; keeps what is still to be drawn, at once or a little later.
    await context.addInitScript(() => {
      const waiting = new Set<number>()
      const [start, stop] = [window.setTimeout.bind(window), window.clearTimeout.bind(window)]
      const later = (work: () => void, milliseconds = 0): number => {
        const timer = start(() => {
          waiting.delete(timer)
          work()
        }, milliseconds)
        if (milliseconds < 1000) waiting.add(timer)
        return timer
      }
      const never = (timer: number | undefined): void => {
        if (timer !== undefined) waiting.delete(timer)
        stop(timer)
      }
      Object.assign(window, {
        waiting,
        setTimeout: later,
        clearTimeout: never,
        cancelAnimationFrame: never,
        requestAnimationFrame: (frame: FrameRequestCallback) => later(() => frame(performance.now()), 90)
      })
    })
    const page = await open(context)
    await page.getByRole('row', { name: /synthetic/ }).waitFor()
    for (let times = 0; times < 3; times++) {
      await explore(page)
      await page.getByRole('toolbar', { name: 'Graph' }).waitFor()
      for (const key of ['Shift+f', 'f', 'Shift+f', 'f']) await page.keyboard.press(key)
      await page.keyboard.press('Escape')
      await page.keyboard.press('Alt+3')
      await page.getByText('Nothing to compare yet').waitFor()
      const isCalm = (): boolean => (window as unknown as { readonly waiting: ReadonlySet<number> }).waiting.size === 0
      await page.waitForFunction(isCalm, undefined, { polling: 100 })
    }
    expect(pageErrors.get(page)).toEqual([])
  })

  it('counts runs at work alone, lets ages go on, and shows what another window makes', async () => {
    const context = await desk.browser.newContext({ viewport: { width: 1280, height: 800 } })
    const other = await open(context)
    await other.getByRole('row', { name: /synthetic/ }).waitFor()
    const badge = (of: Page): Locator => of.getByRole('navigation').locator('.count')
    await other.clock.install()
    // A window that another one opens is let in as that one is.
    const [page] = await Promise.all([
      other.waitForEvent('popup'),
      other.evaluate(() => void window.open(location.href))
    ])
    await startStudy(page, desk.place.folder, 'short')
    await page.getByText('Run finished').waitFor()
    // What the estimate measured is a job that has ended: neither before nor after a reload is it a run at work.
    for (const window of [page, other]) {
      await window.reload()
      await go(window, 'Runs')
      await window.getByRole('row', { name: /^short/ }).waitFor()
      await expect.poll(() => badge(window).count()).toBe(0)
    }
    const age = other.getByRole('row', { name: /^short/ }).locator('td.age')
    await expect.poll(() => age.innerText()).toMatch(/just now|1 min ago/)
    await other.clock.fastForward('10:00')
    await expect.poll(() => age.innerText()).toMatch(/1\d min ago/)

    await explore(other)
    const clusterings = other.getByRole('combobox', { name: 'Clustering' })
    await expect.poll(() => clusterings.locator('option').count()).toBe(1)
    await button(page, /Progress, diagnostics, settings: short/).click()
    await page.getByRole('tab', { name: 'Settings' }).click()
    const again = page.getByRole('region', { name: 'Cluster again' })
    await again.getByLabel('neighbours', { exact: true }).fill('10')
    await button(again, 'Cluster again').click()
    await page.getByRole('tab', { name: 'Progress', selected: true }).waitFor()
    await page.locator('.toast', { hasText: 'Clustering 2 of “short” finished.' }).waitFor()
    await page.getByText('in the latest clustering, 2').waitFor()
    await clusterings.locator('option', { hasText: /^2 · / }).waitFor({ state: 'attached' })
    expect(pageErrors.get(other)).toEqual([])
  })
})
