// npm run example: runs the demonstration and puts its database into resources/demo/, from which `Open example`
// copies the run.
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureInstalled, root, run } from './ensure.mjs'

checkNode()
ensureInstalled()
ensureBuilt()
const { DuckDBInstance } = await import('@duckdb/node-api')
const workspace = mkdtempSync(join(tmpdir(), 'spectroscope-example-'))
const target = join(root, 'resources', 'demo', 'example.duckdb')
const made = join(workspace, 'example.duckdb')
try {
  const status = run([process.execPath, join('out', 'main', 'cli.js'), 'demo', '--workspace', workspace])
  if (status !== 0) process.exit(status)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`ATTACH '${join(workspace, 'workspace.duckdb')}' AS whole`)
  // Remove traces of this machine. The folder is set when the run is copied, and saved sums are not shipped.
  await connection.run(
    `UPDATE whole.runs SET base_folder = '', name = 'example', provenance = json_merge_patch(provenance, ` +
      `'{"keptSums": null, "platform": null, "engine": {"device": "CPU"}}')`
  )
  await connection.run(
    `UPDATE whole.stages SET details = json_merge_patch(details, '{"engine": {"device": "CPU"}}') WHERE ` +
      `json_extract(details, '$.engine') IS NOT NULL`
  )
  await connection.run(`ATTACH '${made}' AS example`)
  await connection.run('COPY FROM DATABASE whole TO example')
  await connection.run('CHECKPOINT example')
  connection.closeSync()
  instance.closeSync()
  copyFileSync(made, target)
  console.log(`${target}: ${(statSync(target).size / 1e6).toFixed(1)} MB`)
} finally {
  rmSync(workspace, { recursive: true, force: true })
}
