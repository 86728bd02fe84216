// The dialog: from a number down to units, to the report, to its signer.
'use strict';
function list(pairs) {
	return make('dl', {}, ...pairs.filter(pair => pair[1]).flatMap(([key, text, className = '']) =>
		[make('dt', { textContent: word(key) }), make('dd', { textContent: text, className })]));
}

function rowsTable(heads, rows) {
	return make('table', {}, make('thead', {}, make('tr', {}, ...heads.map(key =>
		make('th', { scope: 'col', textContent: word(key) })))), make('tbody', {}, ...rows));
}

function reportValue(value) {
	const field = form().fields.find(one => one.code === value.field);
	if (value.text !== undefined) {
		return value.text;
	}
	return value.value !== undefined ? figure(value.value, field) +
		(value.estimated ? ' (' + word('estimated') + ')' : '') : word(value.applicable ? 'absent' : 'na');
}

// The bits of flags, and the number of status, are those of a cell.
const EXEMPT = 2, WAIVED = 4, RETURNED = 3;

// A report's own words; that its lateness is waived is known of a report alone.
function reportState(report) {
	const waived = report.timeliness === 'late' && report.flags & WAIVED;
	const kind = report.flags & EXEMPT ? 'exempt' : report.status === RETURNED ? 'returned' : waived ?
		'ontime' : { 'on-time': 'ontime', late: 'late', unstated: 'received' }[report.timeliness];
	return SHAPES[kind] + ' ' + word(kind) + (kind === 'ontime' && waived ? ' · ' + word('waived') : '') +
		(report.nil ? ' · ' + SHAPES.nil + ' ' + word('nil') : '');
}

async function showReport(unit, label, body) {
	const due = form().periods.find(period => period[0] === label)?.[1];
	const missing = words => body.replaceChildren(list([['state', words], ['due', due && instant(due)]]));
	if (stateOf(unit.rows.get(label)) === 'missing') {
		missing(SHAPES.missing + ' ' + word('missing'));
		return;
	}
	body.replaceChildren(make('p', { textContent: word('loading') }));
	try {
		const report = await read('/api/report', { plan: view.plan, form: view.form, period: label,
			unit: unit.unit });
		if (!report.revision) {
			missing(reportState(report));
			return;
		}
		body.replaceChildren(list([
			['state', reportState(report)],
			['due', due && instant(due)], ['at', instant(report.received)],
			['revision', String(report.revision)], ['note', report.note],
			['origin', report.origin_unit.name || String(report.origin_unit.number)],
			['seq', String(report.seq)], ['signer', report.sender, 'code'],
			['digest', report.digest, 'code']]), rowsTable(['field', 'value'], report.values.map(value =>
			make('tr', {}, make('th', { scope: 'row', textContent: value.label +
				(value.unit ? ' (' + value.unit + ')' : '') }),
			make('td', { className: 'figure', textContent: reportValue(value) })))));
	} catch (error) {
		missing(word('failed') + ': ' + error.message);
	}
}

function showUnits(unit, label, part, row, body) {
	const below = unit.children.map(child => [child, child.rows.get(label)])
		.filter(pair => pair[1]?.below[part].length);
	const sums = form().fields.map((field, at) => [field, sumText(row, part, at), row.sums[at]])
		.filter(one => one[2]);
	const open = (one, text) => make('button', { type: 'button', textContent: text,
		onclick: () => show(one, label, part) });
	body.replaceChildren(list([['coverage', row.n[part] + '/' + row.m[part]]]),
		rowsTable(['field', 'sum'], sums.map(([field, text]) => make('tr', {},
			make('th', { scope: 'row', textContent: field.label + (field.unit ? ' (' + field.unit + ')' : '') }),
			make('td', { className: 'figure', textContent: text })))),
		rowsTable(['below', 'state', 'value'], below.map(([child, childRow]) => {
			const cell = describe(child, part, childRow);
			return make('tr', {}, make('th', { scope: 'row' }, open(child, unitName(child))),
				make('td', { textContent: cell.shape + ' ' + cell.words }),
				make('td', { className: 'figure', textContent: cell.value }));
		})));
	if (isAsked(row)) {
		body.append(make('p', {}, make('button', { type: 'button', textContent: word('own'),
			onclick: () => showReport(unit, label, body) })));
	}
}

function show(unit, label, part) {
	const row = unit.rows.get(label), body = $('detail-body');
	$('detail-title').textContent = unitName(unit) + ' · ' + label + (part ? ' · ' + word('proposed') : '');
	if (unit.children.length) {
		showUnits(unit, label, part, row, body);
	} else {
		showReport(unit, label, body);
	}
	$('detail').open || $('detail').showModal();
	$('close').focus();
}
