// The matrix of units and periods: read from the node's figures, drawn from what is expected.
'use strict';
const $ = id => document.getElementById(id);
const view = { language: 'vi', plans: [], rows: [], status: null, up: true, lost: false, failed: false };
const word = key => WORDS[view.language][key];
const cells = new Map(); // 'part|unit|period' -> td
let grid = []; // rows of cells, for the arrow keys
let drawn = ''; // what the table was built for

function make(name, properties, ...children) {
	const element = Object.assign(document.createElement(name), properties);
	element.append(...children);
	return element;
}

async function read(path, parameters) {
	const query = new URLSearchParams(parameters).toString();
	const response = await fetch(path + (query && '?' + query));
	const data = await response.json();
	if (!response.ok) {
		throw Object.assign(new Error(data.detail || data.error), { code: data.error });
	}
	return data;
}

// Figures stay strings: a float would not hold them.
function number(text) {
	const [whole, part] = text.replace('-', '').split('.');
	const [thousand, point] = view.language === 'vi' ? ['.', ','] : [',', '.'];
	return (text[0] === '-' ? '−' : '') + whole.replace(/\B(?=(\d{3})+$)/g, thousand) +
		(part ? point + part : '');
}

function figure(text, field) {
	if (field && field.type === 'yes-no') {
		return word(text === '0' ? 'no' : 'yes');
	}
	return number(text);
}

function valueText(value, field) {
	if (value === null) {
		return '–';
	}
	if (typeof value === 'string') {
		return figure(value, field);
	}
	return value.length ? '~' + figure(value[0], field) : word('na');
}

const instant = text => new Date(text).toLocaleString(view.language === 'vi' ? 'vi-VN' : 'en-GB',
	{ timeZone: 'Asia/Ho_Chi_Minh', dateStyle: 'short', timeStyle: 'medium' });
const plan = () => view.plans.find(one => one.code === view.plan);
const form = () => plan()?.forms.find(one => one.code === view.form);
const fieldIndex = () => form() ? form().fields.findIndex(one => one.code === view.field) : -1;
const unitName = unit => unit.name || word('unit') + ' ' + unit.unit;

// The counts of a row that are known for the unit itself: those of the subtree, less its children's.
const OWN = ['expected', 'received', 'returned', 'exempt'];
const isAsked = row => row.own.expected + row.own.exempt > 0;

// The rows as a tree for each part (0 stated, 1 proposed), with coverage of that part alone.
function arrange(rows) {
	const units = new Map(), periods = new Map();
	for (const row of rows) {
		row.m = [0, 0];
		row.n = [0, 0];
		row.below = [[], []];
		row.own = Object.fromEntries(OWN.map(count => [count, row[count]]));
		periods.has(row.period) || periods.set(row.period, new Map());
		periods.get(row.period).set(row.unit, row);
		units.set(row.unit, { ...row, rows: units.get(row.unit)?.rows || new Map(), children: [] });
		units.get(row.unit).rows.set(row.period, row);
	}
	for (const row of rows) {
		const parent = periods.get(row.period).get(row.parent);
		if (parent) {
			OWN.forEach(count => parent.own[count] -= row[count]);
		}
	}
	for (const row of rows.filter(isAsked)) {
		const part = row.stated ? 0 : 1, same = periods.get(row.period);
		for (let at = row; at; at = same.get(at.parent)) {
			at.m[part] += row.own.expected;
			at.n[part] += row.own.received;
			at.below[part].push(row);
		}
	}
	for (const unit of units.values()) {
		units.get(unit.parent)?.children.push(unit);
	}
	const compare = new Intl.Collator('vi', { numeric: true }).compare;
	const walk = (list, depth, part, into) => {
		list.sort((a, b) => (a.children.length > 0) - (b.children.length > 0) ||
			compare(a.group, b.group) || compare(a.name, b.name) || a.unit - b.unit);
		for (const unit of list) {
			if ([...unit.rows.values()].some(row => row.below[part].length)) {
				into.push({ unit, depth, part });
				walk(unit.children, depth + 1, part, into);
			}
		}
		return into;
	};
	const roots = [...units.values()].filter(unit => !units.has(unit.parent));
	return [0, 1].map(part => walk(roots, 0, part, []));
}

