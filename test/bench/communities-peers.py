"""One partition by igraph's or leidenalg's Leiden algorithm, timed, for test/bench/communities.ts: prints JSON.

Arguments: igraph or leidenalg, folder with the graph (starts and columns int32, weights float64), resolution,
iterations (-1: until one changes nothing), seed.
"""
import json
import random
import resource
import sys
import time
from os.path import join

import igraph
import numpy as np

peer, folder = sys.argv[1:3]
resolution, iterations, seed = float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
starts, columns = (np.fromfile(join(folder, name), np.int32) for name in ('starts', 'columns'))
weights = np.fromfile(join(folder, 'weights'), np.float64)
nodes = len(starts) - 1
rows = np.repeat(np.arange(nodes, dtype=np.int32), np.diff(starts))
once = rows < columns
edges = np.column_stack([rows[once], columns[once]])
weights = weights[once]
del rows, columns, once
graph = igraph.Graph(n=nodes, edges=edges)
graph.es['weight'] = weights


def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


before = resident()
random.seed(seed)
start = time.perf_counter()
if peer == 'igraph':
    found = graph.community_leiden('modularity', weights='weight', resolution=resolution, n_iterations=iterations)
else:
    import leidenalg

    kind = leidenalg.RBConfigurationVertexPartition
    found = leidenalg.find_partition(
        graph, kind, weights='weight', resolution_parameter=resolution, n_iterations=iterations, seed=seed
    )
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
communities = np.array(found.membership)
degrees = np.bincount(edges[:, 0], weights, nodes) + np.bincount(edges[:, 1], weights, nodes)
inside = 2 * weights[communities[edges[:, 0]] == communities[edges[:, 1]]].sum()
total = degrees.sum()
quality = inside / total - resolution * ((np.bincount(communities, degrees) / total) ** 2).sum()
count = int(communities.max()) + 1
print(json.dumps({'seconds': seconds, 'quality': quality, 'count': count, 'before': before, 'peak': peak}))
