#!/usr/bin/env bash
# All that there is to know of the GPUs here: the golden tests on every engine, then the sampling table for each that is there, beside a
# PyTorch loop on the card where there is one, with device memory and the card's own product rate. For a bare Linux machine with an NVIDIA
# driver: bring this checkout with node_modules and out/, Node 20.19 or newer, and, where there is no network, the provider's package.
set -uo pipefail

usage() {
  cat <<'END'
test/bench/gpu.sh [options]
  --cpu              measure the processor too
  --shapes LIST      of pythia-14m,pythia-70m,pythia-410m,gpt2-small (all of these by default) and fixture, which is small
  --effort N         times as many steps and draws in a round on a GPU (8 by default; 1 on a processor)
  --node PATH        the Node to use
  --python PATH      a Python with torch, for the loop beside
  --out FOLDER       where the log, one file for each part, and memory.csv go (a new folder beside by default)
  --package FILE     a downloaded Microsoft.ML.OnnxRuntime.Gpu.Linux package, to install the CUDA provider from
  --quick            the golden tests and a rate of each engine, and no table
END
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
shapes=pythia-14m,pythia-70m,pythia-410m,gpt2-small
cpu=no quick=no effort=8 node=${NODE:-node} python=${PYTHON:-python3} out=
while (($# > 0)); do
  case $1 in
    --cpu) cpu=yes ;;
    --quick) quick=yes ;;
    --shapes | --effort | --node | --python | --out | --package)
      (($# > 1)) || { usage >&2; exit 2; }
      case $1 in
        --shapes) shapes=$2 ;;
        --effort) effort=$2 ;;
        --node) node=$2 ;;
        --python) python=$2 ;;
        --out) out=$2 ;;
        --package) export SPECTROSCOPE_CUDA_PACKAGE=$2 ;;
      esac
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

cd "$root" || exit 1
out=${out:-out/gpu-$(date -u +%Y%m%d-%H%M%S)}
mkdir -p "$out" || exit 6
exec > >(tee "$out/log.txt") 2>&1

skipped=0 failed=0 passed=0
say() { printf '%s\n' "$*"; }
heading() { printf '\n== %s\n' "$*"; }
skip() { say "SKIPPED  $1: $2"; skipped=$((skipped + 1)); }

# part NAME COMMAND...: runs it with its output in NAME.txt too, and counts it.
part() {
  local name=$1 status=0
  shift
  "$@" 2>&1 | tee "$out/$name.txt"
  status=${PIPESTATUS[0]}
  if ((status == 0)); then passed=$((passed + 1)); else say "FAILED   $name: exit code $status; see $out/$name.txt"; failed=$((failed + 1)); fi
  return "$status"
}

finish() {
  heading "Summary"
  say "$passed parts ran, $failed failed, $skipped skipped; everything is in $out"
  # So that what tee still holds is written.
  exec >&- 2>&-
  wait
  exit $((failed > 0 ? 1 : 0))
}

heading "Machine"
say "$(date -u +%Y-%m-%dT%H:%MZ), $(uname -sr), $(nproc) processors ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)), $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
commit=$(git rev-parse --short HEAD 2>/dev/null) && say "commit $commit"
if ! version=$("$node" --version 2>/dev/null); then
  say "There is no Node by the name of $node; bring one, and name it with --node."
  failed=1
  finish
fi
PATH=$(cd "$(dirname "$(command -v "$node")")" && pwd):$PATH
export PATH
say "Node $version"
[[ -d node_modules ]] || { say "There is no node_modules here; run npm ci, or bring it with the checkout."; failed=1; finish; }

gpu=no
if command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=index,name,memory.total,memory.free,driver_version,compute_cap --format=csv; then gpu=yes; else skip "NVIDIA GPU" "nvidia-smi is not here, or finds no device"; fi

[[ -f out/main/cli.js ]] || part build node tools/build.mjs || finish
spectroscope() { node out/main/cli.js "$@"; }

heading "The CUDA provider"
if [[ $gpu == no ]]; then
  skip "engines install cuda" "there is no NVIDIA GPU"
else
  # What is already there is not fetched again: the list of engines then names no installation for it.
  if spectroscope engines --json | node -e 'let text = ""; process.stdin.on("data", (part) => (text += part)).on("end", () => process.exit(JSON.parse(text).engines.some(({ name, install }) => name === "onnx-cuda" && install !== null) ? 0 : 1))'; then
    part install spectroscope engines install cuda --yes
  else
    skip "engines install cuda" "nothing is to be installed for it here"
  fi
fi