const scaled = (value, scale) => {
	const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
	const cut = digits.length - scale;
	return (value < 0n ? '-' : '') + digits.slice(0, cut) + (scale ? '.' + digits.slice(cut) : '');
};

// The sum of a field at an inner unit; where it has units of both parts, of this part alone.
function sumText(row, part, at) {
	const field = form().fields[at], sum = row.sums[at];
	if (!sum) {
		return '';
	}
	if (!row.below[1 - part].length) {
		return sum[1] ? (sum[3] ? '~' : '') + number(sum[0]) : '–';
	}
	const values = row.below[part].map(one => one.values?.[at]).filter(one => one?.length);
	const total = values.flat().reduce((all, one) => all + BigInt(one.replace('.', '')), 0n);
	return values.length ? (values.some(Array.isArray) ? '~' : '') +
		number(scaled(total, field.scale)) : '–';
}

function stateOf(row) {
	return row.own.exempt ? 'exempt' : row.own.returned ? 'returned' : !row.values ? 'missing' :
		row.nil ? 'nil' : row.late ? 'late' : row.on_time ? 'ontime' : 'received';
}

// { kind, value, words, shape } of one cell.
function describe(unit, part, row) {
	const at = fieldIndex();
	if (!row?.below[part].length) {
		return { kind: 'empty', value: '', words: '', shape: '' };
	}
	if (unit.children.length) {
		return { kind: 'cover', value: at < 0 ? '' : sumText(row, part, at),
			words: row.n[part] + '/' + row.m[part],
			shape: row.m[part] && row.n[part] === row.m[part] ? '✓' : '' };
	}
	const kind = stateOf(row);
	const shown = row.values && !row.nil && at >= 0;
	return { kind, value: shown ? valueText(row.values[at] ?? null, form().fields[at]) : '',
		words: word(kind) + (row.nil && row.late ? ', ' + word('late') : ''), shape: SHAPES[kind] };
}

function fill(td, cell) {
	const mark = [cell.kind, cell.value, cell.words].join('|');
	if (td.mark === mark) {
		return false;
	}
	td.mark = mark;
	td.className = cell.kind;
	td.replaceChildren(...cell.kind === 'empty' ? [make('span', { className: 'heard',
		textContent: word('empty') })] : [make('b', { textContent: cell.value }),
		make('span', {}, make('i', { ariaHidden: 'true', textContent: cell.shape + ' ' }), cell.words)]);
	return true;
}

function labels() {
	const all = form()?.periods.map(period => period[0]) || [];
	return view.year ? all.filter(label => label.startsWith(view.year)) : all;
}

function build(parts) {
	const head = make('tr', {}, make('th', { scope: 'col', textContent: word('unit') }));
	const table = $('matrix'), bodies = [];
	for (const label of labels()) {
		head.append(make('th', { scope: 'col', textContent: label }));
	}
	cells.clear();
	grid = [];
	parts.forEach((list, part) => {
		const body = make('tbody');
		if (part && list.length) {
			body.append(make('tr', {}, make('th', { colSpan: labels().length + 1, scope: 'rowgroup',
				className: 'part' }, make('span', { textContent: word('proposed') }))));
		}
		for (const { unit, depth } of list) {
			const line = [], row = make('tr', { className: unit.children.length ? 'inner' : '' },
				make('th', { scope: 'row', className: 'd' + Math.min(depth, 4), textContent: unitName(unit) }));
			for (const label of labels()) {
				const td = make('td', { tabIndex: -1 });
				Object.assign(td, { unit, part, label });
				cells.set([part, unit.unit, label].join('|'), td);
				line.push(td);
				row.append(td);
			}
			grid.push(line);
			body.append(row);
		}
		bodies.push(body);
	});
	table.tHead.replaceChildren(head);
	table.querySelectorAll('tbody').forEach(one => one.remove());
	table.append(...bodies);
	if (grid[0]?.[0]) {
		grid[0][0].tabIndex = 0;
	}
	filter();
}

