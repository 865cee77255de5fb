// Files that still exceed a lint cap. Never add any: split a file or break its lines, then remove it here.

/** Files above 400 lines; tests above 600. */
export const longFiles = [
  'main/cli.ts',
  'test/bench/reliability.ts',
  'test/host/fake-bridge.ts',
  'test/unit/clustering.test.ts',
  'test/unit/exchange-annotated.test.ts',
  'test/unit/exchange.test.ts',
  'test/unit/sampling.test.ts'
]

/** Files with lines above 120 columns. */
export const longLines = [
  'main/pipeline/fitting-threads.ts',
  'main/pipeline/shard-plan.ts',
  'main/pipeline/signal-preview.ts',
  'main/store/annotations.ts',
  'main/store/backups.ts',
  'main/store/clusters.ts',
  'main/store/database.ts',
  'main/store/overview.ts',
  'main/store/runs.ts',
  'main/store/schema.ts',
  'main/store/searches.ts',
  'main/store/tables.ts',
  'renderer/graph/Find.svelte',
  'renderer/graph/GraphFooter.svelte',
  'renderer/graph/svg.ts',
  'test/bench/growth.ts',
  'test/bench/log-plot.ts',
  'test/bench/precisions.ts',
  'test/bench/speed.ts',
  'test/crash/command.ts',
  'test/crash/sampling-child.ts',
  'test/host/electron.ts',
  'test/host/synthetic-texts.ts',
  'test/nuget-feed.ts',
  'test/shared.ts',
  'test/unit/store-failures.test.ts',
  'tools/reference.ts'
]
