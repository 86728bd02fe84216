#!/bin/bash
# Installs the build into a small Debian tree, boots a real systemd there (systemd-nspawn) and runs
# guest.sh inside. The tree is made once and kept in the build folder; what the guest writes is
# gone after each run.
set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$BAOCAO_BUILD/systemd-tree
name=baocao-test-$$
packages=systemd,systemd-sysv,dbus,libzmq5,libmsgpackc2,liblmdb0,libsodium23,libssl3,libsystemd0,libmicrohttpd12,libjansson4,libutf8proc2

skip()
{
	echo "skipped: $*"
	exit 77
}

[[ $(id -u) -eq 0 ]] || skip "booting a systemd needs root"
command -v mmdebstrap >/dev/null || skip "there is no mmdebstrap"
command -v systemd-nspawn >/dev/null || skip "there is no systemd-nspawn"
# PrivateUsers= of the unit; nobody gets one below a chroot.
unshare --user true 2>/dev/null || skip "no user namespace can be made here, which the unit asks for"

# The guest gets a cgroup of its own, below that of the machine: v1 with a unified part, or v2.
groups=()
if [[ -d /sys/fs/cgroup/unified ]]; then
	groups=(/sys/fs/cgroup/systemd/"$name" /sys/fs/cgroup/unified/"$name")
elif [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
	groups=(/sys/fs/cgroup/"$name")
fi
groups_remove()
{
	for group in "${groups[@]}"; do
		if [[ -d $group ]]; then
			find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
		fi
	done
}
trap groups_remove EXIT
[[ ${#groups[@]} -gt 0 ]] || skip "there is no cgroup hierarchy of a known kind"
mkdir "${groups[@]}" 2>/dev/null || skip "no cgroup can be made for the guest"

# Two runs of this test never share a tree.
mkdir -p "$work"
exec 9>"$work/lock"
flock 9

# The tree; its name has the list of packages, so that another list makes another tree.
tree=$work/$(sha256sum <<<"bookworm $packages" | cut -c 1-16)
if [[ ! -d $tree ]]; then
	rm -rf "$tree.new"
	if ! mmdebstrap --quiet --variant=minbase --include="$packages" \
		--aptopt='Acquire::Retries "3"' bookworm "$tree.new" >"$work/mmdebstrap.log" 2>&1; then
		cat "$work/mmdebstrap.log"
		skip "mmdebstrap could not make a Debian tree: $(tail -n 1 "$work/mmdebstrap.log")"
	fi
	mv "$tree.new" "$tree"
fi

# What was installed by the last run goes first, so that a file no longer installed is missed.
if [[ -f $tree/installed ]]; then
	while read -r file; do
		rm -f "$tree$file"
	done <"$tree/installed"
fi
DESTDIR=$tree cmake --install "$BAOCAO_BUILD" >"$work/install.log"
cp "$BAOCAO_BUILD/install_manifest.txt" "$tree/installed"
echo >>"$tree/installed"

results=$work/results
rm -rf "$results"
mkdir -p "$results" "$tree/etc/systemd/system/multi-user.target.wants"
cat >"$tree/etc/systemd/system/baocao-test.service" <<'UNIT'
[Unit]
SuccessAction=exit
FailureAction=exit
After=dbus.service systemd-journal-flush.service

[Service]
Type=oneshot
TimeoutStartSec=400
ExecStart=/bin/bash /run/test/guest.sh
StandardOutput=append:/results/log
StandardError=append:/results/log
UNIT
ln -sf ../baocao-test.service "$tree/etc/systemd/system/multi-user.target.wants/"

status=0
(
	for group in "${groups[@]}"; do
		echo "$BASHPID" >"$group/cgroup.procs"
	done
	export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
	exec systemd-nspawn --quiet -D "$tree" --machine="$name" --register=no --keep-unit \
		--volatile=overlay --kill-signal=SIGRTMIN+4 --system-call-filter=bpf \
		--capability=CAP_BPF,CAP_PERFMON --private-network --bind-ro="$here:/run/test" \
		--bind="$results:/results" --console=pipe -b systemd.show_status=0
) </dev/null >"$work/console.log" 2>&1 9>&- || status=$?

if [[ ! -e $results/started ]]; then
	cat "$work/console.log"
	skip "systemd-nspawn could not boot the tree: $(tail -n 1 "$work/console.log")"
fi
cat "$results/log"
if [[ $status -ne 0 ]]; then
	echo "--- the guest's journal"
	cat "$results/journal" 2>/dev/null || true
fi
exit "$status"
