"""What the tests of the domain's rules share: nodes with the small tree, plans made of a few rows."""

import harness
from harness import client, key_of

REVIEWER_UNITS = (harness.CITY, harness.DISTRICT_A, harness.DISTRICT_B)


def reviewers():
    """Keys of the reviewers of the city and of both districts; synthetic like all others."""
    return client.keys_text([(key_of(f'reviewer {unit}').hex, unit, 'reviewer', '2010-01-01', '', '')
                             for unit in REVIEWER_UNITS])


def plan_text(code, forms, duties, fields, start='2022-01-01', end='2023-01-01', calendar='',
              counts='', due=(), rest='', parent=''):
    """
    A synthetic plan. forms: 'code,cadence,positions,nested'; duties: 'form,reporter';
    fields: 'form,code,type,scale,nature,over_time,over_units'; due: 'form,rule'.
    """
    lines = ['# plan', 'code,title,from,to,calendar,counts,parent',
             f'{code},Kế hoạch thử,{start},{end},{calendar},{counts},{parent}',
             '# form', 'code,title,cadence,positions,nested,source']
    for row in forms:
        form, cadence, positions, nested = (row + ',,,').split(',')[:4]
        lines.append(f'{form},Biểu,{cadence},{positions},{nested},proposed')
    if due:
        lines += ['# due', 'form,rule,source', *(f'{row},proposed' for row in due)]
    lines += ['# duty', 'form,reporter,source', *(f'{row},proposed' for row in duties)]
    lines += ['# field', 'form,code,label,type,scale,nature,over_time,over_units,source']
    for row in fields:
        form, field, kind, scale, nature, over_time, over_units = row.split(',')
        lines.append(f'{form},{field},Trường,{kind},{scale},{nature},{over_time},{over_units},'
                     'proposed')
    return '\n'.join(lines) + '\n' + rest


def indicators(*rows):
    """rows: 'code,form,kind,numerator,denominator,condition,baseline,since,groups'"""
    lines = ['# indicator', 'code,title,version,form,kind,numerator,denominator,condition,baseline,'
             'since,groups,source']
    for row in rows:
        code, rest = (row + ',' * 8).split(',', 1)
        lines.append(f'{code},Chỉ tiêu,1,' + ','.join(rest.split(',')[:8]) + ',proposed')
    return '\n'.join(lines) + '\n'


def targets(*rows):
    """rows: 'code,indicator,operator,value,per,level,by'"""
    lines = ['# target', 'code,indicator,operator,value,per,level,by,source']
    for row in rows:
        lines.append(','.join((row + ',,').split(',')[:7]) + ',proposed')
    return '\n'.join(lines) + '\n'


class DomainCase(harness.NodeCase):
    """Tests with nodes of the small tree; figures are asked for by plan, form, period, unit."""

    CLOCK = '2022-07-02T08:00:00+07:00'

    @classmethod
    def furnish(cls, daemon, children=()):
        harness.publish(daemon, 'units', 'units', harness.UNITS_TEXT)
        harness.publish(daemon, 'keys', 'keys',
                        harness.everyone([(child.key, child.unit) for child in children]))
        harness.publish(daemon, 'keys', 'reviewers', reviewers())

    def send(self, daemon, unit, plan, form, period, revision=1, nil=False, note=None, **values):
        """One report of a ward by its own key; the outcome."""
        note = note if note is not None else ('sửa' if revision > 1 else '')
        report = client.report(plan, form, period, unit, values, revision, nil, note)
        return harness.submit(daemon, unit, report)[1]

    def reported(self, *arguments, **values):
        """The same where it must count; the judgement's name."""
        outcome = self.send(*arguments, **values)
        self.assertEqual(outcome.problems, [])
        return outcome.receipt.judgement_names[0]

    def act(self, daemon, kind, plan, form, period, unit, revision=0, until=0, reason='vì thử',
            by='reviewer 10'):
        """One act by a reviewer; the names of its judgements or of its problems."""
        key = key_of(by)
        made = client.review(key, harness.next_counter(key),
                             [client.act(kind, plan, form, period, unit, revision, until, reason)])
        with daemon.session(key) as session:
            outcome, = session.review(made)
        if outcome.receipt is None:
            return outcome.codes
        outcome.receipt.verify(daemon.key.public, made)
        self.assertEqual(outcome.receipt.kind, 'review')
        return outcome.receipt.judgement_names

    def acted(self, *arguments, **options):
        """The same where it must be taken."""
        self.assertEqual(self.act(*arguments, **options), ['accepted'])

    @staticmethod
    def row(daemon, plan, form, period, unit):
        with daemon.session() as session:
            return harness.row_of(session.figures(plan, form, period, unit), form, period, unit)

    def sums(self, daemon, plan, form, period, unit):
        return self.row(daemon, plan, form, period, unit).sums

    @staticmethod
    def obligation(daemon, plan, form, period, unit):
        with daemon.session() as session:
            row, = [row for row in session.obligations(plan, form, period, unit)
                    if row.unit == unit]
        return row

    @staticmethod
    def targets_of(daemon, plan, unit):
        """{(target, period): row}"""
        with daemon.session() as session:
            return {(row.target, row.period): row for row in session.targets(plan, unit)}

    @staticmethod
    def settle(child):
        """Waits until the parent has everything of the child."""
        def nothing_pending(session):
            upstream = session.status()['upstream']
            return upstream and upstream['pending'] == 0
        harness.wait_for(child, nothing_pending)
