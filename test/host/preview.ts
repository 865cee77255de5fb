import { fakeBridge } from './fake-bridge'

/**
 * The window on a synthetic workspace:
 * `preview.html?clusters=300&tokens=60000&components=32&latency=20&fail=clusters.details,tokens.edges`.
 */
const page = globalThis as unknown as { readonly location: { readonly search: string }; spectroscope?: unknown }
const asked = new URLSearchParams(page.location.search)
const number = (key: string, fallback: number): number => Number(asked.get(key) ?? fallback)

page.spectroscope = fakeBridge({
  clusters: number('clusters', 300),
  tokens: number('tokens', 60_000),
  components: number('components', 32),
  latency: number('latency', 20),
  fail: (asked.get('fail') ?? '').split(',').filter((name) => name !== ''),
  slowLayout: asked.has('slow-layout'),
  empty: asked.has('empty'),
  theme: asked.get('theme') === 'dark' ? 'dark' : asked.get('theme') === 'light' ? 'light' : 'system'
})
