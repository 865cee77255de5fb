import { z } from 'zod'
import { join } from 'node:path'
import { suggestedNameSchema } from '../../preload/contract-naming'
import type { SuggestedName } from '../../preload/contract-naming'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import type { ClusterNumber } from '../../preload/records'
import { faultCode } from '../base/faults'
import { writeFileAtomically } from '../base/files'
import { makePlainFolder, openPlain } from '../base/plain-files'

const version = 1
const fileSchema = z.strictObject({
  version: z.literal(version),
  names: z.array(suggestedNameSchema).max(limits.groups)
})

const mostBytes = 256 * 2 ** 20

const contentOf = async (path: string): Promise<string | undefined> => {
  const handle = await openPlain(path).catch((error: unknown) => {
    if (faultCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return undefined
  try {
    return (await handle.stat()).size > mostBytes ? '' : await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

const namesIn = (content: string): readonly SuggestedName[] | undefined => {
  try {
    return fileSchema.safeParse(JSON.parse(content)).data?.names
  } catch {
    return undefined
  }
}

/** The latest change of each file: changes of one file wait for one another. */
const turns = new Map<string, Promise<unknown>>()

/** The names that models suggested for one clustering, in a file of the run's folder of names. */
export class KeptNames {
  readonly #path: string
  readonly #folder: string

  constructor(folder: string, clustering: number) {
    this.#folder = folder
    this.#path = join(folder, `${clustering}.json`)
  }

  /** By cluster, ascending. Throws an `input` error for a file that this program did not write. */
  async read(): Promise<readonly SuggestedName[]> {
    const content = await contentOf(this.#path)
    if (content === undefined) return []
    const names = namesIn(content)
    if (names !== undefined) return names
    const what = `${this.#path} does not hold suggested names as this program writes them`
    throw new SpectroscopeError('input', `${what}; move it away to have names suggested again.`)
  }

  /** Adds a name, in place of an earlier one of its cluster; gives all. */
  keep(name: SuggestedName): Promise<readonly SuggestedName[]> {
    return this.#change((names) => [...names.filter(({ cluster }) => cluster !== name.cluster), name])
  }

  /** Marks the name of a cluster as dismissed; gives all. */
  dismiss(cluster: ClusterNumber): Promise<readonly SuggestedName[]> {
    return this.#change((names) => names.map((one) => (one.cluster === cluster ? { ...one, dismissed: true } : one)))
  }

  /** Changes the file once earlier changes of it in this process are done. */
  #change(change: (names: readonly SuggestedName[]) => SuggestedName[]): Promise<readonly SuggestedName[]> {
    const changed = (turns.get(this.#path) ?? Promise.resolve()).then(async () => {
      const names = change(await this.read()).sort((a, b) => a.cluster - b.cluster)
      await makePlainFolder(this.#folder)
      await writeFileAtomically(this.#path, `${JSON.stringify({ version, names })}\n`)
      return names
    })
    turns.set(
      this.#path,
      changed.catch(() => undefined)
    )
    return changed
  }
}
