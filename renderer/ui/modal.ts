import type { Attachment } from 'svelte/attachments'

/** What had the focus before each dialog that is open. */
const openers = new WeakMap<Element, HTMLElement>()

/** An element that has the focus, then what had it before the dialog that it is in, and so on. */
const chainFrom = (element: Element | null): HTMLElement[] => {
  const chain: HTMLElement[] = []
  for (let next: Element | null | undefined = element; next instanceof HTMLElement && next !== document.body;) {
    chain.push(next)
    const dialog: Element | null = next.closest('dialog')
    next = dialog === null ? null : openers.get(dialog)
  }
  return chain
}

/** Gives the focus to the view where nothing has it, so that its keys, and Tab, go on from there. */
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
    // The browser gives no focus back for a dialog that leaves the page open.
    dialog.close()
    const { activeElement, body } = document
    const isLost = activeElement === null || activeElement === body || dialog.contains(activeElement)
    if (isLost) chain.find(({ isConnected }) => isConnected)?.focus()
    focusView()
  }
}
