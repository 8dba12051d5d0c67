#!/usr/bin/env bash
# tools/bundle.sh BUILD: BUILD/metaloom-bundle.tar.gz, the program with every library it loads except torch's, for nodes
# that have nothing but a Python with torch 2.11.0 (and a C library no older than this machine's). Unpacked anywhere:
#   metaloom-bundle/metaloom VERB ...                                 on one rank, or under srun --mpi=pmix
#   metaloom-bundle/mpirun -np 2 metaloom-bundle/metaloom train ...   several ranks on this node
set -euo pipefail
shopt -s nullglob          # PMIx, say, is not installed everywhere
PATH=$PATH:/usr/sbin:/sbin # for ldconfig: users do not have them on Debian
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build}")
bundle=$build/metaloom-bundle
[ -x "$build/metaloom" ] || { echo "bundle: no $build/metaloom: run make build" >&2; exit 1; }
rm -rf "$bundle"
mkdir -p "$bundle/lib"
cmake --install "$build" --prefix "$bundle" >/dev/null
cp -r tools configs slurm data requirements.lock "$bundle/"
mkdir "$bundle/docs"
cp docs/data.md "$bundle/docs/" # who made the carried sets, and under which licence
find "$bundle" -name __pycache__ -prune -exec rm -rf {} +

# Open MPI finds plug-ins and messages below OPAL_PREFIX, laid out as it was configured.
where() { ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p"; }
prefix=$(where prefix)
plugins=$(where pkglibdir)
messages=$(where pkgdatadir)
mkdir -p "$bundle/${plugins#"$prefix"/}" "$bundle/${messages#"$prefix"/}"
cp -L "$plugins"/mca_*.so "$bundle/${plugins#"$prefix"/}/"
# Shared memory and TCP work everywhere. The libraries for special networks have plug-ins and drivers of their own, which
# a bundle cannot carry; without those they are chosen all the same and then lose messages.
(cd "$bundle/${plugins#"$prefix"/}" && rm -f mca_*ucx* mca_*_ofi.so mca_*_psm*.so mca_btl_openib.so mca_btl_usnic.so \
  mca_pml_cm.so mca_mtl_*.so mca_spml_*.so mca_scoll_*.so mca_sshmem_*.so mca_memheap_*.so mca_atomic_*.so)
cp -rL "$messages"/. "$bundle/${messages#"$prefix"/}/"
for program in orterun orted; do
  cp -L "$(where bindir)/$program" "$bundle/bin/"
done

# PMIx has plug-ins and messages of its own; Debian's package keeps them in one folder.
pmix=$(ldconfig -p | sed -n 's/.*libpmix\.so\.2 .*=> //p' | head -1)
if [ -n "$pmix" ]; then
  pmix=$(dirname "$(dirname "$(realpath "$pmix")")")
  mkdir -p "$bundle/pmix/lib/pmix"
  cp -rL "$pmix/share" "$bundle/pmix/"
  [ ! -d "$pmix/lib/pmix" ] || cp -rL "$pmix/lib/pmix/." "$bundle/pmix/lib/pmix/"
fi

# Everything that all of these load (asked of the program that still knows where torch is), but for torch's (found on the
# node) and the C library (tied to its kernel's loader).
ours=("$build/metaloom" "$bundle/bin/orte"* "$bundle/${plugins#"$prefix"/}"/*.so "$bundle"/pmix/lib/pmix/*.so)
c_library='^(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|anl|nsl|mvec))\.so'
mapfile -t libraries < <(ldd "${ours[@]}" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
  grep -v -e /site-packages/ -e /torch/lib/)
packed=()
for library in "${libraries[@]}"; do
  [[ $(basename "$library") =~ $c_library ]] || packed+=("$library")
done
cp -L "${packed[@]}" "$bundle/lib/"

# Their licences ask to go with them, as do those of the headers that are part of the program.
mkdir "$bundle/licences"
cp LICENSE "$bundle/licences/metaloom"
[ ! -d /usr/share/common-licenses ] || cp -rL /usr/share/common-licenses "$bundle/licences/" # Debian's files refer to them
for file in "${packed[@]}" "$plugins"/mca_pml_ob1.so "$messages"/help-mpi-api.txt "$(where bindir)/orterun" \
  /usr/include/nlohmann/json.hpp /usr/include/toml++/toml.h; do
  real=$(realpath -m "$file") # a package names the file itself, with or without the /usr that /lib is a link into
  packages=$(dpkg -S "$real" "${real#/usr}" 2>/dev/null | cut -d: -f1 | sort -u) || true
  [ -n "$packages" ] || echo "bundle: no Debian package has $file, so its licence is not packed" >&2
  for package in $packages; do
    cp -L "/usr/share/doc/$package/copyright" "$bundle/licences/$package"
  done
done

# Sourced by both front doors: where torch is, and where everything in here is.
cat >"$bundle/environment.sh" <<'SH'
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
python=${METALOOM_PYTHON:-python3}
torch_folders=$("$python" - <<'PY'
import importlib.util, pathlib, sys
spec = importlib.util.find_spec("torch")
if spec is None:
    sys.exit(1)
torch = pathlib.Path(spec.submodule_search_locations[0])
nvidia = torch.parent / "nvidia"
print(":".join(map(str, [torch / "lib", *sorted(nvidia.glob("*/lib"))])))
PY
) || { echo "metaloom: no torch in $python: activate the environment that has torch 2.11.0, or name its Python in METALOOM_PYTHON" >&2; exit 3; }
export METALOOM_PYTHON=$(command -v "$python")
export LD_LIBRARY_PATH=$torch_folders:$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export OPAL_PREFIX=$here PMIX_PREFIX=$here/pmix PMIX_INSTALL_PREFIX=$here/pmix
export PMIX_PKGDATADIR=$here/pmix/share/pmix PMIX_MCA_mca_base_component_path=$here/pmix/lib/pmix
# Without ssh or rsh Open MPI's mpirun starts on this node alone, once told so.
command -v ssh >/dev/null || command -v rsh >/dev/null || export OMPI_MCA_plm=${OMPI_MCA_plm:-isolated}
SH
cat >"$bundle/metaloom" <<'SH'
#!/bin/sh
. "$(dirname "$(readlink -f "$0")")/environment.sh"
exec "$here/bin/metaloom" "$@"
SH
cat >"$bundle/mpirun" <<'SH'
#!/bin/sh
. "$(dirname "$(readlink -f "$0")")/environment.sh"
exec "$here/bin/orterun" "$@"
SH
chmod +x "$bundle/metaloom" "$bundle/mpirun"

glibc=$(objdump -T "$bundle/bin/"* "$bundle/lib/"*.so* | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
tar -C "$build" -czf "$build/metaloom-bundle.tar.gz" metaloom-bundle
echo "bundle: $build/metaloom-bundle.tar.gz, $(du -h "$build/metaloom-bundle.tar.gz" | cut -f1);" \
     "a node needs a Python with torch 2.11.0 and ${glibc/_/ } or newer"
