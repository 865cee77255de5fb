import type { MenuItemConstructorOptions } from 'electron'

/**
 * The application menu. Its entries trigger commands of the window, which has their keyboard shortcuts. Only
 * shortcuts that text fields need from the system are registered here.
 */
export const menuTemplate = (
  ask: (command: string) => void,
  platform: NodeJS.Platform
): MenuItemConstructorOptions[] => {
  const item = (label: string, command: string): MenuItemConstructorOptions => ({
    label,
    id: command,
    click: () => ask(command)
  })
  const separator: MenuItemConstructorOptions = { type: 'separator' }
  return [
    ...(platform === 'darwin' ? [{ role: 'appMenu' } as const] : []),
    {
      label: '&File',
      submenu: [
        item('New Run…', 'runs.new'),
        separator,
        item('Import Annotated Cluster Set…', 'imports.open'),
        item('Export…', 'exports.open'),
        item('Back Up Labels', 'labels.back-up'),
        separator,
        item('Settings', 'go.settings'),
        separator,
        platform === 'darwin' ? { role: 'close' } : { role: 'quit' }
      ]
    },
    {
      label: '&Edit',
      submenu: [
        item('Undo', 'edit.undo'),
        item('Redo', 'edit.redo'),
        separator,
        { role: 'cut' },
        { role: 'copy' },
        { role: 'paste' },
        { role: 'selectAll' }
      ]
    },
    {
      label: '&View',
      submenu: [
        item('Runs', 'go.runs'),
        item('Explore', 'go.explore'),
        item('Compare', 'go.compare'),
        separator,
        item('Command Palette', 'palette.open'),
        separator,
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { role: 'togglefullscreen' },
        separator,
        { role: 'toggleDevTools' }
      ]
    },
    { role: 'windowMenu' },
    { label: '&Help', role: 'help', submenu: [item('Keyboard Shortcuts', 'keys.show')] }
  ]
}
