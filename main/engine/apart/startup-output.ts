export const openedMark = 'spectroscope: opened\n'

/** Tells the parent by standard error that the device is made, or can't be. */
export const markOpened = (): void => void process.stderr.write(openedMark)

/**
 * Standard error of a process whose library tells there which device it makes: what comes until then is kept, and
 * nothing of it passed on; what comes afterwards is passed on but for chatter.
 */
export class StartupOutput {
  #text = ''
  #rest = ''
  #isOpen = false
  #opened = (): void => {}
  /** All that came before the mark. */
  readonly opened: Promise<string>

  constructor(
    private readonly chatter: RegExp,
    private readonly passOn: (text: string) => void
  ) {
    this.opened = new Promise((resolve) => {
      this.#opened = () => resolve(this.#text)
    })
  }

  /** All that came so far, for where the mark does not come. */
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
