import { BrowserWindow } from 'electron'
import type { OpenPage } from './computing'

/** Opens a page in a hidden window, which reaches nothing but where the page is from. */
export const openHiddenWindow: OpenPage = (address, ended) => {
  const window = new BrowserWindow({
    show: false,
    title: 'Spectroscope computing',
    webPreferences: {
      partition: 'computing',
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
      backgroundThrottling: false
    }
  })
  const { host } = new URL(address)
  const { session } = window.webContents
  session.setPermissionRequestHandler((_, __, answer) => answer(false))
  session.setPermissionCheckHandler(() => false)
  session.webRequest.onBeforeRequest(({ url }, answer) =>
    answer({ cancel: !/^(http|ws):/.test(url) || new URL(url).host !== host })
  )
  window.webContents.once('render-process-gone', (_, { reason }) => ended(`its page closed: ${reason}`))
  window.once('closed', () => ended('it was closed'))
  window.loadURL(address).catch(() => ended('its page cannot be loaded'))
  return () => {
    if (!window.isDestroyed()) window.destroy()
  }
}
