import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Workbench } from '../api/workbench'
import { Bridge } from './bridge'
import type { ServeLimits } from './limits'

/** All browsers at one workbench. */
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

  get areFull(): boolean {
    return this.#bridges.size >= this.#limits.windows
  }

  connect(socket: WebSocket, stream: Socket, workbench: Workbench): void {
    const bridge = new Bridge(socket, stream, workbench, this.#limits, () => this.#keepWithin())
    this.#bridges.add(bridge)
    socket.on('close', () => this.#bridges.delete(bridge))
  }

  #keepWithin(): void {
    let sum = 0
    let largest: Bridge | undefined
    for (const bridge of this.#bridges) {
      const { held } = bridge
      sum += held
      if (largest === undefined || held > largest.held) largest = bridge
    }
    if (sum > this.#limits.heldBytes) largest?.end('It held too much of the program’s memory.')
  }

  close(): void {
    clearInterval(this.#timer)
    for (const bridge of this.#bridges) bridge.end('The program is closing.', 1001)
  }
}
