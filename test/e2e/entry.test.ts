import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { linkTo } from '../../main/serve/kept-keys'
import { childrenOf, deskForEach, describeInBrowser, openServed } from './harness'
import type { Opened } from './harness'

describeInBrowser('who is let in to a served window', () => {
  const desk = deskForEach({ end: (opened) => opened.close() })

  const open = async (...args: string[]): Promise<Opened> => {
    desk.opened = await openServed(desk.browser, desk.place, ...args)
    await isIn(desk.opened.page)
    return desk.opened
  }
  const isIn = (page: Page): Promise<void> =>
    page
      .getByRole('button', { name: /^Open example/ })
      .first()
      .waitFor()
  const keys = (): string => join(desk.place.folder, 'settings', 'serve')
  const newLink = (): string => linkTo(desk.place.workspace, keys()).address
  const killed = async ({ process: child }: Opened): Promise<void> => {
    const stores = childrenOf(child, 'store')
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    for (const pid of stores) process.kill(pid, 'SIGKILL')
  }

  it('is a tab with a link that nobody used, its reload and its duplicate', async () => {
    const { page } = await open()
    expect(new URL(page.url()).hash).toBe('')
    await page.reload()
    await isIn(page)
    const [duplicate] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate(() => void window.open(location.href))
    ])
    await isIn(duplicate)

    const other = await page.context().newPage()
    await other.goto(new URL('#/settings', page.url()).href)
    await other.getByRole('alert').filter({ hasText: 'This tab needs a link' }).waitFor()
    await other.getByText('spectroscope serve --link').waitFor()
    const link = newLink()
    await other.goto(link)
    await other.locator('nav button[aria-current=page]', { hasText: 'Settings' }).waitFor()
    const third = await page.context().newPage()
    await third.goto(link)
    await third.getByRole('alert').filter({ hasText: 'This link was already used' }).waitFor()
    expect(await page.context().cookies()).toEqual([])
  })

  it('is no page of another port of this machine', async () => {
    const { page } = await open()
    const { origin, host } = new URL(page.url())
    const received: (string | undefined)[] = []
    const evil = createServer(({ headers }, response) => {
      received.push(headers.cookie)
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>another</title>')
    }).listen(0, '127.0.0.1')
    await once(evil, 'listening')
    const other = await page.context().newPage()
    await other.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`)
    const tried = await other.evaluate(
      async ([at, socketHost]) => {
        const asked = (path: string, init: RequestInit): Promise<string> =>
          fetch(at + path, { credentials: 'include', ...init }).then(
            () => 'answered',
            () => 'refused'
          )
        const socket = new WebSocket(`ws://${socketHost}/bridge`, ['spectroscope', '0.0'])
        const connected = new Promise<string>((done) => {
          socket.onopen = () => done('open')
          socket.onerror = () => done('refused')
        })
        return [
          await asked('/enter', { method: 'POST', headers: { 'Spectroscope-Link': 'x' } }),
          await asked(`/challenge?nonce=${'0'.repeat(32)}`, {}),
          await asked('/files/x', {}),
          await connected,
          String(sessionStorage.getItem('spectroscope.secret'))
        ]
      },
      [origin, host]
    )
    evil.close()
    expect(tried).toEqual(['refused', 'refused', 'refused', 'refused', 'null'])
    expect(received[0]).toBeUndefined()
  })

  it('is a window whose server came back, and none where its keys are gone, until it has a link', async () => {
    const first = await open()
    const { page } = first
    const { port } = new URL(page.url())
    const lost = page.getByRole('alert').filter({ hasText: 'Connection to the program lost' })
    await killed(first)
    await lost.waitFor()
    const second = await openServed(page.context(), desk.place, '--port', port)
    await lost.waitFor({ state: 'detached' })
    await isIn(page)

    await killed(second)
    await lost.waitFor()
    rmSync(keys(), { recursive: true })
    desk.opened = await openServed(page.context(), desk.place, '--port', port)
    await page.getByRole('alert').filter({ hasText: 'does not recognise this window' }).waitFor()
    await page.goto(newLink())
    await isIn(page)
    expect(await desk.opened.close()).toBe(0)
  })
})
