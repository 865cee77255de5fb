import type { Server } from 'node:http'
import { z } from 'zod'
import { messageOf } from '../../preload/errors'
import type { SettingsFile } from '../api/context'
import { entriesOf, keepEntries } from '../api/settings'
import { complain } from '../base/printed'
import { listen } from './listening'

const portsSchema = z.record(z.string(), z.int().min(1).max(65_535)).catch({})

/**
 * Remembers each workspace's port in the file of views. The same address gives a browser access to its unsent labels
 * again.
 */
export class PortMemory {
  constructor(private readonly views: SettingsFile) {}

  get #ports(): Readonly<Record<string, number>> {
    return portsSchema.parse(entriesOf(this.views)['ports'])
  }

  get(workspace: string): number | undefined {
    return this.#ports[workspace]
  }

  keep(workspace: string, port: number): void {
    if (this.#ports[workspace] === port) return
    try {
      keepEntries(this.views, 'The views file', { ports: { ...this.#ports, [workspace]: port } })
    } catch (error) {
      complain(messageOf(error))
    }
  }
}

export interface Bound {
  readonly port: number
  /** Notes for the user if the port differs from last time. */
  readonly notes: readonly string[]
}

const elsewhere = (before: number): string =>
  [
    `This workspace was last served at port ${before}. If a window at that address has unsent labels,`,
    'save them there as a file and open that file in this window.'
  ].join(' ')

/** Listens on the requested port, or else the port used last time, or else a free one. */
export const bindPort = async (
  server: Server,
  host: string,
  asked: number | undefined,
  before: number | undefined
): Promise<Bound> => {
  if (asked !== undefined || before === undefined) {
    const port = await listen(server, host, asked ?? 0)
    return { port, notes: before === undefined || before === port ? [] : [elsewhere(before)] }
  }
  try {
    return { port: await listen(server, host, before), notes: [] }
  } catch {
    return { port: await listen(server, host, 0), notes: [elsewhere(before)] }
  }
}
