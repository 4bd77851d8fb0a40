"""The page of an audit, as a Jinja template; Python rather than HTML, so that what follows imports finds it."""

# ruff: noqa: E501 - a line of markup is one line

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {{ audit.data.info.name }} {{ audit.task }}: {{ audit.verdict }}</title>
<style>
:root { --ink: #1d2430; --soft: #5d6778; --line: #e3e7ee; --paper: #fff; --blue: #2f6db3; --pale: #bcd3ec;
  --PASS: #1f7a4d; --FAIL: #b3261e; --UNDECIDED: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 2.5rem 4rem; background: var(--paper); min-height: 100vh; }
h1 { font-size: 1.15rem; font-weight: 600; margin: 0; color: var(--soft); }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .4rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { max-width: 44rem; margin: .4rem 0; }
.soft, caption, dt, .method { color: var(--soft); }
.verdict { margin: 1rem 0 0; padding: 1.2rem 1.4rem; border-left: 6px solid var(--tone); background: color-mix(in srgb, var(--tone) 6%, white); }
.verdict strong { display: block; font-size: 2.1rem; line-height: 1.1; letter-spacing: .01em; color: var(--tone); }
.verdict ul { margin: .7rem 0 0; padding-left: 1.1rem; }
.verdict li { margin: .25rem 0; max-width: 46rem; }
.nothing { margin: .8rem 0; padding: .8rem 1.1rem; border: 1px solid var(--FAIL); } .nothing strong { color: var(--FAIL); }
.nothing ul { margin: .4rem 0 0; padding-left: 1.1rem; } .nothing li { margin: .25rem 0; max-width: 46rem; }
.tag { font-size: .78rem; font-weight: 650; letter-spacing: .03em; color: var(--tone); white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.2rem; margin: .8rem 0; }
.figures b { display: block; font-size: 1.7rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.figures span { display: block; font-size: .87rem; color: var(--soft); }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem; }
th { text-align: left; font-weight: 600; font-size: .82rem; color: var(--soft); border-bottom: 1px solid var(--ink); padding: .3rem .9rem .3rem 0; vertical-align: bottom; }
td { padding: .42rem .9rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
td.number { text-align: right; white-space: nowrap; } th.number { text-align: right; }
td.keep { white-space: nowrap; } td.chart { min-width: 13rem; } td.chart small { color: var(--soft); margin-left: .35rem; white-space: nowrap; }
tr.small td { color: #98a1af; } tr.worst td:first-child { font-weight: 650; }
.bar { display: block; width: 100%; height: 12px; margin-top: .1rem; }
.bar .track { fill: #e9edf3; } .bar .span { fill: var(--pale); } .bar .dot { fill: var(--blue); }
.bar .floor { stroke: #6b7280; stroke-width: 1; stroke-dasharray: 2 2; vector-effect: non-scaling-stroke; }
tr.worst .span { fill: #f0c4c0; } tr.worst .dot { fill: var(--FAIL); }
td.again { color: transparent; user-select: none; }
.strip { display: flex; flex-wrap: wrap; gap: 1rem .9rem; margin: .6rem 0 1rem; }
figure { margin: 0; } .strip img { display: block; max-width: 100%; height: auto; } .strip figcaption { font-size: .82rem; line-height: 1.35; margin-top: .3rem; white-space: pre-line; max-width: 13rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 1.2rem; } .plots img { max-width: 100%; width: 26rem; height: auto; }
details { margin-top: 1rem; } summary { cursor: pointer; font-weight: 600; }
.method { font-size: .9rem; } .method p { max-width: 48rem; }
@media (max-width: 44rem) {
  main { padding: 1.4rem 1.1rem 3rem; }
  .verdict strong { font-size: 1.7rem; }
  table.groups, table.groups tbody, table.groups tr, table.groups td { display: block; width: 100%; }
  table.groups thead { display: none; }
  table.groups tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  table.groups td { border: 0; padding: .1rem 0; text-align: left; min-width: 0; }
  table.groups td[data-label]::before { content: attr(data-label) " "; color: var(--soft); font-size: .82rem; }
  td.again { color: inherit; } table.groups td:first-child { font-weight: 600; }
}
@media print { body { background: white; } main { padding: 0; } details:not([open]) > *:not(summary) { display: block; } }
</style>
</head>
<body>
<main>
<h1>Audit of {{ audit.data.info.name }} · {{ audit.task }}</h1>
<section class="verdict" style="--tone: var(--{{ audit.verdict }})">
<strong>{{ audit.verdict }}</strong>
<ul>
{% for reason in audit.reasons %}
<li>{{ reason }}</li>
{% endfor %}
</ul>
</section>
{% if audit.left_open %}
<details{% if audit.verdict == "UNDECIDED" %} open{% endif %}><summary>Not audited, or not decided</summary>
<ul>
{% for line in audit.left_open %}
<li>{{ line }}</li>
{% endfor %}
</ul>
</details>
{% endif %}
<p class="soft">Judged on {{ amount(num_pictures, "test pictures") }}{% if audit.num_units != num_pictures %} of {{ "{:,}".format(audit.num_units) }} unit{{ "s" if audit.num_units != 1 }}{% if unit_origin %} ({{ unit_origin }} made them){% endif %}{% endif %}{% if not torn %} that no training has seen{% endif %}. Figures are points out of 100, beside them their 95&nbsp;% interval.</p>

<h2>How good it is overall</h2>
{% if nothing %}
<section class="nothing">
<strong>Degenerate: by these figures nothing is shown</strong>
<ul>
{% for line in nothing %}
<li>{{ line }}</li>
{% endfor %}
</ul>
</section>
{% endif %}
{% for line in beside %}
<p class="soft">{{ line }}</p>
{% endfor %}
<div class="figures">
{% for title, figure in headline if figure.value is not none %}
<div><span>{{ title }}</span><b>{{ figure.value | points }}</b><span>{{ figure.low | points }} to {{ figure.high | points }}, n = {{ counted(figure.n, figure.get("pictures"), figure.get("units")) }}{% if "covers" in figure %}; {{ figure.covers }}{% endif %}</span></div>
{% endfor %}
{% if twin %}
<div><span>accuracy without pretraining</span><b>{{ twin.value | points }}</b><span>{{ twin.low | points }} to {{ twin.high | points }}, same budget</span></div>
{% endif %}
</div>
{% if classes %}
<details{% if classes | length <= 24 %} open{% endif %}><summary>Every class</summary>
<table class="groups">
<thead><tr><th>class</th><th>figure</th><th class="number">value</th><th class="number">95&nbsp;% interval</th><th class="number">n</th></tr></thead>
<tbody>
{% for row in classes %}
<tr><td class="{{ '' if row.first else 'again' }}">{{ row.name }}</td><td data-label="figure">{{ row.figure }}</td><td class="number" data-label="value">{{ row.of.value | points }}</td><td class="number" data-label="interval">{% if row.of.low is not none %}{{ row.of.low | points }} to {{ row.of.high | points }}{% else %}-{% endif %}</td><td class="number" data-label="n">{{ counted(row.of.n, row.of.get("pictures"), row.of.get("units")) }}</td></tr>
{% endfor %}
</tbody>
</table>
</details>
{% endif %}
<div class="plots">
{% for title, address in plots %}
<figure><img src="{{ address }}" alt="{{ title }}"></figure>
{% endfor %}
</div>

{% macro groups(table) %}
<h3>{{ table.title }}</h3>
<div>
<table class="groups">
<thead><tr><th>group</th><th class="number">pictures</th>{% for f in table.findings %}<th>{{ f.comparison.measure.title }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name in table.names %}
{% set g = loop.index0 %}
{% set first = table.findings[0].comparison %}
<tr class="{{ 'small' if g not in first.compared else '' }}{{ 'worst' if first.compared | length > 1 and g == first.worst and table.findings[0].verdict == 'FAIL' else '' }}">
<td>{{ name }}{% if g not in first.compared %} <small>({{ "too unequal to compare: " ~ worth(first, g) if g in first.uneven else "too few to compare" if g in first.small(audit.min_group) else "figure not defined, not compared" }})</small>{% endif %}</td><td class="number" data-label="pictures">{{ counted(first.estimates[g].num_pictures, None, first.estimates[g].num_units) }}</td>
{% for f in table.findings %}
{% set e = f.comparison.estimates[g] %}
<td class="chart" data-label="{{ f.comparison.measure.title }}">{{ e.value | points }}<small>{% if e.n %}{{ e.low | points }} to {{ e.high | points }}, {{ amount(e.n, f.comparison.measure.unit) }}{% endif %}</small>{{ interval(e) }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endmacro %}

{% if tables %}
<h2>Verdict by column</h2>
<div>
<table class="groups">
<thead><tr><th>column</th><th>figure</th><th class="number">gap</th><th class="number">95&nbsp;% interval</th><th title="smallest false alarm rate of the whole audit at which a gap of these groups fails; none where the gap found is within the limit">p, if no gap exceeds {{ limits.max_gap | points }}</th><th>worst group</th><th>verdict</th></tr></thead>
<tbody>
{% for table in tables %}
{% for f in table.findings %}
<tr><td class="{{ '' if loop.first else 'again' }}">{{ table.title }}</td><td data-label="figure">{{ f.comparison.measure.title }}</td>
{% if f.is_compared %}
{% set gap = f.comparison.gap() %}
<td class="number" data-label="gap">{{ gap[0] | points }}</td><td class="number" data-label="interval">{{ gap[1] | points }} to {{ gap[2] | points }}</td><td class="keep" data-label="p">{{ chance(f.p) if gap[0] > limits.max_gap else "-" }}</td><td data-label="worst group">{{ f.comparison.grouping.names[f.comparison.worst] }}</td>
{% else %}
<td class="number">-</td><td class="number">-</td><td>-</td><td>{{ not_compared(f.comparison, audit.min_group) }}</td>
{% endif %}
<td class="tag" style="--tone: var(--{{ f.verdict }})">{{ f.verdict }} {{ fails_by(f) }}</td></tr>
{% endfor %}
{% endfor %}
</tbody>
</table>
</div>

<h2>Every group</h2>
<p class="soft">The bar is the interval, the mark the figure, the dashed line the floor of {{ limits.min_worst_group | points }}.</p>
{% for table in tables if table.single %}{{ groups(table) }}{% endfor %}
{% if tables | rejectattr("single") | list %}
<details{% if tables | rejectattr("single") | list | length < 4 %} open{% endif %}><summary>Intersections of two columns</summary>
{% for table in tables if not table.single %}{{ groups(table) }}{% endfor %}
</details>
{% endif %}
{% endif %}

{% if strips or gallery %}
<h2>What goes wrong</h2>
<p class="soft">{% if strips %}{{ legend }} {% endif %}{% if gallery %}The worst of all test pictures: {{ gallery }}.{% endif %}</p>
{% for title, shots in strips %}
<h3>{{ title }}</h3>
<div class="strip">
{% for address, caption in shots %}
<figure><img src="{{ address }}" alt=""><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
{% endfor %}
{% endif %}

<h2>Method</h2>
<div class="method">
<p><b>Verdict.</b> Allowed are gaps of {{ limits.max_gap | points }} points between groups and, as the floor, no group below {{ limits.min_worst_group | points }}. {{ meaning }} The audit's verdict is the worst of its columns and of their intersections; of a column or an intersection only groups of {{ audit.min_group }} {{ "pictures" if audit.num_units == num_pictures else "units" }} or more that hold what a figure is read from are compared, smaller ones are shown. Pictures without a value in a column are a group of it; too few of them beside a single value leave nothing to compare, and hold nothing up.</p>
<p><b>FAIL</b> rests on the lower bound of a gap (upper bound of a group) at a level that is corrected for all {% if num_claims %}{{ "{:,}".format(num_claims) }} {% endif %}claims of this audit, every ordered pair of groups and every floor (Bonferroni): where no true gap{% if audit.strata.asked %}, given the classes,{% endif %} is above the limit and no true figure below the floor, the whole audit fails in at most {{ limits.alpha | points }} % of cases. p is the smallest such rate at which the gap of a pair of groups fails, that which the reasons name; where the gap found is within the limit there is none. It says nothing of the floor: what fails by the floor alone may stand beside any p.{% if not num_claims %} Here nothing was large enough to be compared, so nothing was claimed.{% endif %} <b>PASS</b> needs the 95&nbsp;% bounds of every pair and every group.</p>
<p><b>Classes.</b> {{ of_pictures }}{% if audit.strata.asked %} Given these classes, a group of difficult ones is not taken for a group that is treated worse. Where the bounds of a pair say FAIL, its two groups are dealt out anew among their own pictures of each class: the gap that deals have on average is what classes explain. The gap fails only if its bound lies above that and, besides, above what is allowed of a gap within the classes that both groups hold. Of an intersection, a group is below the floor only if its bound lies below what its classes explain, too. Each claim has its share of the same rate, however many pairs are asked.{% endif %}</p>
<p><b>Intervals</b> are Wilson's, which hold for small groups. For a figure that is no share of independent pictures, the effective number of pictures comes from its standard error over pictures (how much each picture moves it), with Student's quantile. A gap's interval is made of those of its two groups (MOVER): its lower bound is that of best minus worst, its upper bound the largest of all pairs. Verdicts rest on Clopper and Pearson's bounds in Wilson's place, which are wider close to 0 and 100 and keep what they promise there too: a gap that is shown just within the limit need not pass.{% if audit.num_units != num_pictures %} What is drawn is a unit, pictures that belong together: their number, not that of pictures, says how sure a figure is{% if audit.strata.asked %}, and how sure what classes leave of a gap is{% endif %}. A figure weighs each picture, object or pixel alike, so that a large unit moves it more than a small one. {% endif %} Units of unequal size, and pictures of unequal numbers of the objects that a figure is read from, count as fewer than they are (Kish); a group that has enough of them but is worth fewer is not compared, and nothing passes.</p>
{% if audit.about %}
<p><b>Columns.</b>{% for sentence in audit.about %} {{ sentence }}{% endfor %}</p>
{% endif %}
<p><b>Figures.</b> {{ definition }}</p>
</div>
</main>
</body>
</html>
"""