// Builds the table when its units or periods are others; else changes cells, and says which.
function draw(tell) {
	const parts = arrange(view.rows), changed = [];
	const shape = JSON.stringify([view.plan, view.form, labels(), view.language, parts.map(list =>
		list.map(one => [one.unit.unit, unitName(one.unit), one.depth, one.unit.children.length > 0]))]);
	const focus = document.activeElement?.label && document.activeElement;
	if (shape !== drawn) {
		drawn = shape;
		build(parts);
		tell = false;
	}
	for (const list of parts) {
		for (const { unit, part } of list) {
			for (const label of labels()) {
				const td = cells.get([part, unit.unit, label].join('|'));
				td.unit = unit;
				td.row = unit.rows.get(label);
				if (fill(td, describe(unit, part, td.row)) && tell) {
					changed.push(td);
					td.classList.add('fresh');
				}
			}
		}
	}
	if (focus && !focus.isConnected) {
		const again = cells.get([focus.part, focus.unit.unit, focus.label].join('|'));
		again && move(again);
	}
	announce(changed);
	const at = fieldIndex(), field = form()?.fields[at];
	$('matrix').caption.textContent = !plan() ? word('none') : !form() ? word('unreadable') :
		form().title + (field ? ' · ' + field.label + (field.unit ? ' (' + field.unit + ')' : '') : '') +
		(form().stated_duty ? '' : ' · ' + word('proposed'));
}

function announce(changed) {
	const leaves = changed.filter(td => !td.unit.children.length);
	if (leaves.length === 1) {
		const td = leaves[0];
		$('live').textContent = unitName(td.unit) + ', ' + td.label + ': ' + td.innerText.replace(/\s+/g, ' ');
	} else if (changed.length) {
		$('live').textContent = changed.length + ' ' + word('changed');
	}
}

function banners() {
	$('synthetic').hidden = !view.status?.synthetic;
	$('down').hidden = view.up && !view.lost && !view.failed;
	$('down').textContent = word(view.lost ? 'lost' : 'down');
	$('node').textContent = view.status ? (view.status.unit.name || view.status.name || '') : '';
}

function options(select, list, chosen) {
	const mark = JSON.stringify([list, view.language]);
	if (select.mark !== mark) {
		select.mark = mark;
		select.replaceChildren(...list.map(([value, text]) => make('option', { value, textContent: text })));
	}
	select.value = list.some(([value]) => value === chosen) ? chosen : list[0]?.[0] ?? '';
	select.disabled = !list.length;
	return select.value;
}

// What can be chosen, and what is; a choice that is gone falls back to the first.
function controls() {
	const mark = one => one.source === 'proposed' ? ' (' + word('proposedMark') + ')' : '';
	view.plan = options($('plan'), view.plans.map(one => [one.code, one.title]), view.plan);
	view.form = options($('form'), (plan()?.forms || []).map(one => [one.code, one.title + mark(one)]),
		view.form);
	view.field = options($('field'), (form()?.fields || []).filter(one => one.type !== 'text')
		.map(one => [one.code, one.label + (one.unit ? ' (' + one.unit + ')' : '') + mark(one)]), view.field);
	const periods = form()?.periods || [];
	const years = [...new Set(periods.map(one => one[0].slice(0, 4)))];
	$('years').hidden = periods.length <= 24;
	if (periods.length > 24) {
		const now = new Date(view.status?.clock || Date.now()).getFullYear().toString();
		view.year = options($('year'), years.map(one => [one, one]), years.includes(view.year) ? view.year :
			years.includes(now) ? now : years.at(-1));
	} else {
		view.year = '';
	}
}

function remember() {
	const chosen = { plan: view.plan, form: view.form, field: view.field, year: view.year };
	history.replaceState(null, '', '#' + new URLSearchParams(chosen));
}

async function load() {
	try {
		view.status = await read('/api/status');
		view.plans = (await read('/api/plans')).plans;
		controls();
		const asked = { plan: view.plan, form: view.form, ...view.year && { year: view.year } };
		const rows = form() ? (await read('/api/figures', asked)).rows : [];
		if (asked.plan !== view.plan || asked.form !== view.form || (asked.year || '') !== view.year) {
			return;
		}
		view.rows = rows;
		view.failed = false;
		remember();
		draw(true);
	} catch (error) {
		view.failed = true;
		setTimeout(() => view.failed && view.up && refresh(), 3000);
	}
	banners();
}

