#include "clients/cli/verbs.h"

#include <assert.h>

#include "clients/common/text.h"

/* clang-format off */
#define RECEIPT_ROWS "seq instant judgement plan form period unit revision counter"
#define REASON { "--reason", "TEXT", N_("why; kept with the act") }
#define REVISION { "--revision", "N", N_("the revision that is meant; without it the latest that the node holds") }
#define DRY_RUN { "--dry-run", NULL, N_("say what would be signed, and send nothing") }
#define AS_OF { "--as-of", "INSTANT", N_("what was known then, and how it stood then") }

const struct verb verbs[] = {
	{ "context", "add", "NAME", 1, 1, N_("add a node to talk to, or change it"),
		"", run_context_add, {
		{ "--endpoint", "E", N_("where the node listens: tcp://HOST:PORT") },
		{ "--node-key", "HEX", N_("the node's public key") },
		{ "--key", "KEYNAME", N_("one's own key, by the name given to key new") },
		{ "--unit", "N", N_("number of the unit that one reports for") },
		{ "--node-unit", "N", N_("number of the unit whose subtree the node serves") },
		} },
	{ "context", "select", "NAME", 1, 1, N_("use this one where no --context is given"),
		"", run_context_select, { { 0 } } },
	{ "context", "ls", "", 0, 0, N_("list the nodes that can be talked to"),
		"name endpoint node_key key unit node_unit selected", run_context_ls, { { 0 } } },
	{ "join", "", "[TOKEN]", 0, 1, N_("make a key and a context with the token that an operator gave"),
		"", run_join, {
		{ "--token-file", "FILE", N_("read the token from a file, - for standard input: other users see arguments") },
		{ "--name", "NAME", N_("name of the context and of the key; without it unit-N") },
		} },
	{ "key", "new", "NAME", 1, 1, N_("make a key pair and print its public key"),
		"public_key", run_key_new, { { 0 } } },
	{ "key", "ls", "", 0, 0, N_("list one's own keys"),
		"name public_key; with --node public_key party unit role from to name state instant", run_key_ls, {
		{ "--node", NULL, N_("list the keys that the node knows instead") },
		} },
	{ "key", "enrol", "[KEYHEX]", 0, 1, N_("let a public key in at the node"),
		"kind name seq instant", run_key_enrol, {
		{ "--unit", "N|CODE", N_("the unit that the key speaks for") },
		{ "--role", "ROLE", N_("operator, reporter, collector, carrier, node, reader or reviewer") },
		{ "--from", "DATE", N_("first day, YYYY-MM-DD") },
		{ "--to", "DATE", N_("the day after the last; without it there is no end") },
		{ "--name", "TEXT", N_("whose key it is") },
		{ "--file", "FILE", N_("a table of keys instead of one key") },
		} },
	{ "key", "invite", "", 0, 0, N_("print a one-time token with which a unit's own machine enrols its key"),
		"token", run_key_invite, {
		{ "--unit", "N|CODE", N_("the unit that the key will speak for") },
		{ "--role", "ROLE", N_("operator, reporter, collector, carrier, node, reader or reviewer") },
		{ "--name", "TEXT", N_("whose key it is") },
		{ "--from", "DATE", N_("first day; without it today") },
		{ "--to", "DATE", N_("the day after the last; without it there is no end") },
		{ "--hours", "N", N_("how long the token is good; without it 72") },
		{ "--endpoint", "E", N_("where the other side reaches the node; without it as oneself") },
		} },
	{ "key", "rotate", "", 0, 0, N_("replace one's own key at the node by a new one"),
		"", run_key_rotate, {
		{ "--name", "NAME", N_("name of the new key; without it that of the old one and a number") },
		} },
	{ "key", "revoke", "KEY", 1, 1, N_("end a key: digits, or one's own by its name"),
		"", run_key_revoke, {
		{ "--reason", "TEXT", N_("why; kept with the act") },
		} },
	{ "unit", "publish", "FILE...", 1, -1, N_("publish tables of units"),
		"kind name seq instant", run_unit_publish, {
		{ "--dry-run", NULL, N_("let the node check, and change nothing") },
		} },
	{ "plan", "check", "FILE...", 1, -1, N_("check plan files and say every error"),
		"", run_plan_check, {
		{ "--units", "FILE,...", N_("also check the codes of units against these tables") },
		} },
	{ "plan", "publish", "FILE...", 1, -1, N_("check and publish plans"),
		"kind name seq instant", run_plan_publish, {
		{ "--dry-run", NULL, N_("let the node check, and change nothing") },
		} },
	{ "plan", "ls", "", 0, 0, N_("list what the node has published"),
		"kind name title issued seq digest", run_plan_ls, { { 0 } } },
	{ "plan", "show", "CODE|FILE", 1, 1, N_("print a plan as people read it"),
		"", run_plan_show, {
		{ "--lang", "vi|en", N_("Vietnamese or English; without it as the locale says") },
		} },
	{ "plan", "diff", "A B", 2, 2, N_("print what differs between two plans, each a file or a code"),
		"", run_plan_diff, { { 0 } } },
	{ "report", "new", "PLAN FORM PERIOD", 3, 3, N_("write an empty form to fill in"),
		"file", run_report_new, {
		{ "--unit", "N|CODE", N_("the unit that reports; without it that of the context") },
		{ "-o", "FILE", N_("the file to write; without it PLAN-FORM-PERIOD.csv") },
		} },
	{ "report", "fill", "FILE [FIELD=VALUE...]", 1, -1, N_("set values in a form file"),
		"", run_report_fill, {
		{ "--nil", NULL, N_("the whole report has nothing to say (không phát sinh)") },
		} },
	{ "report", "check", "FILE...", 1, -1, N_("check filled forms and say every error"),
		"", run_report_check, { { 0 } } },
	{ "report", "send", "[FILE...]", 0, -1, N_("sign and send filled forms, and what is queued"),
		"seq instant judgement plan form period unit revision counter", run_report_send, {
		{ "--revision", "N", N_("number of the correction; without it the next one") },
		{ "--note", "TEXT", N_("the reason of a correction") },
		} },
	{ "report", "import", "FILE", 1, 1, N_("send a report per unit and period of a long CSV"),
		"name count", run_report_import, {
		{ "--plan", "CODE", N_("the plan of the reports") },
		{ "--form", "CODE", N_("its form; needed where the plan has several") },
		{ "--value-field-prefix", "TEXT", N_("put before each indicator to make the field's code") },
		{ "--note", "TEXT", N_("the reason where figures differ from what was sent before") },
		} },
	{ "report", "status", "[PLAN FORM PERIOD]", 0, 3, N_("deliver what is queued and list the reports"),
		"state word plan form period unit revision counter seq instant judgement acted by reason", run_report_status, {
		{ "--unit", "N|CODE", N_("the unit that reports; without it that of the context") },
		{ "--offline", NULL, N_("only list") },
		} },
	{ "report", "withdraw", "PLAN FORM PERIOD", 3, 3, N_("take back a report that was sent"),
		RECEIPT_ROWS, run_act, {
		{ "--unit", "N|CODE", N_("the unit that reports; without it that of the context") },
		REASON, REVISION, DRY_RUN,
		} },
	{ "receipt", "verify", "FILE|COUNTER", 1, 1, N_("verify a receipt offline and print it"),
		"", run_receipt_verify, {
		{ "--node-key", "HEX", N_("the node's public key; without it that of the context") },
		{ "--submission", "FILE", N_("the submission that it should be for") },
		} },
	{ "receipt", "prove", "FILE|COUNTER...", 1, -1, N_("let the node prove that its receipts' entries are in its ledger"),
		"receipt seq signed size proven", run_receipt_prove, {
		{ "--again", NULL, N_("put what is not proven, named by its COUNTER, back into the outbox") },
		} },
	{ "inbox", "ls", "[PLAN]", 0, 1, N_("list the reports that were received and wait to be accepted or returned"),
		"plan form period unit code name revision received timeliness nil waived", run_inbox_ls, {
		{ "--unit", "N|CODE", N_("only this unit and those below it") },
		AS_OF,
		} },
	{ "inbox", "show", "PLAN FORM PERIOD UNIT", 4, 4, N_("print a report with its values, its signer and what shorter reports add up to"),
		"name value", run_inbox_show, { AS_OF } },
	{ "inbox", "accept", "PLAN FORM PERIOD UNIT", 4, 4, N_("accept a report"),
		RECEIPT_ROWS, run_act, { REVISION, REASON, DRY_RUN } },
	{ "inbox", "return", "PLAN FORM PERIOD UNIT", 4, 4, N_("return a report; its figures no longer count"),
		RECEIPT_ROWS, run_act, { REASON, REVISION, DRY_RUN } },
	{ "inbox", "waive", "PLAN FORM PERIOD UNIT", 4, 4, N_("let a late report count as on time"),
		RECEIPT_ROWS, run_act, { REASON, DRY_RUN } },
	{ "inbox", "extend", "PLAN FORM PERIOD UNIT", 4, 4, N_("give a unit another due instant"),
		RECEIPT_ROWS, run_act, {
		{ "--until", "INSTANT", N_("the new due instant; a day means its 00:00") },
		REASON, DRY_RUN,
		} },
	{ "inbox", "exempt", "PLAN FORM PERIOD UNIT", 4, 4, N_("expect nothing of a unit for this period"),
		RECEIPT_ROWS, run_act, { REASON, DRY_RUN } },
	{ "inbox", "close", "PLAN FORM PERIOD UNIT", 4, 4, N_("take no more reports of a unit and those below it"),
		RECEIPT_ROWS, run_act, { REASON, DRY_RUN } },
	{ "inbox", "reopen", "PLAN FORM PERIOD UNIT", 4, 4, N_("let a unit report again after accept or close"),
		RECEIPT_ROWS, run_act, { REASON, DRY_RUN } },
	{ "request", "new", "PLAN CODE CODE:LABEL:TYPE...", 3, -1, N_("ask units once for figures or texts (yêu cầu đột xuất), below a plan"),
		"kind name seq instant", run_request_new, {
		{ "--title", "TEXT", N_("what is asked") },
		{ "--due", "DATE", N_("the last day for it") },
		{ "--from", "DATE", N_("the first day; without it today") },
		{ "--to", "GROUP|UNIT,...", N_("who is asked: groups, or codes of units") },
		{ "--under", "CODE", N_("only those of the groups below this unit") },
		{ "--source", "PLACE", N_("the document and line that ask, such as S4:L236; without it it is proposed") },
		{ "--dry-run", NULL, N_("let the node check, and change nothing") },
		} },
	{ "request", "ls", "", 0, 0, N_("list what is asked once, with what came of it"),
		"plan title parent form due received expected", run_request_ls, { AS_OF } },
	{ "late", "", "[PLAN]", 0, 1, N_("list what is overdue and what is due soon"),
		"state plan form period unit code name due days", run_late, {
		{ "--days", "N", N_("what is due within so many days; without it 7") },
		{ "--unit", "N|CODE", N_("only this unit and those below it") },
		{ "--period", "P", N_("only this period, or those in a longer one") },
		{ "--all", NULL, N_("every obligation, whatever its state") },
		AS_OF,
		} },
	{ "matrix", "", "PLAN FORM", 2, 2, N_("print units against periods: what came, what is missing"),
		"", run_matrix, {
		{ "--period", "P", N_("only this period, or those in a longer one") },
		{ "--plain", NULL, N_("tab-separated, with words instead of letters") },
		AS_OF,
		} },
	{ "target", "", "PLAN", 1, 1, N_("print how each target stands, who falls short, and where it comes from"),
		"target period unit status value goal coverage reason short units source quote ambiguity",
		run_target, {
		{ "--unit", "N|CODE", N_("at this unit; without it at every unit of the target's level") },
		AS_OF,
		} },
	{ "score", "", "PLAN", 1, 1, N_("print the scores of units, term by term and in total"),
		"unit term title points of note", run_score, {
		{ "--unit", "N|CODE", N_("only this unit") },
		AS_OF,
		} },
	{ "rollup", "explain", "PLAN FORM PERIOD UNIT FIELD", 5, 5, N_("print the reports that make a figure, and add them up"),
		"period unit value revision status received origin seq signer", run_rollup_explain, { AS_OF } },
	{ "rollup", "show", "PLAN", 1, 1, N_("print the figures of a plan, by period and unit"),
		"plan period unit received/expected field value", run_rollup_show, {
		{ "--form", "F", N_("only this form") },
		{ "--period", "P", N_("only this period, or over a longer one, such as 2022") },
		{ "--unit", "N|CODE", N_("only this unit") },
		{ "--all", NULL, N_("also units of which nothing is expected and nothing came") },
		AS_OF,
		} },
	{ "node", "status", "", 0, 0, N_("print the state of the node"),
		"name value", run_node_status, { { 0 } } },
	{ "node", "checkpoint", "", 0, 0, N_("print what the node signs of its ledger; notices rewritten history"),
		"", run_node_checkpoint, {
		{ "--cosigned", NULL, N_("the last one that the parent cosigned, with its cosignature") },
		{ "--witness-key", "HEX", N_("the parent's public key; without it those of the contexts are tried") },
		} },
	{ "node", "verify", "", 0, 0, N_("let the node recount everything from its ledger"),
		"name value", run_node_verify, { { 0 } } },
	{ "node", "clock", "INSTANT", 1, 1, N_("set the made-up clock of a synthetic node"),
		"instant", run_node_clock, { { 0 } } },
	{ "help", "", "[NOUN [VERB]]", 0, 2, N_("print this"),
		"", run_help, {
		{ "--manual", NULL, N_("print the manual page as its source") },
		{ "--completion", NULL, N_("print completion for bash") },
		} },
};

