import type { Attachment } from 'svelte/attachments'

/** Elements focused before each open dialog. */
const openers = new WeakMap<Element, HTMLElement>()

/** The focused element, then the one focused before its dialog opened, and so on. */
const chainFrom = (element: Element | null): HTMLElement[] => {
  const chain: HTMLElement[] = []
  for (let next: Element | null | undefined = element; next instanceof HTMLElement && next !== document.body;) {
    chain.push(next)
    const dialog: Element | null = next.closest('dialog')
    next = dialog === null ? null : openers.get(dialog)
  }
  return chain
}

/** Focuses the view if nothing has the focus, so that its keys and Tab work. */
export const focusView = (): void => {
  const { activeElement, body } = document
  if (activeElement === null || activeElement === body) document.getElementById('main')?.focus({ preventScroll: true })
}

/**
 * Opens a dialog over the window, and gives the focus back once it has gone: to what had it, or where that is gone
 * too, as with the list of commands, to what had it before that; else to the view.
 */
export const modal: Attachment<HTMLDialogElement> = (dialog) => {
  const chain = chainFrom(document.activeElement)
  const [opener] = chain
  if (opener !== undefined) openers.set(dialog, opener)
  dialog.showModal()
  return () => {
    // Browsers restore the focus only when a dialog is closed, not when it is removed.
    dialog.close()
    const { activeElement, body } = document
    const isLost = activeElement === null || activeElement === body || dialog.contains(activeElement)
    if (isLost) chain.find(({ isConnected }) => isConnected)?.focus()
    focusView()
  }
}
