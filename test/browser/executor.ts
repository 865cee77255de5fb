import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { messageOf } from '../../preload/errors'
import { projectRoot } from '../../main/base/entries'
import type { ProcessExecutor } from '../../main/engine/apart/client'
import { openWebGpuWindow } from '../../main/engine/wgsl/client'
import { type Computing, serveComputing } from '../../main/index/computing'
import { findChromium } from '../../tools/ensure.mjs'

/** Pages of a Chromium in the place of the shell's hidden windows. */
export interface ComputingBrowser extends Pick<Computing, 'address'> {
  readonly browser: Browser
  /** The pages that compute now. */
  readonly pages: ReadonlySet<Page>
  readonly close: () => Promise<void>
}

/** Opens pages that compute by WebGPU on SwiftShader. Rejects where there is no Chromium, or the page is not built. */
export const openComputingBrowser = async (): Promise<ComputingBrowser> => {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('there is no Chromium here')
  if (!existsSync(join(projectRoot, 'out', 'renderer', 'computing.html')))
    throw new Error('the page that computes is not built')
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']
  })
  const pages = new Set<Page>()
  const { address, close } = await serveComputing((given, ended) => {
    const opening = browser.newPage().then(async (page) => {
      pages.add(page)
      page.once('close', () => pages.delete(page))
      page.once('crash', () => ended('its page closed: crashed'))
      await page.goto(given)
      return page
    })
    opening.catch((error: unknown) => ended(messageOf(error)))
    return () => void opening.then((page) => page.close()).catch(() => {})
  })
  return {
    address,
    browser,
    pages,
    close: async () => {
      close()
      await browser.close()
    }
  }
}

export interface PageExecutor {
  readonly executor: ProcessExecutor
  readonly close: () => Promise<void>
}

/** An executor whose work such a page does. */
export const openPageExecutor = async (): Promise<PageExecutor> => {
  const { address, close } = await openComputingBrowser()
  try {
    return { executor: await openWebGpuWindow('software', address), close }
  } catch (error) {
    await close()
    throw error
  }
}