const struct option_row global_options[] = {
	{ "--context", "NAME", N_("the node to talk to") },
	{ "--home", "DIR", N_("where keys, contexts and the outbox are; without it $BAOCAO_HOME") },
	{ "--json", NULL, N_("print data as JSON") },
	{ "--timeout", "SECONDS", N_("how long to wait for the node") },
	{ "--help", NULL, N_("print what the verb does and takes") },
	{ "--version", NULL, N_("print the version") },
};
/* clang-format on */

const size_t verb_count = ARRAY_SIZE(verbs);
const size_t global_option_count = ARRAY_SIZE(global_options);

static int option_index(const struct arguments *arguments, const char *name)
{
	const struct option_row *options = arguments->verb->options;

	for (int i = 0; i < OPTIONS_MAX && options[i].name; i++) {
		if (strcmp(options[i].name, name) == 0) {
			return i;
		}
	}
	return -1;
}

const char *arguments_option(const struct arguments *arguments, const char *name)
{
	int index = option_index(arguments, name);

	assert(index >= 0);
	return index >= 0 ? arguments->options[index] : NULL;
}

const char *arguments_optional(const struct arguments *arguments, const char *name)
{
	int index = option_index(arguments, name);

	return index >= 0 ? arguments->options[index] : NULL;
}

const struct verb *verb_find(const char *noun, const char *name)
{
	for (size_t i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) == 0 && strcmp(verbs[i].name, name) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}