heading "Engines"
part engines spectroscope engines
spectroscope engines --json >"$out/engines.json" || { failed=$((failed + 1)); finish; }
# Name, whether it is there, and what it lacks, of every engine.
engines=$(node -e '
for (const { name, available, remedy } of JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8")).engines) console.log([name, available ? "yes" : "no", remedy ?? ""].join("\t"))
' "$out/engines.json")
available=()
while IFS=$'\t' read -r name there remedy; do
  case $name in reference) continue ;; esac
  if [[ $there == no ]]; then
    skip "$name" "$remedy"
  elif [[ $name == onnx-cpu && $cpu == no ]]; then
    skip "$name" "it is the processor; --cpu measures it too"
  else
    available+=("$name")
  fi
done <<<"$engines"

heading "Goldens, on every executor that is there"
if [[ -d ../shared/oracle/goldens ]]; then
  part goldens node node_modules/vitest/vitest.mjs run test/golden/engine.test.ts test/unit/cuda.test.ts --reporter=verbose
else
  skip goldens "the oracle's goldens are not beside the checkout, in ../shared"
fi

heading "Product rates, from which the floors are"
for engine in "${available[@]}"; do
  part "products-$engine" npm run -s bench -- device --engine "$engine"
  if [[ $engine == onnx-cuda ]]; then
    for precision in tf32 float16 bfloat16; do part "products-$engine-$precision" npm run -s bench -- device --engine "$engine" --precision "$precision"; done
  fi
done
((${#available[@]} > 0)) || skip "product rates" "there is no engine to measure"

[[ $quick == no ]] || finish

torch=none
if [[ ! -f ../shared/peer/torch_loop.py ]]; then
  skip "PyTorch loop" "../shared/peer/torch_loop.py is not beside the checkout"
elif ! words=$("$python" -c 'import numpy, torch' 2>&1); then
  skip "PyTorch loop" "$python has no torch (${words##*$'\n'}); name one that has with --python"
elif "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  torch=cuda
else
  torch=cpu
  [[ $gpu == no ]] || skip "PyTorch loop on CUDA" "the torch of $python finds no CUDA device"
fi

printf 'part,memory_before_mib,memory_most_mib\n' >"$out/memory.csv"
# What watches the device's memory ends with the script, however that ends.
watcher=
trap '[[ -z $watcher ]] || kill "$watcher" 2>/dev/null' EXIT
trap 'exit 130' INT TERM
memory() { nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | head -1; }

# measure NAME ARGUMENTS...: a row of the table, with the most of the device's memory that was taken meanwhile.
measure() {
  local name=$1 before=
  shift
  if [[ $gpu == yes ]]; then
    before=$(memory)
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 100 >"$out/.memory" &
    watcher=$!
  fi
  part "$name" npm run -s bench -- speed --python "$python" "$@"
  if [[ -n $watcher ]]; then
    kill "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    watcher=
    local most
    most=$(sort -n "$out/.memory" | tail -1)
    rm -f "$out/.memory"
    say "  device memory: $before MiB before, $most MiB at most"
    printf '%s,%s,%s\n' "$name" "$before" "$most" >>"$out/memory.csv"
  fi
}

heading "What other precisions do to susceptibilities"
if [[ " ${available[*]} " != *" onnx-cuda "* ]]; then
  skip "precisions" "only onnx-cuda has others"
elif [[ ! -d ../shared/fixtures/neox-2m ]]; then
  skip "precisions" "the fixture model is not beside the checkout, in ../shared"
else
  part precisions npm run -s bench -- accuracy --engine onnx-cuda --precisions tf32,float16,bfloat16
fi

heading "Sampling"
((${#available[@]} > 0)) || skip "sampling table" "there is no engine to measure"
for engine in "${available[@]}"; do
  for shape in ${shapes//,/ }; do
    device=() times=1
    case $engine in
      onnx-cpu) [[ $torch == none ]] || device=(--peer-device cpu) ;;
      *) times=$effort; [[ $torch == cuda ]] && device=(--peer-device cuda) ;;
    esac
    # A loop on the processor is no yardstick for a GPU.
    [[ $engine != onnx-cpu && $torch != cuda ]] && device=(--peer /nowhere)
    [[ $torch == none ]] && device=(--peer /nowhere)
    measure "$shape-$engine" --shapes "$shape" --engine "$engine" --effort "$times" "${device[@]}"
    if [[ $engine == onnx-cuda ]]; then
      [[ $torch == cuda ]] && device+=(--peer-tf32)
      measure "$shape-$engine-tf32" --shapes "$shape" --engine "$engine" --precision tf32 --effort "$times" "${device[@]}"
      # The loop has no half formats.
      for precision in float16 bfloat16; do measure "$shape-$engine-$precision" --shapes "$shape" --engine "$engine" --precision "$precision" --effort "$times" --peer /nowhere; done
    fi
  done
done
finish
