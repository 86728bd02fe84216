#!/bin/bash
# Runs inside the booted tree as root: the life of one installed node, from its keys to its end.
set -u
touch /results/started

node=quan
service=baocaod@$node.service
page=baocao-web@$node.service
state=/var/lib/private/baocao/$node
endpoint=tcp://127.0.0.1:7401
prefix=/usr/local
[[ -x $prefix/bin/baocaod ]] || prefix=/usr
# Message ids of daemon/log.c; they never change.
event_started=185f54a3f35e4021b3673b3715bfbcb5
event_stopped=22afbc29e8a444c082a7c04cf31c219c
event_publication=086a96091ddc4ad9b858e77e2adcd3ff
event_submission_refused=3f074732c58d477faa1a2c0a2068b3ef
export PATH=$prefix/bin:/usr/sbin:/usr/bin:/sbin:/bin
export BAOCAO_HOME=/root/baocao LC_ALL=C.UTF-8
failures=0

# check SENTENCE COMMAND...: the sentence holds if the command succeeds.
check()
{
	local sentence=$1
	shift
	if "$@" >/run/check.log 2>&1; then
		echo "ok      $sentence"
	else
		echo "FAILED  $sentence: $*"
		sed 's/^/        /' /run/check.log
		failures=$((failures + 1))
	fi
}

# need SENTENCE COMMAND...: like check, but without it the rest makes no sense.
need()
{
	local before=$failures
	check "$@"
	[[ $failures -eq $before ]] || finish
}

finish()
{
	journalctl --sync
	journalctl --no-pager -o short-monotonic >/results/journal 2>&1
	echo "$failures checks failed"
	exit $((failures > 0))
}

not()
{
	! "$@"
}

is()
{
	echo "is '$1', should be '$2'"
	[[ $1 == "$2" ]]
}

property()
{
	systemctl show -P "$1" "$service"
}

# logged MESSAGE-ID [FIELD=VALUE]...: is there such an event of the service?
logged()
{
	journalctl --sync
	journalctl -q -o json _SYSTEMD_UNIT="$service" MESSAGE_ID="$1" "${@:2}" | tee /run/event
	[[ -s /run/event ]]
}

# Waits up to 40 s.
eventually()
{
	local i
	for ((i = 0; i < 200; i++)); do
		if "$@"; then
			return 0
		fi
		sleep 0.2
	done
	return 1
}

restarted()
{
	[[ $(property NRestarts) -ge 1 && $(property ActiveState) == active ]]
}

tried_again_after()
{
	[[ $(property ExecMainStatus) == "$1" && $(property NRestarts) -ge 2 ]]
}

is_active_again()
{
	[[ $(property ActiveState) == active ]]
}

is_another_and_active()
{
	[[ $(property NRestarts) -gt $restarts && $(property ActiveState) == active &&
		$(property MainPID) -ne $pid ]]
}

is_same_receipt()
{
	ward receipt verify "$counter" | cmp receipt.before -
}

says_its_exposure_is_low()
{
	systemd-analyze security --no-pager --threshold=11 "${1:-$service}"
}

# page_says PATH TEXT: bash speaks HTTP, so that the tree needs no program for it.
page_says()
{
	exec 5<>/dev/tcp/127.0.0.1/8401 || return 1
	printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1:8401\r\n\r\n' "$1" >&5
	cat <&5 >/run/page
	exec 5>&-
	grep -qF "$2" /run/page
}

operator()
{
	baocao --context operator "$@"
}

ward()
{
	baocao --context ward "$@"
}

is_key()
{
	echo "'$1'"
	[[ $1 =~ ^[0-9a-f]{64}$ ]]
}

# What an administrator does once.
node_key=$(baocao key new node)
operator_key=$(baocao key new operator)
ward_key=$(baocao key new ward)
need "key new prints the node's public key" is_key "$node_key"
need "key new prints the operator's public key" is_key "$operator_key"
need "key new prints the ward's public key" is_key "$ward_key"
web_key=$(baocao key new web)
need "key new prints the page's public key" is_key "$web_key"
mkdir -p /etc/baocao
install -m 0600 "$BAOCAO_HOME/keys/node.key" /etc/baocao/$node.key
echo "$operator_key" >/etc/baocao/$node.operator
printf 'listen = %s\nunit = 764\nmap_size = 64M\n' $endpoint >/etc/baocao/$node.conf

