import { getContext, setContext } from 'svelte'
import { SvelteMap } from 'svelte/reactivity'
import { clusterTarget, leftoverCluster, quoted } from '../../preload/contract'
import type { ClusterNumber, Job, SuggestedName, SuggestedNames } from '../../preload/contract'
import type { Command } from '../app/commands.svelte'
import type { Explore } from './explore.svelte'

/** Names that a model suggested for the clusters of one clustering, and the asking for more. */
export class ModelNames {
  readonly #explore: Explore
  readonly #names = new SvelteMap<ClusterNumber, SuggestedName>()
  /** What is asked at present, from whichever window. */
  job: Job | null = $state.raw(null)
  /** What the dialog shows before it is sent: one cluster, or the text for one as an example of all. */
  asking: { readonly cluster: ClusterNumber; readonly all: boolean } | null = $state.raw(null)

  constructor(explore: Explore) {
    this.#explore = explore
  }

  get isOn(): boolean {
    return this.#explore.workbench.settings?.naming.enabled === true
  }

  /** The name suggested for a cluster; undefined if there is none, or it was dismissed. */
  of(cluster: ClusterNumber): SuggestedName | undefined {
    const name = this.#names.get(cluster)
    return name?.dismissed === true ? undefined : name
  }

  /** Reads the names and follows those that come; returns the end of that. */
  follow(): () => void {
    const { workbench, where } = this.#explore
    const { client } = workbench
    const off = [
      client.on('suggested-names', (told) => this.#take(told)),
      client.on('job', (job) => job.kind === 'names' && this.#takeJob(job))
    ]
    client.names.list(where).then((told) => this.#take(told), workbench.fail)
    client.jobs.list({}).then((jobs) => {
      this.job ??= jobs.find(({ kind, state }) => kind === 'names' && state === 'working') ?? null
    }, workbench.fail)
    return () => off.forEach((remove) => remove())
  }

  #take({ run, clustering, names }: SuggestedNames): void {
    if (run !== this.#explore.run || clustering !== this.#explore.clustering) return
    for (const name of names) this.#names.set(name.cluster, name)
  }

  #takeJob(job: Job): void {
    const { workbench } = this.#explore
    this.job = job.state === 'working' ? job : null
    if (job.state === 'failed') workbench.tell('error', job.error ?? 'The model gave no name.')
  }

  ask(all: boolean): void {
    const cluster = this.#explore.current
    if (cluster !== null && cluster >= 0) this.asking = { cluster, all }
  }

  /** Sends what the dialog showed. */
  async send(): Promise<void> {
    const { asking } = this
    const { workbench, where } = this.#explore
    this.asking = null
    if (asking === null) return
    try {
      this.job = await workbench.client.names.suggest(asking.all ? where : { ...where, cluster: asking.cluster })
    } catch (error) {
      workbench.fail(error)
    }
  }

  /** Makes the suggestion the label of the cluster, or of the merge that it is read in, as one step of undo. */
  async accept(cluster: ClusterNumber): Promise<void> {
    const suggested = this.of(cluster)
    if (suggested === undefined) return
    const { name } = suggested
    const target = this.#explore.merges.get(cluster)?.target ?? clusterTarget(cluster)
    const words = `label ${this.#explore.numberedName(cluster)} ${quoted(name)}`
    try {
      await this.#explore.apply([{ do: 'set', targets: [target], label: { name, status: 'labelled' } }], words)
    } catch (error) {
      this.#explore.workbench.fail(error)
    }
  }

  async dismiss(cluster: ClusterNumber): Promise<void> {
    const { workbench, where } = this.#explore
    await workbench.client.names.dismiss({ ...where, cluster }).catch(workbench.fail)
  }

  get commands(): readonly Command[] {
    const group = 'Labels'
    const current = (): ClusterNumber => this.#explore.current ?? leftoverCluster
    const canAsk = (): boolean => {
      return this.isOn && this.job === null && current() >= 0
    }
    return [
      { id: 'names.suggest', group, label: 'Suggest name by model…', when: canAsk, run: () => this.ask(false) },
      {
        id: 'names.suggest-all',
        group,
        label: 'Suggest names for all clusters…',
        when: canAsk,
        run: () => this.ask(true)
      },
      {
        id: 'names.accept',
        group,
        label: 'Accept name by model',
        when: () => this.of(current()) !== undefined,
        run: () => this.accept(current())
      },
      {
        id: 'names.dismiss',
        group,
        label: 'Dismiss name by model',
        when: () => this.of(current()) !== undefined,
        run: () => this.dismiss(current())
      }
    ]
  }
}

const key = Symbol('model names')
export const provideModelNames = (names: ModelNames): ModelNames => setContext(key, names)
export const useModelNames = (): ModelNames => getContext<ModelNames>(key)
