import type { Page } from 'playwright-core'

/**
 * What a person cannot see or reach at the window's present size, a line each: text or controls that a container cuts
 * off, that lie outside the window where nothing scrolls, or that have no width. Text may end in an ellipsis.
 */
export const unreachable = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const slack = 1.5
    const controls = 'button, input, select, textarea, summary, a[href], [role="tab"], [role="option"]'
    const found = new Set<string>()
    const nameOf = (element: Element): string => {
      const classes = typeof element.className === 'string' ? element.className.replace(/ ?svelte-\w+/g, '').trim() : ''
      const words = element.getAttribute('aria-label') ?? element.textContent.trim()
      return `<${element.tagName.toLowerCase()}${classes === '' ? '' : ` class="${classes}"`}> ${words.slice(0, 50)}`
    }
    const isShown = (element: Element): boolean =>
      element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) &&
      element.closest('.unseen-by-eye, .skip, svg, option, [inert]') === null &&
      // Text of a corpus is cut where its room ends.
      element.closest('.before, .after, .context, .chips') === null
    // Text may be cut off at its height: rows of a preview show a first line, and glyphs are higher than some lines.
    /** Why a box in `element` cannot be seen whole, whatever is scrolled; undefined where it can. */
    const obstacle = (element: Element, box: DOMRect, isControl: boolean): string | undefined => {
      let { left, right, top, bottom } = box
      const isFixed = (each: Element): boolean => getComputedStyle(each).position === 'fixed'
      for (let at: Element | null = element; at !== null && at !== document.documentElement; at = at.parentElement) {
        const { overflowX, overflowY, textOverflow, position, display } = getComputedStyle(at)
        const outer = at.getBoundingClientRect()
        const scrolls = (overflow: string): boolean => overflow === 'auto' || overflow === 'scroll'
        const cuts = (overflow: string): boolean => overflow === 'hidden' || overflow === 'clip'
        const shortens = cuts(overflowX) && textOverflow === 'ellipsis' && outer.width >= 16
        if (display !== 'inline') {
          if (scrolls(overflowX) || shortens) [left, right] = [outer.left, outer.right]
          else if (cuts(overflowX) && (left < outer.left - slack || right > outer.right + slack))
            return `cut off from side to side by ${nameOf(at)}`
          if (scrolls(overflowY)) [top, bottom] = [outer.top, outer.bottom]
          else if (isControl && cuts(overflowY) && (top < outer.top - slack || bottom > outer.bottom + slack))
            return `cut off at its height by ${nameOf(at)}`
        }
        if (position === 'fixed' || isFixed(at)) break
      }
      if (left < -slack || right > innerWidth + slack) return 'outside the window from side to side'
      if (top < -slack || bottom > innerHeight + slack) return 'above or below the window'
      return undefined
    }
    const complain = (element: Element, why: string | undefined): void => {
      if (why !== undefined) found.add(`${nameOf(element)}: ${why}`)
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement
      if (element === null || node.textContent!.trim() === '' || !isShown(element)) continue
      const range = document.createRange()
      range.selectNodeContents(node)
      for (const box of range.getClientRects()) if (box.width > 0) complain(element, obstacle(element, box, false))
      let block: Element = element
      while (getComputedStyle(block).display === 'inline' && block.parentElement !== null) block = block.parentElement
      const { overflowX } = getComputedStyle(block)
      const [inner, outer] = [range.getBoundingClientRect(), block.getBoundingClientRect()]
      if (overflowX === 'visible' && (inner.right > outer.right + slack || inner.left < outer.left - slack))
        complain(block, 'its text sticks out at the side')
    }
    for (const element of document.querySelectorAll(controls)) {
      if (!isShown(element)) continue
      const box = element.getBoundingClientRect()
      if (box.width < 6 || box.height < 6) complain(element, `only ${box.width} × ${box.height}`)
      else complain(element, obstacle(element, box, true))
    }
    for (const cell of document.querySelectorAll('th, td, [role="cell"], [role="columnheader"]')) {
      if (isShown(cell) && cell.getBoundingClientRect().width < 8) complain(cell, 'a column without width')
    }
    return [...found]
  })
