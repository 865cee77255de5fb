import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { createServer } from 'vite'
import { projectRoot } from '../../main/base/entries'

/** The preview: the window on a synthetic workspace, without a main side. */
export interface Preview {
  /** Opens the window of a size on its list of runs; what goes wrong on the page goes to `errors`. */
  readonly open: (
    browser: Browser,
    viewport: { readonly width: number; readonly height: number },
    query?: string
  ) => Promise<Page>
  readonly errors: string[]
  readonly close: () => Promise<void>
}

/** Serves the preview to one file of tests. */
export const servePreview = async (): Promise<Preview> => {
  const cache = mkdtempSync(join(tmpdir(), 'spectroscope-preview-'))
  const server = await createServer({
    configFile: join(projectRoot, 'test', 'host', 'preview.vite.ts'),
    cacheDir: cache,
    logLevel: 'error',
    server: { host: '127.0.0.1', port: 0 }
  })
  await server.listen()
  const address = server.httpServer?.address()
  if (typeof address !== 'object' || address === null) throw new Error('the preview has no address')
  const errors: string[] = []
  return {
    errors,
    open: async (browser, viewport, query = '') => {
      const page = await browser.newPage({ viewport, reducedMotion: 'reduce' })
      // Only so that a hang ends, as for the tests themselves.
      page.setDefaultTimeout(300_000)
      page.on('pageerror', ({ message }) => errors.push(message))
      await page.goto(`http://127.0.0.1:${address.port}/preview.html?clusters=60&tokens=6000&latency=0${query}`)
      await page.getByRole('row', { name: /^demo/ }).first().waitFor()
      return page
    },
    close: async () => {
      await server.close()
      rmSync(cache, { recursive: true, force: true })
    }
  }
}
