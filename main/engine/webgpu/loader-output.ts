/** What the process writes to standard error once its device is made. */
export const openedMark = 'spectroscope: WebGPU has its device\n'

const ofLoader =
  /^\s*(?:(?:ERROR|WARN|INFO|DEBUG|PERF|DRIVER|LAYER)\b[ |A-Z]*:|$)|^Warning: maxDynamic\w+ artificially reduced/

/**
 * Standard error of the process: what the Vulkan loader tells until the device is made is kept, and nothing of it passed on; what comes
 * afterwards is passed on but for the loader's lines.
 */
export class LoaderOutput {
  #text = ''
  #rest = ''
  #isOpen = false
  #opened = (): void => {}
  /** All that came before the mark. */
  readonly opened: Promise<string>

  constructor(private readonly passOn: (text: string) => void) {
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
    for (const line of lines) if (!ofLoader.test(line)) this.passOn(`${line}\n`)
  }
}
