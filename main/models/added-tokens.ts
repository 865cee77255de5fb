interface Node {
  readonly next: Map<number, Node>
  /** Whether an added token ends here. */
  ends: boolean
}

/**
 * Returns a function that splits a text at added tokens, preferring the longest that begins at a position. Items at
 * odd indices are the added tokens. Takes time linear in the text, however many tokens there are.
 */
export const cutterAt = (contents: readonly string[]): ((text: string) => string[]) => {
  if (contents.length === 0) return (text) => [text]
  const root: Node = { next: new Map(), ends: false }
  for (const content of contents) {
    let node = root
    for (let i = 0; i < content.length; i++) {
      const unit = content.charCodeAt(i)
      if (!node.next.has(unit)) node.next.set(unit, { next: new Map(), ends: false })
      node = node.next.get(unit)!
    }
    node.ends = true
  }
  const endOfMatch = (text: string, start: number): number => {
    let end = start
    let node: Node | undefined = root
    for (let at = start; at < text.length && (node = node.next.get(text.charCodeAt(at))) !== undefined; at++)
      if (node.ends) end = at + 1
    return end
  }
  return (text) => {
    const parts: string[] = []
    let begun = 0
    for (let at = 0; at < text.length;) {
      const end = endOfMatch(text, at)
      if (end > at) {
        parts.push(text.slice(begun, at), text.slice(at, end))
        begun = at = end
      } else at++
    }
    parts.push(text.slice(begun))
    return parts
  }
}
