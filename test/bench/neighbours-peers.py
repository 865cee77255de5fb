"""Nearest neighbours by scikit-learn's brute force and by hnswlib, timed, for test/bench/neighbours.ts: one line a measurement.

Arguments: points (float64), our neighbours (int32, [tokens, k]), tokens, dimensions, k, threads. Both peers get float32 points and as many threads.
hnswlib's recall is the share of our neighbours (exact) that it finds, on 2,000 tokens; ef grows until it is 0.99.
"""
import os
import sys
import time

points_path, truth_path = sys.argv[1:3]
tokens, dimensions, k, threads = map(int, sys.argv[3:])
os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = str(threads)
import numpy as np

points = np.fromfile(points_path, np.float64).reshape(tokens, dimensions).astype(np.float32)
truth = np.fromfile(truth_path, np.int32).reshape(tokens, k)
sample = np.random.default_rng(0).choice(tokens, min(tokens, 2000), replace=False)


def recall(found):
    return float(np.mean([len(set(found[i].tolist()) & set(truth[i].tolist())) / k for i in sample]))


try:
    import sklearn
    from sklearn.neighbors import NearestNeighbors

    start = time.perf_counter()
    found = NearestNeighbors(n_neighbors=k, algorithm='brute', n_jobs=threads).fit(points).kneighbors(return_distance=True)[1]
    seconds = time.perf_counter() - start
    print(f'  scikit-learn {sklearn.__version__} brute force {seconds:.1f} s (agrees on {100 * recall(found):.3f} %)', flush=True)
except ImportError as reason:
    print(f'  scikit-learn skipped: {reason}', flush=True)

try:
    import hnswlib

    start = time.perf_counter()
    index = hnswlib.Index('l2', dimensions)
    index.init_index(tokens, ef_construction=200, M=16)
    index.set_num_threads(threads)
    index.add_items(points)
    built = time.perf_counter() - start
    for ef in (64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096):
        index.set_ef(ef)
        start = time.perf_counter()
        subset = index.knn_query(points[sample], k=k + 1, num_threads=threads)[0]
        share = recall(dict(zip(sample.tolist(), subset)))
        estimate = (time.perf_counter() - start) * tokens / len(sample)
        if share < 0.99:
            continue
        start = time.perf_counter()
        index.knn_query(points, k=k + 1, num_threads=threads)
        queried = time.perf_counter() - start
        print(f'  hnswlib (M 16, ef_construction 200) {built + queried:.1f} s: built in {built:.1f}, queried at ef {ef} in {queried:.1f}; recall {share:.4f}', flush=True)
        break
    else:
        print(f'  hnswlib built in {built:.1f} s and does not reach recall 0.99 at ef {ef}: {share:.4f}, about {estimate:.0f} s for all queries', flush=True)
except ImportError as reason:
    print(f'  hnswlib skipped: {reason}', flush=True)
