import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Browser } from 'playwright-core'
import { describeInBrowser, launchBrowser, makePlace, openServed, openShell, pageErrors } from './harness'
import type { Place } from './harness'

describeInBrowser('a first start', () => {
  let browser: Browser
  let place: Place
  beforeAll(async () => void (browser = await launchBrowser()))
  afterAll(() => browser.close())
  beforeEach(() => void (place = makePlace()))
  afterEach(() => place.remove())

  it('opens an empty workspace with the demonstration ready, through serve', async () => {
    const opened = await openServed(browser, place)
    await opened.page.getByRole('button', { name: /demo/i }).first().waitFor()
    expect(pageErrors.get(opened.page)).toEqual([])
    expect(await opened.close()).toBe(0)
  })

  it('does so through the built shell', async () => {
    const opened = await openShell(place)
    await opened.page.getByRole('button', { name: /demo/i }).first().waitFor()
    expect(pageErrors.get(opened.page)).toEqual([])
    expect(await opened.close()).toBe(0)
  })
})
