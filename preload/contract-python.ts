import type { ClusterExportFormat } from './calls-exchange'

/** What Python can load: exports, and a workspace's database. */
export type PythonSource = Exclude<ClusterExportFormat, 'html' | 'site'> | 'workspace'

/** A Python string of any text. */
const quoted = (text: string): string =>
  JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** As `quoted`, with characters beyond the basic plane in one escape: Python does not join two. */
const literal = (text: string): string =>
  Array.from(text, (character) => {
    const code = character.codePointAt(0)!
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : quoted(character).slice(1, -1)
  }).join('')

const path = (text: string): string => `"${literal(text)}"`

/** The apostrophe that stops spreadsheets from computing text, taken off again. */
const csvText = [
  'def text(column):  # without the apostrophe that keeps spreadsheets from computing text',
  `    return column.str.replace(r"^'('*[=+\\-@\\t\\r])", r"\\1", regex=True)`
]

type Lines = (place: string, run: string, clustering: number) => readonly string[]

const linesOf: Readonly<Record<PythonSource, Lines>> = {
  workspace: (place, run, clustering) => [
    'import duckdb, numpy as np  # pip install duckdb numpy pandas',
    '',
    `db = duckdb.connect(${path(place)}, read_only=True)  # close Spectroscope first`,
    `run = db.execute("SELECT number FROM runs WHERE id = ?", [${path(run)}]).fetchone()[0]`,
    `clustering = ${clustering}`,
    'tokens = db.execute("""SELECT t.token, t.row_index, t.position, v.text, m.cluster FROM tokens t',
    '  LEFT JOIN vocabulary v USING (run, token_id)',
    '  LEFT JOIN (SELECT m.* FROM memberships m LEFT JOIN clusters c USING (run, clustering, cluster)',
    `    WHERE m.clustering = ? AND coalesce(c.kind, 'cluster') = 'cluster') m USING (run, token)`,
    '  WHERE t.run = ? ORDER BY t.token""", [clustering, run]).df()',
    'components = db.execute("SELECT components FROM samplings WHERE run = ?", [run]).fetchone()[0]',
    'rows = db.execute("SELECT chi FROM susceptibilities WHERE run = ? ORDER BY token", [run]).fetchall()',
    'chi = np.array([row[0] for row in rows], dtype=np.float32)  # [tokens, components]'
  ],
  parquet: (place) => [
    'import json, pathlib, pandas as pd  # pip install pandas pyarrow',
    '',
    `folder = pathlib.Path(${path(place)})`,
    'run = json.loads((folder / "run.json").read_text(encoding="utf-8"))',
    'tokens = pd.read_parquet(folder / "tokens.parquet")',
    'susceptibilities = pd.read_parquet(folder / "susceptibilities.parquet")',
    'chi = susceptibilities[run["components"]].to_numpy()  # [tokens, components]',
    'clusters = pd.read_parquet(folder / "clusters.parquet") if (folder / "clusters.parquet").exists() else None'
  ],
  csv: (place) => [
    'import json, pathlib, pandas as pd  # pip install pandas',
    '',
    ...csvText,
    '',
    `folder = pathlib.Path(${path(place)})`,
    'run = json.loads((folder / "run.json").read_text(encoding="utf-8"))',
    'tokens = pd.read_csv(folder / "tokens.csv", keep_default_na=False)',
    'if run["textCells"] == "apostrophe":',
    '    tokens["text"] = text(tokens["text"])',
    'chi = pd.read_csv(folder / "susceptibilities.csv")[run["components"]].to_numpy()  # [tokens, components]'
  ],
  npy: (place) => [
    'import json, pathlib, numpy as np, pandas as pd  # pip install numpy pandas',
    '',
    ...csvText,
    '',
    `folder = pathlib.Path(${path(place)})`,
    'chi = np.load(folder / "susceptibilities.npy")  # [tokens, components]',
    'components = json.loads((folder / "components.json").read_text(encoding="utf-8"))',
    'clusters = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))',
    'tokens = pd.read_csv(folder / "tokens.csv", keep_default_na=False)',
    'if json.loads((folder / "run.json").read_text(encoding="utf-8"))["textCells"] == "apostrophe":',
    '    tokens["text"] = text(tokens["text"])'
  ],
  zarr: (place) => [
    'import xarray as xr  # pip install xarray zarr',
    '',
    `tree = xr.open_datatree(${path(place)}, engine="zarr")`,
    'chi = tree["susceptibilities"]["sus"].values  # [tokens, components]',
    'components = tree["susceptibilities"]["wr"].values.tolist()',
    'tokens = tree["susceptibilities"].to_dataset().drop_vars(["sus", "wr"]).to_dataframe()'
  ],
  json: (place) => [
    'import json, pathlib, pandas as pd  # pip install pandas',
    '',
    `run = json.loads((pathlib.Path(${path(place)}) / "run.json").read_text(encoding="utf-8"))`,
    'clusters = pd.DataFrame(run["clusters"])',
    'tokens = pd.DataFrame([',
    '    {"cluster": cluster["cluster"], **member}',
    '    for cluster in run["clusters"] if cluster["kind"] == "cluster"',
    '    for member in cluster["members"]',
    '])'
  ],
  annotated: (place) => [
    'import json, pandas as pd  # pip install pandas',
    '',
    `with open(${path(place)}, encoding="utf-8") as file:`,
    '    annotated = json.load(file)',
    'clusters = pd.DataFrame(annotated["clusters"])',
    'tokens = pd.DataFrame([',
    '    {"cluster": cluster["cluster"], **member}',
    '    for cluster in annotated["clusters"]',
    '    for member in cluster["members"]',
    '])'
  ]
}

/** Whether Python has something to load in an export of that format. */
export const isForPython = (format: ClusterExportFormat): format is Exclude<PythonSource, 'workspace'> =>
  format in linesOf

/**
 * A few lines of Python that load what was exported to `place`, or a workspace's database there, in a notebook. `run`
 * and `clustering` are used with a workspace only.
 */
export const pythonOf = (source: PythonSource, place: string, run = '', clustering = 1): string =>
  `${linesOf[source](place, run, clustering).join('\n')}\n`
