export const openedMark = 'spectroscope: opened\n'

/** Signals on standard error that the device was opened, or that opening failed. */
export const markOpened = (): void => void process.stderr.write(openedMark)

/**
 * Standard error of a process whose library reports its device there. Output before the mark is kept and not passed
 * on; later output is passed on, except lines that match `chatter`.
 */
export class StartupOutput {
  #text = ''
  #rest = ''
  #isOpen = false
  #opened = (): void => {}
  /** All output before the mark. */
  readonly opened: Promise<string>

  constructor(
    private readonly chatter: RegExp,
    private readonly passOn: (text: string) => void
  ) {
    this.opened = new Promise((resolve) => {
      this.#opened = () => resolve(this.#text)
    })
  }

  /** All output so far, for a process that never writes the mark. */
  get text(): string {
    return this.#text
  }

  take(text: string): void {
    if (this.#isOpen) return this.#pass(text)
    this.#text += text
    const end = this.#text.indexOf(openedMark)
    if (end < 0) return
    const after = this.#text.slice(end + openedMark.length)
    this.#text = this.#text.slice(0, end)
    this.#isOpen = true
    this.#opened()
    this.#pass(after)
  }

  #pass(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) if (!this.chatter.test(line)) this.passOn(`${line}\n`)
  }
}