let busy = false, again = false;
// One reading at a time; while figures pour in, at most half of the time is spent on them.
async function refresh() {
	again = true;
	if (busy) {
		return;
	}
	busy = true;
	while (again) {
		again = false;
		const begun = performance.now();
		await load();
		await new Promise(done => setTimeout(done, Math.max(100, performance.now() - begun)));
	}
	busy = false;
}

let events = null;
// A page that is not looked at holds no connection: browsers have few of them for one server.
function listen() {
	events?.close();
	if (document.hidden) {
		return;
	}
	events = new EventSource('/api/events');
	events.onmessage = () => refresh();
	events.onopen = () => {
		view.lost = false;
		banners();
	};
	events.onerror = () => {
		view.lost = true;
		banners();
	};
	events.addEventListener('node', event => {
		const back = !view.up && event.data === 'up';
		view.up = event.data === 'up';
		back ? refresh() : banners();
	});
}

function move(td) {
	$('matrix').querySelectorAll('td[tabindex="0"]').forEach(one => {
		one.tabIndex = -1;
	});
	td.tabIndex = 0;
	td.focus();
}

function steer(event) {
	const td = event.target.closest('td'), lines = grid.filter(line => line[0]?.offsetParent);
	const y = lines.findIndex(line => line.includes(td)), x = lines[y]?.indexOf(td);
	const last = lines[y]?.length - 1;
	const to = { ArrowUp: [y - 1, x], ArrowDown: [y + 1, x], ArrowLeft: [y, x - 1], ArrowRight: [y, x + 1],
		Home: [event.ctrlKey ? 0 : y, 0], End: [event.ctrlKey ? lines.length - 1 : y, last],
		PageUp: [Math.max(0, y - 10), x], PageDown: [Math.min(lines.length - 1, y + 10), x] }[event.key];
	if (y >= 0 && (event.key === 'Enter' || event.key === ' ')) {
		event.preventDefault();
		open(td);
	} else if (y >= 0 && to) {
		event.preventDefault();
		lines[to[0]]?.[to[1]] && move(lines[to[0]][to[1]]);
	}
}

function open(td) {
	if (td?.row?.below[td.part].length) {
		move(td);
		show(td.unit, td.label, td.part);
	}
}

function filter() {
	const plain = text => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
	const wanted = plain($('filter').value);
	for (const row of $('matrix').querySelectorAll('tbody tr')) {
		const name = row.querySelector('th[scope=row]');
		row.hidden = Boolean(wanted && name && !row.matches('.inner') && !plain(name.textContent).includes(wanted));
	}
}

function translate() {
	document.documentElement.lang = view.language;
	document.title = word('title');
	document.querySelectorAll('[data-word]').forEach(one => {
		one.textContent = word(one.dataset.word);
	});
	document.querySelectorAll('[data-label]').forEach(one => one.setAttribute('aria-label', word(one.dataset.label)));
	$('language').textContent = word('other');
	$('language').lang = view.language === 'vi' ? 'en' : 'vi';
	$('legend').replaceChildren(...Object.keys(SHAPES).map(kind => make('span', {
		textContent: SHAPES[kind] + ' ' + word(kind) })), make('span', { textContent: 'n/m ' + word('coverage') }));
	banners();
}

for (const name of ['plan', 'form', 'field', 'year']) {
	$(name).addEventListener('change', event => {
		view[name] = event.target.value;
		controls();
		name === 'field' ? (remember(), draw(false)) : refresh();
	});
}
$('filter').addEventListener('input', filter);
$('language').addEventListener('click', () => {
	view.language = view.language === 'vi' ? 'en' : 'vi';
	localStorage.setItem('language', view.language);
	translate();
	controls();
	draw(false);
});
$('matrix').addEventListener('click', event => open(event.target.closest('td')));
$('matrix').addEventListener('keydown', steer);
$('matrix').addEventListener('animationend', event => event.target.classList.remove('fresh'));
$('close').addEventListener('click', () => $('detail').close());
view.language = localStorage.getItem('language') === 'en' ? 'en' : 'vi';
for (const name of ['plan', 'form', 'field', 'year']) {
	view[name] = new URLSearchParams(location.hash.slice(1)).get(name) || '';
}
document.addEventListener('visibilitychange', listen);
addEventListener('pageshow', listen);
addEventListener('pagehide', () => events?.close());
translate();
refresh();
