import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Workbench } from '../api/workbench'
import { Bridge } from './bridge'
import type { ServeLimits } from './limits'

/** All browsers connected to one workbench. */
export class Bridges {
  readonly #limits: ServeLimits
  readonly #bridges = new Set<Bridge>()
  readonly #timer: NodeJS.Timeout

  constructor(limits: ServeLimits) {
    this.#limits = limits
    const milliseconds = (1000 * Math.min(limits.messageSeconds, limits.silenceSeconds)) / 6
    this.#timer = setInterval(() => this.#bridges.forEach((bridge) => bridge.check()), milliseconds).unref()
  }

  get size(): number {
    return this.#bridges.size
  }

  /** Bytes that the program holds for all windows: sent by them, or not yet read by them. */
  get held(): number {
    return [...this.#bridges].reduce((sum, { held }) => sum + held, 0)
  }

  get #calls(): number {
    return [...this.#bridges].reduce((sum, { calls }) => sum + calls, 0)
  }

  get areFull(): boolean {
    return this.#bridges.size >= this.#limits.windows
  }

  connect(socket: WebSocket, stream: Socket, workbench: Workbench): void {
    const bridge = new Bridge(socket, stream, workbench, this.#limits, {
      changed: () => this.#keepWithin(),
      mayBegin: () => this.#calls < this.#limits.allCalls,
      ended: () => this.#bridges.forEach((each) => each.readOn())
    })
    this.#bridges.add(bridge)
    socket.on('close', () => this.#bridges.delete(bridge))
  }

  #keepWithin(): void {
    let largest: Bridge | undefined
    for (const bridge of this.#bridges) if (largest === undefined || bridge.held > largest.held) largest = bridge
    if (this.held > this.#limits.heldBytes) largest?.end('It used too much memory of the program.')
  }

  close(): void {
    clearInterval(this.#timer)
    for (const bridge of this.#bridges) bridge.end('The program is closing.', 1001)
  }
}
