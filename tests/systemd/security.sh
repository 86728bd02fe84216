#!/bin/bash
# Each unit's exposure, as `systemd-analyze security` scores it, is at most 1.1 of 10.
set -euo pipefail

if ! command -v systemd-analyze >/dev/null; then
	echo "skipped: there is no systemd-analyze"
	exit 77
fi
shopt -s nullglob
units=("$BAOCAO_BUILD"/systemd/*.service)
if [[ ${#units[@]} -eq 0 ]]; then
	echo "no unit was configured in $BAOCAO_BUILD/systemd"
	exit 1
fi
failed=0
for unit in "${units[@]}"; do
	# The threshold counts tenths. The table of what costs how much is shown where it fails.
	if report=$(systemd-analyze security --no-pager --offline=yes --threshold=11 "$unit" 2>&1); then
		tail -n 1 <<<"$report"
	else
		printf '%s\n' "$report"
		failed=1
	fi
done
exit "$failed"
