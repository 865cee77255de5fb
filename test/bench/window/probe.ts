/** Milliseconds of one thing that was waited for, by the page's own clock. */
export interface Waited {
  readonly milliseconds: number
}

/** Milliseconds from one frame to the next. */
export type Frames = readonly number[]

/** What a page tells of itself, in `window.probe`. */
export interface Probe {
  /**
   * From the next key or change of a field until the gallery shows the rows of the cluster that the list has as its
   * current one, which is another then.
   */
  untilSwitched(): Promise<Waited>
  /** From the next input into a field until the list has been searched. */
  untilSearched(): Promise<Waited>
  /** From the next change of the colouring until all points are drawn in other colours, by the device too. */
  untilColoured(points: number): Promise<Waited>
  /**
   * Until as many points are drawn at once, by the device too: the page's clock then, and how long the device took.
   */
  untilDrawn(points: number): Promise<{ readonly at: number; readonly device: number }>
  /** The page's clock once an element that fits is there and has been painted. */
  untilShown(selector: string): Promise<number>
  /** Records frames until `frames` is called. */
  record(): void
  frames(): Frames
}

declare global {
  interface Window {
    probe: Probe
    /** What was begun before something is done, and is awaited after it. */
    awaited: Promise<unknown>
  }
}

/** Goes into a page before its own scripts; must stand by itself. */
export const installProbe = (): void => {
  const drawn = new Set<(points: number, gl: WebGL2RenderingContext) => void>()
  let colours = 0
  const after = (
    method: 'drawArrays' | 'bufferData',
    tell: (gl: WebGL2RenderingContext, parameters: readonly unknown[]) => void
  ): void => {
    const original = Reflect.get(WebGL2RenderingContext.prototype, method) as (...parameters: unknown[]) => void
    Reflect.set(
      WebGL2RenderingContext.prototype,
      method,
      function (this: WebGL2RenderingContext, ...parameters: unknown[]) {
        original.apply(this, parameters)
        tell(this, parameters)
      }
    )
  }
  after('drawArrays', (gl, parameters) => {
    for (const told of [...drawn]) told(Number(parameters[2]), gl)
  })
  after('bufferData', (_, parameters) => {
    if (parameters[1] instanceof Uint8Array) colours++
  })

  const painted = (): Promise<number> =>
    new Promise((resolve) =>
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = () => resolve(performance.now())
        port2.postMessage(null)
      })
    )
  const until = (holds: () => boolean, what: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        observer.disconnect()
        reject(new Error(`${what} did not come in 30 s`))
      }, 30_000)
      const look = (): void => {
        if (!holds()) return
        clearTimeout(timer)
        observer.disconnect()
        resolve(painted())
      }
      const observer = new MutationObserver(look)
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
      look()
    })
  const event = (name: string): Promise<number> =>
    new Promise((resolve) =>
      addEventListener(name, ({ timeStamp }) => resolve(timeStamp), { capture: true, once: true })
    )
  /** Reads a pixel back, which waits for all that the device has to do. */
  const finished = (gl: WebGL2RenderingContext): number => {
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4))
    return performance.now()
  }
  const nextDrawn = (points: number, fits: () => boolean): Promise<{ at: number; device: number }> =>
    new Promise((resolve) => {
      const told = (count: number, gl: WebGL2RenderingContext): void => {
        if (count < points || !fits()) return
        drawn.delete(told)
        const sent = performance.now()
        const at = finished(gl)
        resolve({ at, device: at - sent })
      }
      drawn.add(told)
    })

  const list = (): Element | null => document.querySelector('[role=listbox][aria-label=Clusters]')
  const current = (): Element | null | undefined => list()?.querySelector('.row.current')
  /** Whether the contexts are those of a row of the list, by its name. */
  const shows = (row: Element): boolean => {
    const label = document.querySelector('[data-contexts="0"]')?.getAttribute('aria-label') ?? ''
    return (
      label.startsWith('Contexts of ') &&
      row.textContent.startsWith(`${label.slice('Contexts of '.length)},`) &&
      document.querySelector('[id^="contexts-0-"]') !== null
    )
  }
  let frames: number[] = []
  let recording = false

  window.probe = {
    untilSwitched: async () => {
      const before = current()?.id
      const start = event('keydown')
      const shown = until(() => {
        const now = current()
        return now !== null && now !== undefined && now.id !== before && shows(now)
      }, 'another cluster')
      return { milliseconds: -(await start) + (await shown) }
    },
    untilSearched: async () => {
      const start = event('input')
      const began = await start
      const end = await until(() => list()?.getAttribute('aria-busy') !== 'true', 'the answer of a search')
      return { milliseconds: end - began }
    },
    untilColoured: async (points) => {
      const before = colours
      const ends = nextDrawn(points, () => colours > before)
      return { milliseconds: -(await event('change')) + (await ends).at }
    },
    untilDrawn: (points) => nextDrawn(points, () => true),
    untilShown: (selector) => until(() => document.querySelector(selector) !== null, selector),
    record: () => {
      frames = []
      recording = true
      let last = performance.now()
      const next = (): void => {
        if (!recording) return
        const now = performance.now()
        frames.push(now - last)
        last = now
        requestAnimationFrame(next)
      }
      requestAnimationFrame(next)
    },
    frames: () => {
      recording = false
      return frames
    }
  }
}
