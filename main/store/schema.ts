/**
 * One step of the schema. Applied once, in its own transaction, in order of `version`. Never changed after release.
 */
export interface Migration {
  readonly version: number
  readonly name: string
  readonly statements: readonly string[]
}

/**
 * Large tables have the run's number as a column and store a run's rows in token order, without an index: DuckDB's
 * block statistics find a run and a range of tokens. χ̂, its standard errors and neighbours are lists, readable by any
 * DuckDB client (`chi[3]`). `whiten` of `neighbours` holds what `neighboursKey` gives. Tables about clusters refer to
 * (run, clustering, cluster), which never change once stored.
 */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    name: 'runs, studies, susceptibilities, clusterings',
    statements: [
      `CREATE TABLE runs (
        number INTEGER PRIMARY KEY, id VARCHAR UNIQUE NOT NULL, name VARCHAR NOT NULL, status VARCHAR NOT NULL,
        stage VARCHAR,
        created_at TIMESTAMP NOT NULL, started_at TIMESTAMP, finished_at TIMESTAMP,
        configuration JSON NOT NULL, base_folder VARCHAR NOT NULL, provenance JSON NOT NULL, error VARCHAR)`,
      'CREATE TABLE stages (run INTEGER NOT NULL, stage VARCHAR NOT NULL, finished_at TIMESTAMP NOT NULL, ' +
        'seconds DOUBLE NOT NULL, details JSON NOT NULL)',
      'CREATE TABLE studies (run INTEGER NOT NULL, hash VARCHAR NOT NULL, tokens INTEGER NOT NULL, probe_rows ' +
        'INTEGER NOT NULL)',
      'CREATE TABLE study_rows (run INTEGER NOT NULL, kind VARCHAR NOT NULL, row_index INTEGER NOT NULL, ' +
        'subset VARCHAR NOT NULL, token_ids INTEGER[] NOT NULL)',
      'CREATE TABLE segments (run INTEGER NOT NULL, row_index INTEGER NOT NULL, start_position INTEGER NOT ' +
        'NULL, document INTEGER NOT NULL, document_offset INTEGER NOT NULL)',
      'CREATE TABLE documents (run INTEGER NOT NULL, document INTEGER NOT NULL, file VARCHAR NOT NULL, record ' +
        'INTEGER NOT NULL, subset VARCHAR NOT NULL)',
      'CREATE TABLE tokens (run INTEGER NOT NULL, token INTEGER NOT NULL, row_index INTEGER NOT NULL, position ' +
        'INTEGER NOT NULL, token_id INTEGER NOT NULL)',
      'CREATE TABLE vocabulary (run INTEGER NOT NULL, token_id INTEGER NOT NULL, text VARCHAR NOT NULL)',
      `CREATE TABLE samplings (run INTEGER NOT NULL, initial_loss DOUBLE NOT NULL, components VARCHAR[] NOT NULL,
        column_means DOUBLE[] NOT NULL, column_deviations DOUBLE[] NOT NULL)`,
      `CREATE TABLE susceptibilities (run INTEGER NOT NULL, token INTEGER NOT NULL, chi FLOAT[] NOT NULL,
        standard_error FLOAT[] NOT NULL)`,
      `CREATE TABLE diagnostics (run INTEGER NOT NULL, ordinal INTEGER NOT NULL, component VARCHAR NOT NULL,
        split_r_hat DOUBLE, learning_coefficient DOUBLE NOT NULL,
        reliability DOUBLE NOT NULL, centred_reliability DOUBLE NOT NULL, mean_distance DOUBLE[] NOT NULL,
        final_distance DOUBLE[] NOT NULL, mean_loss DOUBLE[] NOT NULL,
        first_loss DOUBLE NOT NULL, last_loss DOUBLE NOT NULL, min_loss DOUBLE NOT NULL, max_loss DOUBLE NOT NULL,
        failed_chains JSON NOT NULL)`,
      'CREATE TABLE traces (run INTEGER NOT NULL, component VARCHAR NOT NULL, chain INTEGER NOT NULL, draw ' +
        'INTEGER NOT NULL, loss DOUBLE NOT NULL, distance DOUBLE NOT NULL)',
      `CREATE TABLE neighbours (run INTEGER NOT NULL, whiten INTEGER NOT NULL, token INTEGER NOT NULL,
        nearest INTEGER[] NOT NULL, distances FLOAT[] NOT NULL)`,
      `CREATE TABLE clusterings (run INTEGER NOT NULL, clustering INTEGER NOT NULL, name VARCHAR NOT NULL,
        configuration JSON NOT NULL, seed BIGINT NOT NULL,
        created_at TIMESTAMP NOT NULL, ending VARCHAR NOT NULL, attempts INTEGER NOT NULL, edges BIGINT NOT NULL,
        volume DOUBLE NOT NULL,
        clusters INTEGER NOT NULL, leftover_kind VARCHAR NOT NULL, leftover_size INTEGER NOT NULL)`,
      `CREATE TABLE clusters (run INTEGER NOT NULL, clustering INTEGER NOT NULL, cluster INTEGER NOT NULL,
        seed INTEGER NOT NULL, size INTEGER NOT NULL,
        conductance DOUBLE NOT NULL, conductance_when_cut DOUBLE NOT NULL)`,
      'CREATE TABLE memberships (run INTEGER NOT NULL, clustering INTEGER NOT NULL, cluster INTEGER NOT NULL, ' +
        'token INTEGER NOT NULL)'
    ]
  },
  {
    version: 2,
    name: 'annotations, journal, descriptions, layouts',
    statements: [
      'CREATE TABLE run_marks (run INTEGER NOT NULL, archived BOOLEAN NOT NULL, deleted_at TIMESTAMP)',
      'CREATE TABLE clustering_numbers (run INTEGER NOT NULL, last INTEGER NOT NULL)',
      'INSERT INTO clustering_numbers SELECT run, max(clustering) FROM clusterings GROUP BY run',

      'CREATE TABLE annotations (run INTEGER NOT NULL, clustering INTEGER NOT NULL, target VARCHAR NOT NULL, ' +
        'body JSON NOT NULL)',
      // Refers to the run by id, as the journal file does. A NULL clustering marks a step about the run itself.
      `CREATE TABLE journal (number BIGINT NOT NULL, made_at TIMESTAMP NOT NULL, author VARCHAR NOT NULL,
        words VARCHAR NOT NULL, run VARCHAR NOT NULL,
        clustering INTEGER, changes JSON NOT NULL, undone BOOLEAN NOT NULL)`,
      // Lines of the journal file that this database has applied, and the byte offset of each one's end.
      'CREATE TABLE journal_lines (line BIGINT NOT NULL, ends BIGINT NOT NULL, id VARCHAR, number BIGINT NOT NULL)',
      'CREATE TABLE label_backups (line BIGINT NOT NULL, made_at TIMESTAMP NOT NULL, file VARCHAR NOT NULL)',

      `CREATE TABLE clustering_descriptions (run INTEGER NOT NULL, clustering INTEGER NOT NULL,
        subsets VARCHAR[] NOT NULL, subset_counts INTEGER[] NOT NULL,
        patterns INTEGER[] NOT NULL)`,
      `CREATE TABLE group_descriptions (run INTEGER NOT NULL, clustering INTEGER NOT NULL, cluster INTEGER NOT NULL,
        size INTEGER NOT NULL, distinct_tokens INTEGER NOT NULL,
        x FLOAT NOT NULL, y FLOAT NOT NULL, top_ids INTEGER[] NOT NULL, top_counts INTEGER[] NOT NULL,
        top_lifts FLOAT[] NOT NULL,
        subset_indices INTEGER[] NOT NULL, subset_counts INTEGER[] NOT NULL, patterns INTEGER[] NOT NULL,
        means FLOAT[] NOT NULL, standard_deviations FLOAT[] NOT NULL)`,
      'CREATE TABLE group_edges (run INTEGER NOT NULL, clustering INTEGER NOT NULL, from_cluster INTEGER NOT ' +
        'NULL, to_cluster INTEGER NOT NULL, weight DOUBLE NOT NULL)',
      // Ordered by cluster, then from the centre outwards, so that a gallery page is contiguous.
      `CREATE TABLE member_places (run INTEGER NOT NULL, clustering INTEGER NOT NULL, cluster INTEGER NOT NULL,
        central_place INTEGER NOT NULL, token INTEGER NOT NULL,
        token_id INTEGER NOT NULL, subset INTEGER NOT NULL, toward INTEGER NOT NULL, boundary FLOAT NOT NULL)`,
      'CREATE TABLE layouts (run INTEGER NOT NULL, whiten INTEGER NOT NULL, method VARCHAR NOT NULL)',
      'CREATE TABLE layout_places (run INTEGER NOT NULL, whiten INTEGER NOT NULL, token INTEGER NOT NULL, x ' +
        'FLOAT NOT NULL, y FLOAT NOT NULL)'
    ]
  },
  {
    version: 3,
    name: 'methods of sampling that go in rounds',
    statements: [
      'ALTER TABLE diagnostics ADD COLUMN blocks JSON',
      // All earlier runs were sampled by chains. Their configurations list every setting, whatever the preset.
      `UPDATE runs SET configuration = json_merge_patch(configuration,
        '{"sampler": {"method": "psgld", "preset": "paper"}}')
        WHERE json_extract_string(configuration, '$.sampler.method') IS NULL`
    ]
  },
  {
    version: 4,
    name: 'parts of the draws, trees of clusters, stability, rules',
    statements: [
      // Independent estimates of χ from parts of the draws. χ is their mean.
      'CREATE TABLE parts (run INTEGER NOT NULL, part INTEGER NOT NULL, token INTEGER NOT NULL, chi FLOAT[] ' +
        'NOT NULL)',
      // Groups above the clusters are also rows of `clusters` and `memberships`, numbered from clusterings.clusters.
      'ALTER TABLE clusters ALTER COLUMN seed DROP NOT NULL',
      'ALTER TABLE clusters ALTER COLUMN conductance_when_cut DROP NOT NULL',
      "ALTER TABLE clusters ADD COLUMN kind VARCHAR DEFAULT 'cluster'",
      'ALTER TABLE clusters ADD COLUMN parent INTEGER',
      'ALTER TABLE clusters ADD COLUMN stability DOUBLE',
      'ALTER TABLE memberships ADD COLUMN strength FLOAT',
      'ALTER TABLE clusterings ADD COLUMN groups_above INTEGER DEFAULT 0',
      // Stability, modularity, and the sweep over resolutions.
      'ALTER TABLE clusterings ADD COLUMN structure JSON',
      'ALTER TABLE group_descriptions ADD COLUMN rules JSON',
      'ALTER TABLE group_descriptions ADD COLUMN uncaught INTEGER DEFAULT 0',
      'ALTER TABLE member_places ADD COLUMN strength FLOAT',
      'ALTER TABLE member_places ADD COLUMN caught BOOLEAN DEFAULT true',
      // All earlier clusterings were made by `acl`, without stability.
      `UPDATE clusterings SET configuration = json_merge_patch(configuration, '{"method": "acl", "stability": false}')
        WHERE json_extract_string(configuration, '$.method') IS NULL`,
      `UPDATE runs SET configuration = json_merge_patch(configuration,
        '{"clustering": {"method": "acl", "stability": false}}')
        WHERE json_type(configuration, '$.clustering') = 'OBJECT'
          AND json_extract_string(configuration, '$.clustering.method') IS NULL`
    ]
  }
]

/** Tables with a column `run`, from which a deleted run is removed. */
export const runTables = [
  'stages',
  'studies',
  'study_rows',
  'segments',
  'documents',
  'tokens',
  'vocabulary',
  'samplings',
  'susceptibilities',
  'parts',
  'diagnostics',
  'traces',
  'neighbours',
  'clusterings',
  'clusters',
  'memberships',
  'run_marks',
  'clustering_numbers',
  'annotations',
  'clustering_descriptions',
  'group_descriptions',
  'group_edges',
  'member_places',
  'layouts',
  'layout_places'
] as const

/** Tables with columns `run` and `clustering`, from which a deleted clustering is removed. */
export const clusteringTables = [
  'clusterings',
  'clusters',
  'memberships',
  'annotations',
  'clustering_descriptions',
  'group_descriptions',
  'group_edges',
  'member_places'
] as const