check "the unit files are free of faults" systemd-analyze verify --man=no \
	$prefix/lib/systemd/system/baocaod@.service $prefix/lib/systemd/system/baocao-web@.service
check "the settings are free of faults" baocaod --config /etc/baocao/$node.conf --check-config
check "the journal knows the events" journalctl --update-catalog
check "the catalog explains them" grep -q $event_started <(journalctl --list-catalog 2>/dev/null)

need "the service starts" systemctl start $service
check "it is active" is "$(property ActiveState)" active
check "it says in words what it does" test -n "$(property StatusText)"
echo "        status: $(property StatusText)"
check "its exposure is low where it runs" says_its_exposure_is_low
check "the start is an event with its fields" logged $event_started BAOCAO_EVENT=started \
	BAOCAO_UNIT=764 BAOCAO_LISTEN=$endpoint PRIORITY=5

# Who it runs as, and where its secrets are.
pid=$(property MainPID)
uid=$(stat -c %u "/proc/$pid")
secret=$(cut -d ' ' -f 2 /etc/baocao/$node.key)
check "it does not run as root" test "$uid" -ne 0
check "its folder is its own" is "$(stat -c '%u %a' $state)" "$uid 700"
check "its key is a credential" cmp /run/credentials/$service/node.key /etc/baocao/$node.key
check "another user cannot read the credential" \
	not setpriv --reuid=65534 --clear-groups cat /run/credentials/$service/node.key
check "another user cannot read the store" \
	not setpriv --reuid=65534 --clear-groups ls $state
check "the key is not in its environment" not grep -qF "$secret" "/proc/$pid/environ"
check "the key is not in its arguments" not grep -qF "$secret" "/proc/$pid/cmdline"
check "it has no capability" is "$(grep CapEff "/proc/$pid/status" | cut -f 2)" 0000000000000000

# The operator publishes; the ward reports.
baocao context add operator --endpoint $endpoint --node-key "$node_key" --key operator
baocao context add ward --endpoint $endpoint --node-key "$node_key" --key ward --unit 26890
need "the operator publishes units" operator unit publish /run/test/test.units
need "the operator enrols the ward" operator key enrol "$ward_key" --unit 26890 --role reporter \
	--from 2017-01-01 --name "Phường 1"
need "the operator publishes a plan" operator plan publish /run/test/test.plan
check "a publication is an event" logged $event_publication BAOCAO_KIND=plan BAOCAO_NAME=thu-2022
cd /root || exit 1
ward report new thu-2022 month 2022-03 -o form.csv
need "the form can be filled" ward report fill form.csv so_vu=12
need "the report gets its receipt" ward report send form.csv
ward report send form.csv >sent 2>/dev/null # an unchanged form is not sent twice: its row again
counter=$(awk '{ print $NF }' sent)
ward receipt verify "$counter" >receipt.before
check "the receipt can be had again" test -s receipt.before
ward report new thu-2022 month 2022-04 -o bad.csv
ward report fill bad.csv so_vu=-1 >/dev/null 2>&1 || sed -i 's/^so_vu,.*/so_vu,-1/' bad.csv
check "a wrong report is not accepted" not ward report send bad.csv
# The client may have found the fault itself; only if it sent the report is there an event.
if logged $event_submission_refused >/dev/null; then
	check "the refusal is an event with its reason" logged $event_submission_refused \
		BAOCAO_CODE=out-of-range
fi

# A larger map by a reload: the same process goes on.
pid=$(property MainPID)
sed -i 's/^map_size.*/map_size = 80M/' /etc/baocao/$node.conf
check "it reloads" systemctl reload $service
check "the new value is an event" eventually logged 8b8e8bc8ec6844369e1471ec0747b40a BAOCAO_SETTING=map_size
check "it is the same process, and active" is "$(property MainPID) $(property ActiveState)" "$pid active"
check "the larger map is reserved" is "$(stat -c %s $state/baocao.mdb)" $((80 << 20))

