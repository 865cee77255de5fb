import { contextBridge, ipcRenderer, webUtils } from 'electron'
import type { Bridge, CallAnswer } from './contract'

/** The only access of the window to the shell. Messages are checked on the main side. */
const bridge: Bridge = {
  shell: 'electron',
  call: (method, parameters) => ipcRenderer.invoke('call', method, parameters) as Promise<CallAnswer>,
  onNotice: (listener) => {
    const relay = (_event: unknown, name: string, data: unknown): void => listener(name, data)
    ipcRenderer.on('notice', relay)
    return () => void ipcRenderer.off('notice', relay)
  },
  pathOf: (file) => webUtils.getPathForFile(file) || null,
  answerClosing: (answer) => ipcRenderer.send('closing', answer),
  onConnection: () => () => undefined
}

contextBridge.exposeInMainWorld('spectroscope', bridge)