# Where there is much to do it changes the policy of its threads: it may, and sees them.
check "the unit lets it choose a policy" grep -qw sched_setscheduler <(property SystemCallFilter)
check "it sees its threads" nsenter -t "$pid" -m test -d "/proc/$pid/task"

# Its bounds are the kernel's, not only the unit's words.
check "it makes no core dump" grep -q '^Max core file size  *0  *0 ' "/proc/$pid/limits"
check "its memory has a cap" is "$(property MemoryMax)" $((1 << 30))

# The page beside it: a reader's key, and the node's answers over HTTP.
need "the operator enrols the page" operator key enrol "$web_key" --unit 764 --role reader \
	--from 2017-01-01 --name "Trang xem"
install -m 0600 "$BAOCAO_HOME/keys/web.key" /etc/baocao/$node.web.key
printf 'ENDPOINT=%s\nNODE_KEY=%s\nLISTEN=127.0.0.1:8401\n' $endpoint "$node_key" \
	>/etc/baocao/$node.web.env
check "the page starts" systemctl start $page
check "the page shows the plan" eventually page_says /api/plans thu-2022
check "the page does not run as root" \
	test "$(stat -c %u "/proc/$(systemctl show -P MainPID $page)")" -ne 0
check "the page's exposure is low where it runs" says_its_exposure_is_low $page

# A stopped process feeds no watchdog.
systemctl kill --kill-whom=main --signal=STOP $service
check "the watchdog restarts a stopped node" eventually restarted
check "it was the watchdog" grep -q 'Watchdog timeout' <(journalctl -q -u $service)
check "the restarted process is another one" test "$(property MainPID)" -ne "$pid"
ward receipt verify "$counter" >receipt.after
check "the receipt is the same after the restart" cmp receipt.before receipt.after
check "the recount finds no difference" operator node verify
check "the page finds the restarted node" eventually page_says /api/status '"synthetic"'
check "the page stops" systemctl stop $page

# What a crash is: nobody had a chance to tidy up.
systemctl reset-failed $service
restarts=$(property NRestarts)
pid=$(property MainPID)
systemctl kill --kill-whom=main --signal=KILL $service
check "a killed node is started again" eventually is_another_and_active
check "the receipt is the same after the crash" is_same_receipt

# The end.
check "it stops" systemctl stop $service
check "it stopped by itself, with success" \
	grep -q 'Deactivated successfully' <(journalctl -q -u $service)
check "the stop is an event" logged $event_stopped
check "the key is not in the journal" not grep -qF "$secret" <(journalctl -q -o export)
rm /etc/baocao/$node.operator
check "it starts again without the operator's file" systemctl start $service
ward receipt verify "$counter" >receipt.again
check "the receipt is the same after the stop" cmp receipt.before receipt.again
systemctl stop $service

# Settings that cannot work are not tried again and again.
echo 'listne = nowhere' >>/etc/baocao/$node.conf
check "it does not start with a wrong setting" not systemctl start $service
check "it says 78" is "$(property ExecMainStatus)" 78
sleep 2
check "it is not restarted" is "$(property ActiveState) $(property NRestarts)" "failed 0"
check "the error names the setting" grep -q "did you mean 'listen'" <(journalctl -q -u $service)

# An error of the disk ends a node with 74, which may pass: that one is tried again.
sed -i '$d' /etc/baocao/$node.conf
mkdir -p /run/systemd/system/$service.d
printf '[Service]\nExecStartPre=\nExecStart=\nExecStart=/bin/sh -c "exit 74"\n' \
	>/run/systemd/system/$service.d/error.conf
systemctl daemon-reload
systemctl reset-failed $service
systemctl start --no-block $service
check "a node that ended with 74 is started again" eventually tried_again_after 74
rm /run/systemd/system/$service.d/error.conf
systemctl daemon-reload
check "it is back once the disk is" eventually is_active_again
finish
